import { readObject } from '../json.ts';
import type { Worker } from '../worker.ts';

/**
 * The fleet as parameters. SSM knows no transaction, so the snapshot lies in shards, in one of two slots, under a
 * pointer that is written last:
 *
 *     runtime/fleet/0          the pointer
 *     runtime/fleet/1, 3, 5..  shards of even generations
 *     runtime/fleet/2, 4, 6..  shards of odd generations
 *
 * While generation n is read, n+1 goes into the other slot. Every shard carries generation, index, count and the head
 * of the digest the pointer holds in full, so a reader that meets shards of two writes knows, and never decodes them.
 * Shards above the current count are leftovers and never read.
 */
export interface FleetWorker extends Omit<Worker, 'apiKey'> {
  /** `<name>` of `services/<name>`; keys are looked up by it, none is ever in a shard. */
  readonly service: string;
}

export interface Pointer {
  readonly generation: number;
  /** Number of shards. */
  readonly count: number;
  /** SHA-256 (hex) of the fleet's JSON. */
  readonly digest: string;
  /** RFC 3339: when the registrar last confirmed the whole fleet; the heartbeat of every healthy worker. */
  readonly seenAt: string;
}

/** The parameters are not one whole fleet. */
export class FleetError extends Error {
  constructor(problem: string) {
    super(problem);
    this.name = 'FleetError';
  }
}

/** Bytes of a standard SSM parameter. */
const MAX_VALUE_BYTES = 4096;
/** Decoded JSON beyond this is not ours. */
const MAX_JSON_BYTES = 64 << 20;

export const POINTER_NAME = 'runtime/fleet/0';

const shardName = (generation: number, index: number): string => `runtime/fleet/${1 + 2 * index + (generation % 2)}`;

const header = ({ generation, count, digest }: Omit<Pointer, 'seenAt'>, index: number) =>
  `${generation}:${index}/${count}:${digest.slice(0, 16)}:`;

const canonical = (workers: readonly FleetWorker[]) =>
  JSON.stringify(
    workers.toSorted((a, b) => (a.service + a.id < b.service + b.id ? -1 : 1)),
    (_key, value: unknown) =>
      value && typeof value === 'object' && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
        : value,
  );

const sha256 = (text: string) =>
  process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('hex');

/** @returns the digest that tells whether two fleets are the same, whatever the order of workers and fields. */
export const fleetDigest = (workers: readonly FleetWorker[]): string => sha256(canonical(workers));

/** @returns the values to write, shards first: parameter name (below the prefix) -> value. */
export const encodeFleet = (
  workers: readonly FleetWorker[],
  generation: number,
): { readonly pointer: Omit<Pointer, 'seenAt'>; readonly shards: ReadonlyMap<string, string> } => {
  const json = canonical(workers);
  const packed = process.getBuiltinModule('node:zlib').deflateRawSync(json, { level: 9 }).toString('base64');
  const digest = sha256(json);
  // The count is part of every header and the header part of the limit: reserve for the widest count.
  const room = MAX_VALUE_BYTES - header({ generation, count: 99_999, digest }, 99_999).length;
  const pieces = packed.match(new RegExp(`.{1,${room}}`, 'g')) ?? [];
  const pointer = { generation, count: pieces.length, digest };
  return {
    pointer,
    shards: new Map(pieces.map((piece, index) => [shardName(generation, index), header(pointer, index) + piece])),
  };
};

/** @returns how many shards the fleet takes. */
export const shardCount = (workers: readonly FleetWorker[]): number => encodeFleet(workers, 1).pointer.count;

/** @throws {FleetError} */
export const decodePointer = (text: string): Pointer => {
  const { generation, count, digest, seenAt } = (readObject(text) ?? {}) as Partial<Pointer>;
  const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
  if (whole(generation) && whole(count) && count <= 10_000 && /^[0-9a-f]{64}$/.test(digest ?? '')) {
    return { generation, count, digest: digest as string, seenAt: String(seenAt) };
  }
  throw new FleetError('malformed fleet pointer');
};

/** @returns the names of a pointer's shards, in order. */
export const shardNames = ({ generation, count }: Pointer): readonly string[] =>
  Array.from({ length: count }, (_, index) => shardName(generation, index));

/**
 * Puts a fleet together.
 * @param shards values in the order of `shardNames(pointer)`.
 * @throws {FleetError} when they are not exactly the ones the pointer means.
 */
export const decodeFleet = (pointer: Pointer, shards: readonly (string | undefined)[]): readonly FleetWorker[] => {
  const packed = shards.map((shard, index) => {
    const expected = header(pointer, index);
    if (!shard?.startsWith(expected)) throw new FleetError(`fleet shard ${index} is not of this generation`);
    return shard.slice(expected.length);
  });
  let json: string;
  try {
    json = process
      .getBuiltinModule('node:zlib')
      .inflateRawSync(Buffer.from(packed.join(''), 'base64'), { maxOutputLength: MAX_JSON_BYTES })
      .toString('utf8');
  } catch {
    throw new FleetError('fleet shards do not inflate');
  }
  if (sha256(json) !== pointer.digest) throw new FleetError('fleet shards do not match the digest');
  return JSON.parse(json) as FleetWorker[];
};

/** @returns the workers with `lastHeartbeat` of the healthy ones, which the shards leave to the pointer. */
export const withHeartbeat = (workers: readonly FleetWorker[], { seenAt }: Pointer): readonly FleetWorker[] =>
  workers.map((worker) =>
    worker.status === 'healthy' && !worker.lastHeartbeat ? { ...worker, lastHeartbeat: seenAt } : worker,
  );
