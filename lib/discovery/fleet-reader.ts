import type { GetParameters } from '../aws/ssm-client.ts';
import type { Attempt } from './cached.ts';
import {
  decodeFleet,
  decodePointer,
  FleetError,
  type FleetWorker,
  POINTER_NAME,
  type Pointer,
  shardNames,
  withHeartbeat,
} from './fleet.ts';
import type { ScaledService } from './scaled-service.ts';

/** One `GetParameters` takes ten names. */
const NAMES_PER_CALL = 10;
/** Times the pointer is read in one load, when a writer went round between pointer and shards. */
const TRIES = 3;

export interface ReadFleet {
  readonly pointer: Pointer;
  /** As written. */
  readonly listed: readonly FleetWorker[];
  /** With the heartbeat the pointer holds for all healthy ones. */
  readonly workers: readonly FleetWorker[];
  readonly services: readonly ScaledService[];
}

/** The names to ask for together with the settings: the pointer and the first two shards of both slots. */
export const firstFleetNames: readonly string[] = [POINTER_NAME, ...[1, 2, 3, 4].map((n) => `runtime/fleet/${n}`)];

const chunks = (names: readonly string[]) =>
  Array.from({ length: Math.ceil(names.length / NAMES_PER_CALL) }, (_, index) =>
    names.slice(index * NAMES_PER_CALL, (index + 1) * NAMES_PER_CALL),
  );

/** Reads parameters by their names below the prefix. */
export const readBelow =
  (getParameters: GetParameters, prefix: string) =>
  async (names: readonly string[], attempt: Attempt): Promise<ReadonlyMap<string, string>> => {
    const found = new Map<string, string>();
    for (const some of chunks(names)) {
      const values = await attempt((signal) =>
        getParameters(
          some.map((name) => `${prefix}/${name}`),
          signal,
        ),
      );
      for (const [name, value] of values) found.set(name.slice(prefix.length + 1), value);
    }
    return found;
  };

/**
 * Reads the whole fleet the pointer means: what is not among the first parameters with one more call per ten shards,
 * and nothing at all while the digest is the one already decoded.
 * @param first parameters already read, `firstFleetNames` among them.
 * @param known the fleet decoded last.
 * @returns `undefined` when no fleet was ever written.
 * @throws {FleetError} when the parameters are no whole fleet; errors of SSM as they are.
 */
export const readFleet = async (
  read: ReturnType<typeof readBelow>,
  first: ReadonlyMap<string, string>,
  attempt: Attempt,
  known?: ReadFleet,
): Promise<ReadFleet | undefined> => {
  let values = first;
  for (let round = 1; ; round += 1) {
    const text = values.get(POINTER_NAME);
    if (text === undefined) return undefined;
    const pointer = decodePointer(text);
    if (known?.pointer.digest === pointer.digest && known.pointer.services?.digest === pointer.services?.digest) {
      if (known.pointer.seenAt === pointer.seenAt) return { ...known, pointer };
      return { ...known, pointer, workers: withHeartbeat(known.listed, pointer) };
    }
    try {
      const names = shardNames(pointer);
      const missing = names.filter((name) => !values.has(name));
      const more = missing.length ? await read(missing, attempt) : values;
      const shards = names.map((name) => values.get(name) ?? more.get(name));
      const { workers: listed, services } = decodeFleet(pointer, shards);
      return { pointer, listed, workers: withHeartbeat(listed, pointer), services };
    } catch (error) {
      if (!(error instanceof FleetError) || round === TRIES) throw error;
      values = await read(firstFleetNames, attempt);
    }
  }
};
