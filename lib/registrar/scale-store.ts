import { GetParametersCommand, PutParameterCommand, type SSMClient } from '@aws-sdk/client-ssm';
import * as v from 'valibot';
import { readWish } from '../discovery/wish-time.ts';
import { readJson } from '../json.ts';
import type { log as Log } from '../telemetry/log.ts';
import type { ScaleRecord } from './scale-record.ts';

/** One `GetParameters` takes ten names. */
const NAMES_PER_CALL = 10;
/** Bytes of a standard SSM parameter. */
const MAX_VALUE_BYTES = 4096;
/** A gateway's clock may be ahead of ours by so much; what it says of a later time counts as nothing. */
const AHEAD_MS = 30_000;
/** A record of which only counters changed is written this often; a run that is ended loses no more than that. */
const COUNTERS_EVERY_MS = 50_000;
/** How long a parameter may look as it did before it was written. */
const LATE_MS = 5_000;

const time = v.number();
const count = v.pipe(v.number(), v.minValue(0));
const scaleRecord = v.object({
  state: v.picklist(['awake', 'waking', 'asleep', 'draining', 'failed']),
  since: time,
  wokenAt: v.optional(time),
  idleSince: v.optional(time),
  served: v.pipe(
    v.record(v.string(), v.number()),
    // A worker may be called anything.
    v.transform((served) => Object.assign(Object.create(null) as Record<string, number>, served)),
  ),
  wakes: v.array(count),
  stoppedBefore: v.array(v.string()),
  crowded: count,
  grownAt: v.optional(time),
  rousedFor: v.optional(time),
  reason: v.optional(v.string()),
});

/** What is kept of one service. */
export interface Kept {
  readonly record: ScaleRecord | undefined;
  /** When somebody wanted it last. */
  readonly wantedAt: number | undefined;
}

export interface ScaleStore {
  /** @throws errors of the SDK. */
  read(services: readonly string[], now: number, signal: AbortSignal): Promise<ReadonlyMap<string, Kept>>;
  /**
   * Remembers a record, and writes it where it says more than other counters.
   * @throws errors of the SDK: then it is not remembered either.
   */
  write(service: string, record: ScaleRecord, now: number, signal: AbortSignal): Promise<void>;
}

export interface ScaleStoreOptions {
  readonly ssm: SSMClient;
  readonly prefix: string;
  readonly log: typeof Log;
  /** Resolves when the next parameter may be written. */
  readonly pace: () => Promise<void>;
}

const encode = (record: ScaleRecord): string => {
  const text = JSON.stringify(record);
  if (Buffer.byteLength(text) <= MAX_VALUE_BYTES) return text;
  // Of very many workers it is not remembered what they had served: the next look counts as work.
  return JSON.stringify({ ...record, served: {}, stoppedBefore: record.stoppedBefore.slice(-100) });
};

/** A record as found or written last, and what this process has remembered since. */
interface Memory {
  readonly text: string | undefined;
  readonly record: ScaleRecord | undefined;
  readonly writtenAt: number;
  /** What was there before it was written: SSM may still show that for a moment. */
  readonly replaced?: string | undefined;
}

/** What is more than counters. */
const essence = ({ served: _served, crowded: _crowded, ...rest }: ScaleRecord) => JSON.stringify(rest);

const readTime = (text: string | undefined, now: number): number | undefined => {
  const at = readWish(text ?? '') ?? Number.NaN;
  return at <= now + AHEAD_MS ? Math.min(at, now) : undefined;
};

/**
 * What the registrar remembers of scaled services between two looks (`runtime/scale/<service>`), and what gateways have
 * left for it (`runtime/wake/<service>`).
 */
export const createScaleStore = ({ ssm, prefix, log, pace }: ScaleStoreOptions): ScaleStore => {
  const memories = new Map<string, Memory>();

  const parse = (service: string, text: string | undefined): ScaleRecord | undefined => {
    if (text === undefined) return undefined;
    const result = v.safeParse(scaleRecord, readJson(text));
    if (result.success) return result.output;
    log('error', 'parameter_malformed', { parameter: `${prefix}/runtime/scale/${service}` });
    return undefined;
  };

  return {
    async read(services, now, abortSignal) {
      const names = services.flatMap((name) => [`runtime/scale/${name}`, `runtime/wake/${name}`]);
      const found = new Map<string, string>();
      for (let start = 0; start < names.length; start += NAMES_PER_CALL) {
        const Names = names.slice(start, start + NAMES_PER_CALL).map((name) => `${prefix}/${name}`);
        const { Parameters = [] } = await ssm.send(new GetParametersCommand({ Names }), { abortSignal });
        for (const { Name = '', Value = '' } of Parameters) found.set(Name.slice(prefix.length + 1), Value);
      }
      return new Map(
        services.map((service): [string, Kept] => {
          const text = found.get(`runtime/scale/${service}`);
          const memory = memories.get(service);
          const isLate = memory !== undefined && memory.replaced === text && now - memory.writtenAt < LATE_MS;
          // Another registrar's words count more than a memory.
          if (!memory || (memory.text !== text && !isLate)) {
            memories.set(service, { text, record: parse(service, text), writtenAt: 0 });
          }
          const wantedAt = readTime(found.get(`runtime/wake/${service}`), now);
          return [service, { record: memories.get(service)?.record, wantedAt }];
        }),
      );
    },

    async write(service, record, now, abortSignal) {
      const memory = memories.get(service);
      const isSame = memory?.record !== undefined && essence(memory.record) === essence(record);
      const age = now - (memory?.writtenAt ?? 0);
      if (isSame && age >= 0 && age < COUNTERS_EVERY_MS) {
        memories.set(service, { ...memory, record });
        return;
      }
      const text = encode(record);
      if (text !== memory?.text) {
        await pace();
        const parameter = { Name: `${prefix}/runtime/scale/${service}`, Value: text, Type: 'String' } as const;
        await ssm.send(new PutParameterCommand({ ...parameter, Overwrite: true }), { abortSignal });
      }
      memories.set(service, { text, record, writtenAt: now, replaced: memory?.text });
    },
  };
};
