import { readObject } from '../json.ts';
import type { Worker } from '../worker.ts';
import type { ScaledService } from './scaled-service.ts';

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
 *
 * Where there are services whose count the registrar changes, they lie in further shards behind those of the workers,
 * and the pointer tells their number and digest: a reader that knows of none reads the workers as before.
 */
export interface FleetWorker extends Omit<Worker, 'apiKey' | 'scaledBy'> {
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
  /** Scaled services' shards, behind the workers'. */
  readonly services?: { readonly count: number; readonly digest: string } | undefined;
}

/** What the shards hold. */
export interface Fleet {
  readonly workers: readonly FleetWorker[];
  readonly services: readonly ScaledService[];
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

const header = ({ generation, count, digest }: Pick<Pointer, 'generation' | 'count' | 'digest'>, index: number) =>
  `${generation}:${index}/${count}:${digest.slice(0, 16)}:`;

const stable = (value: unknown) =>
  JSON.stringify(value, (_key, inner: unknown) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

const canonical = (workers: readonly FleetWorker[]) =>
  stable(workers.toSorted((a, b) => (a.service + a.id < b.service + b.id ? -1 : 1)));

const canonicalServices = (services: readonly ScaledService[]) =>
  stable(services.toSorted((a, b) => (a.name < b.name ? -1 : 1)));

const sha256 = (text: string) =>
  process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('hex');

/** @returns the digest that tells whether two fleets are the same, whatever the order of workers and fields. */
export const fleetDigest = (workers: readonly FleetWorker[]): string => sha256(canonical(workers));

/** @returns the same of services; `undefined`: there are none, and the pointer does not speak of any. */
export const servicesDigest = (services: readonly ScaledService[]): string | undefined =>
  services.length === 0 ? undefined : sha256(canonicalServices(services));

/** Cuts JSON into pieces that fit behind their headers. */
const packed = (json: string, generation: number) => {
  const text = process.getBuiltinModule('node:zlib').deflateRawSync(json, { level: 9 }).toString('base64');
  const digest = sha256(json);
  // The count is part of every header and the header part of the limit: reserve for the widest count.
  const room = MAX_VALUE_BYTES - header({ generation, count: 99_999, digest }, 99_999).length;
  return { digest, pieces: text.match(new RegExp(`.{1,${room}}`, 'g')) ?? [] };
};

/** @returns the values to write, shards first: parameter name (below the prefix) -> value. */
export const encodeFleet = (
  workers: readonly FleetWorker[],
  generation: number,
  services: readonly ScaledService[] = [],
): { readonly pointer: Omit<Pointer, 'seenAt'>; readonly shards: ReadonlyMap<string, string> } => {
  const shards = new Map<string, string>();
  const add = (json: string) => {
    const { digest, pieces } = packed(json, generation);
    const part = { generation, count: pieces.length, digest };
    for (const [index, piece] of pieces.entries()) {
      shards.set(shardName(generation, shards.size), header(part, index) + piece);
    }
    return { count: pieces.length, digest };
  };
  const pointer = { generation, ...add(canonical(workers)) };
  return {
    pointer: services.length === 0 ? pointer : { ...pointer, services: add(canonicalServices(services)) },
    shards,
  };
};

/** @returns how many shards the fleet takes. */
export const shardCount = (workers: readonly FleetWorker[], services: readonly ScaledService[] = []): number =>
  encodeFleet(workers, 1, services).shards.size;

/** @throws {FleetError} */
export const decodePointer = (text: string): Pointer => {
  const { generation, seenAt, services, ...workers } = (readObject(text) ?? {}) as Partial<Pointer>;
  const whole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
  const part = ({ count, digest }: Partial<NonNullable<Pointer['services']>>) =>
    whole(count) && count <= 10_000 && typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest)
      ? { count, digest }
      : undefined;
  const [first, second] = [part(workers), services && part(services)];
  if (!whole(generation) || !first || (services && !second)) throw new FleetError('malformed fleet pointer');
  return { generation, ...first, seenAt: String(seenAt), ...(second && { services: second }) };
};

/** @returns the names of a pointer's shards, in order. */
export const shardNames = ({ generation, count, services }: Pointer): readonly string[] =>
  Array.from({ length: count + (services?.count ?? 0) }, (_, index) => shardName(generation, index));

type Part = Pick<Pointer, 'generation' | 'count' | 'digest'>;

/** @throws {FleetError} */
const unpacked = (part: Part, shards: readonly (string | undefined)[]): unknown => {
  const pieces = shards.map((shard, index) => {
    const expected = header(part, index);
    if (!shard?.startsWith(expected)) throw new FleetError(`fleet shard ${index} is not of this generation`);
    return shard.slice(expected.length);
  });
  let json: string;
  try {
    json = process
      .getBuiltinModule('node:zlib')
      .inflateRawSync(Buffer.from(pieces.join(''), 'base64'), { maxOutputLength: MAX_JSON_BYTES })
      .toString('utf8');
  } catch {
    throw new FleetError('fleet shards do not inflate');
  }
  if (sha256(json) !== part.digest) throw new FleetError('fleet shards do not match the digest');
  return JSON.parse(json);
};

/**
 * Puts a fleet together.
 * @param shards values in the order of `shardNames(pointer)`.
 * @throws {FleetError} when they are not exactly the ones the pointer means.
 */
export const decodeFleet = (pointer: Pointer, shards: readonly (string | undefined)[]): Fleet => {
  const { generation, count, services } = pointer;
  const workers = unpacked(pointer, services ? shards.slice(0, count) : shards) as FleetWorker[];
  if (!services) return { workers, services: [] };
  return { workers, services: unpacked({ generation, ...services }, shards.slice(count)) as ScaledService[] };
};

/** @returns the workers with `lastHeartbeat` of the healthy ones, which the shards leave to the pointer. */
export const withHeartbeat = (workers: readonly FleetWorker[], { seenAt }: Pointer): readonly FleetWorker[] =>
  workers.map((worker) =>
    worker.status === 'healthy' && !worker.lastHeartbeat ? { ...worker, lastHeartbeat: seenAt } : worker,
  );
