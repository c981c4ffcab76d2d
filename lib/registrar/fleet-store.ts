import { GetParametersCommand, PutParameterCommand, type SSMClient } from '@aws-sdk/client-ssm';
import type { Attempt } from '../discovery/cached.ts';
import {
  decodePointer,
  encodeFleet,
  type Fleet,
  FleetError,
  fleetDigest,
  POINTER_NAME,
  type Pointer,
  servicesDigest,
} from '../discovery/fleet.ts';
import { firstFleetNames, type ReadFleet, readBelow, readFleet } from '../discovery/fleet-reader.ts';
import { readSetting } from '../discovery/parameters.ts';
import type { log as Log } from '../telemetry/log.ts';
import type { Clock } from '../time/clock.ts';

/** A fleet that does not change is confirmed this often, by the pointer alone: its heartbeat. */
const CONFIRM_EVERY_MS = 5 * 60_000;

/** Another registrar wrote meanwhile; its fleet stands. */
class ConflictError extends Error {
  constructor() {
    super('the fleet pointer changed during this run');
    this.name = 'ConflictError';
  }
}

export interface Stored {
  readonly fleet: ReadFleet | undefined;
  /** Of the pointer as found, 0 without one. */
  readonly generation: number;
  readonly pointerText: string | undefined;
  /** service -> key the gateway sends to its workers; the last good ones while the parameter is malformed. */
  readonly workerKeys: Readonly<Record<string, string>>;
  /** The parameter is malformed, and this process has never read a good one: there are keys, and nobody knows them. */
  readonly isKeyless: boolean;
}

export interface FleetStore {
  /** Reads the fleet the previous run left. A damaged one is logged, and replaced by the next write. */
  read(signal: AbortSignal): Promise<Stored>;
  /**
   * Writes the fleet if it is another one: shards into the slot nobody reads, then the pointer.
   * @param confirmed whether every service was really looked at; only then is an unchanged fleet's heartbeat renewed.
   * @throws {ConflictError} errors of the SDK; readers then keep the fleet they have.
   */
  write(
    before: Stored,
    fleet: Fleet,
    confirmed: boolean,
    signal: AbortSignal,
  ): Promise<{ readonly outcome: 'unchanged' | 'confirmed' | 'written'; readonly generation: number }>;
}

export interface FleetStoreOptions {
  readonly ssm: SSMClient;
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: typeof Log;
  /** Resolves when the next parameter may be written. */
  readonly pace: () => Promise<void>;
}

export const createFleetStore = ({ ssm, prefix, clock, log, pace }: FleetStoreOptions): FleetStore => {
  let known: ReadFleet | undefined;
  let goodKeys: Readonly<Record<string, string>> | undefined;

  const readParameters = readBelow(async (Names, abortSignal) => {
    const command = new GetParametersCommand({ Names: [...Names], WithDecryption: true });
    const { Parameters = [] } = await ssm.send(command, { abortSignal });
    return new Map(Parameters.map(({ Name = '', Value = '' }) => [Name, Value]));
  }, prefix);

  const put = async (name: string, value: string, abortSignal: AbortSignal) => {
    const parameter = { Name: `${prefix}/${name}`, Value: value, Type: 'String', Overwrite: true } as const;
    await ssm.send(new PutParameterCommand(parameter), { abortSignal });
  };

  const attemptWith =
    (signal: AbortSignal): Attempt =>
    (call) =>
      call(signal);

  const generationOf = (text: string | undefined) => {
    try {
      return text === undefined ? 0 : decodePointer(text).generation;
    } catch {
      return 0;
    }
  };

  /** @throws {ConflictError} when the pointer is another registrar's by now. */
  const unchangedSince = async (pointerText: string | undefined, signal: AbortSignal) => {
    const found = await readParameters([POINTER_NAME], attemptWith(signal));
    if (found.get(POINTER_NAME) !== pointerText) throw new ConflictError();
  };

  const isWritten = async (shards: ReadonlyMap<string, string>, signal: AbortSignal) => {
    const found = await readParameters([...shards.keys()], attemptWith(signal));
    return [...shards].every(([name, value]) => found.get(name) === value);
  };

  /**
   * Two registrars at once write into one slot. Each looks before every shard whether the other one is done: then the
   * slot is the other's, and stays as it is. Who finds foreign shards at the end leaves the slot to who wrote them.
   */
  const writeShards = async (
    shards: ReadonlyMap<string, string>,
    pointerText: string | undefined,
    signal: AbortSignal,
  ) => {
    for (const [name, value] of shards) {
      await pace();
      await unchangedSince(pointerText, signal);
      await put(name, value, signal);
    }
    if (!(await isWritten(shards, signal))) throw new ConflictError();
  };

  /** @returns the pointer as written. */
  const point = async (before: string | undefined, pointer: Pointer, signal: AbortSignal): Promise<string> => {
    await pace();
    await unchangedSince(before, signal);
    const text = JSON.stringify(pointer);
    await put(POINTER_NAME, text, signal);
    return text;
  };

  return {
    async read(signal) {
      const attempt = attemptWith(signal);
      const found = await readParameters([...firstFleetNames, 'runtime/worker-keys'], attempt);
      const keys = readSetting(found, 'runtime/worker-keys');
      if (keys.state === 'malformed') {
        log('error', 'parameter_malformed', { parameter: `${prefix}/runtime/worker-keys` });
      } else goodKeys = keys.state === 'value' ? keys.value : {};
      const pointerText = found.get(POINTER_NAME);
      try {
        known = await readFleet(readParameters, found, attempt, known);
      } catch (error) {
        if (!(error instanceof FleetError)) throw error;
        known = undefined;
        log('error', 'fleet_unreadable', { reason: error.message });
      }
      return {
        fleet: known,
        generation: generationOf(pointerText),
        pointerText,
        workerKeys: goodKeys ?? {},
        isKeyless: goodKeys === undefined,
      };
    },

    async write(before, { workers, services }, confirmed, signal) {
      const previous = before.fleet?.pointer;
      const unchanged =
        previous !== undefined &&
        previous.digest === fleetDigest(workers) &&
        previous.services?.digest === servicesDigest(services);
      const now = clock.now();
      if (unchanged && (!confirmed || now - Date.parse(previous.seenAt) < CONFIRM_EVERY_MS)) {
        return { outcome: 'unchanged', generation: previous.generation };
      }
      const seenAt = confirmed || !previous ? new Date(now).toISOString() : previous.seenAt;
      if (unchanged) {
        await point(before.pointerText, { ...previous, seenAt }, signal);
        return { outcome: 'confirmed', generation: previous.generation };
      }
      let pointerText = before.pointerText;
      for (let generation = before.generation + 1; ; generation += 1) {
        const { shards, pointer } = encodeFleet(workers, generation, services);
        await writeShards(shards, pointerText, signal);
        pointerText = await point(pointerText, { ...pointer, seenAt }, signal);
        // Another registrar's last shard may have come between the look and the pointer: the other slot, then.
        if (await isWritten(shards, signal)) return { outcome: 'written', generation };
        log('warn', 'fleet_rewritten', { generation });
      }
    },
  };
};
