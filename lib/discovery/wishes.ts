import { type CallSsm, createGetParameters } from '../aws/ssm-client.ts';
import { readObject } from '../json.ts';
import type { log as Log } from '../telemetry/log.ts';
import { bounded, withFullJitter } from '../time/backoff.ts';
import type { Clock } from '../time/clock.ts';
import type { ScaledService } from './scaled-service.ts';
import { readWish } from './wish-time.ts';

/** One call may last so long. */
const CALL_MS = 2_000;
/** A wish this old is expressed again while the service is not waking. */
const STALE_MS = 30_000;
/** An endpoint that was called tries for so long. */
const INSIST_MS = 5_000;
const NAMES_PER_CALL = 10;
const NEVER = new AbortController().signal;

/** What is asked of services that may sleep, and known of when (`runtime/wake/*`, docs/contract.md 11). */
export interface Wishes {
  /**
   * Says that a service is wanted, unless somebody has just said so, or it is waking. A refused call is no error: the
   * next reading of the fleet judges again. Never rejects.
   */
  want(service: Pick<ScaledService, 'name' | 'state' | 'since'>, signal: AbortSignal): Promise<void>;
  /**
   * Says that a service goes on being wanted, for an engine need not count what only stands open: unless that was said less
   * than a quarter of its idle time ago, or it sleeps by now. Never rejects.
   */
  renew(service: Pick<ScaledService, 'name' | 'state' | 'since' | 'idleMinutes'>, signal: AbortSignal): Promise<void>;
  /** Says so in any case. @throws {SsmError} when that cannot be written. */
  insist(name: string, signal: AbortSignal): Promise<void>;
  /** @returns when it was wanted last, milliseconds since the epoch. @throws {SsmError} */
  wantedAt(name: string, signal: AbortSignal): Promise<number | undefined>;
  /** @returns whether an operator lets its count change; `undefined`: there is no such service. @throws {SsmError} */
  isScaled(name: string, signal: AbortSignal): Promise<boolean | undefined>;
  /** @returns since when services have nothing to do, by their names; those of whom nobody knows are left out. */
  idleSince(names: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
}

/** What is to be said, and what would do in its place: something newer than `since`, and not older than `staleMs`. */
interface Wish {
  readonly name: string;
  readonly since: number;
  readonly staleMs: number;
}

export interface WishesOptions {
  readonly prefix: string;
  readonly call: CallSsm;
  readonly log: typeof Log;
  readonly clock: Clock;
  readonly random?: () => number;
}

export const createWishes = ({ prefix, call, log, clock, random = Math.random }: WishesOptions): Wishes => {
  const getParameters = createGetParameters(call);
  /** When each was wanted last, as far as this process has read or written it. */
  const known = new Map<string, number>();
  const under = new Map<string, Promise<void>>();

  const nameOf = (service: string) => `${prefix}/runtime/wake/${service}`;
  const limited = <T>(work: (limit: AbortSignal) => Promise<T>, signal: AbortSignal) =>
    bounded(work, { ms: CALL_MS, signal, clock });

  const wantedAt: Wishes['wantedAt'] = async (service, signal) => {
    const name = nameOf(service);
    const found = await limited((limit) => getParameters([name], limit), signal);
    return readWish(found.get(name) ?? '');
  };

  const put = async (service: string, signal: AbortSignal) => {
    const at = clock.now();
    const parameter = { Name: nameOf(service), Value: new Date(at).toISOString(), Type: 'String', Overwrite: true };
    await call('PutParameter', parameter, signal);
    known.set(service, at);
  };

  const isHeard = (at: number | undefined, { since, staleMs }: Wish): boolean =>
    at !== undefined && at > since && Math.abs(clock.now() - at) <= staleMs;

  const write = async (wish: Wish, signal: AbortSignal) => {
    const { name } = wish;
    try {
      const at = await wantedAt(name, signal);
      if (at !== undefined) known.set(name, at);
      if (!isHeard(at, wish)) await limited((limit) => put(name, limit), signal);
    } catch (error) {
      log('warn', 'wish_not_expressed', { reason: error instanceof Error ? error.message : String(error) });
    }
  };

  const express = async (wish: Wish, signal: AbortSignal) => {
    const { name } = wish;
    if (isHeard(known.get(name), wish) || signal.aborted) return;
    // One process may hold many requests: what one of them has begun for all does not end with it.
    const flight =
      under.get(name) ??
      write(wish, NEVER).finally(() => {
        under.delete(name);
      });
    under.set(name, flight);
    const left = Promise.withResolvers<void>();
    const leave = () => left.resolve();
    signal.addEventListener('abort', leave);
    await Promise.race([flight, left.promise]);
    signal.removeEventListener('abort', leave);
  };

  return {
    wantedAt,
    async want({ name, state, since }, signal) {
      if (state === 'waking' || state === 'awake') return;
      await express({ name, since, staleMs: STALE_MS }, signal);
    },
    async renew({ name, state, since, idleMinutes }, signal) {
      if (state === 'asleep' || state === 'failed') return;
      // A wish from before the draining would not end it.
      const after = state === 'draining' ? since : 0;
      await express({ name, since: after, staleMs: (idleMinutes * 60_000) / 4 }, signal);
    },
    async insist(name, signal) {
      const until = clock.now() + INSIST_MS;
      const backoff = { until, attemptMs: CALL_MS, baseMs: 200, capMs: 1_000, signal, clock, random };
      await withFullJitter((limit) => put(name, limit), backoff);
    },
    async isScaled(service, signal) {
      const name = `${prefix}/services/${service}`;
      const text = (await limited((limit) => getParameters([name], limit), signal)).get(name);
      return text === undefined ? undefined : readObject(text)?.scale !== undefined;
    },
    async idleSince(names, signal) {
      const records = new Map<string, number>();
      const pathOf = (name: string) => `${prefix}/runtime/scale/${name}`;
      for (let start = 0; start < names.length; start += NAMES_PER_CALL) {
        const some = names.slice(start, start + NAMES_PER_CALL);
        const found = await limited((limit) => getParameters(some.map(pathOf), limit), signal);
        for (const name of some) {
          const idleSince = readObject(found.get(pathOf(name)) ?? '')?.idleSince;
          if (typeof idleSince === 'number') records.set(name, idleSince);
        }
      }
      return records;
    },
  };
};
