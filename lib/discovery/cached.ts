import { UnavailableError } from '../errors.ts';
import type { log as Log } from '../telemetry/log.ts';
import { bounded, type Call, withFullJitter } from '../time/backoff.ts';
import { type Clock, systemClock } from '../time/clock.ts';

/** One call alongside a request may last this long. */
const CALL_MS = 2_000;
/** One of several tries on a cold start, when the process has the least CPU. */
const COLD_CALL_MS = 3_000;
/** A request on a thawed environment waits this long for fresh values. */
const THAW_WAIT_MS = 500;
/** A cold start tries for this long. */
const COLD_MS = 8_000;
/** A refresh that runs alongside requests has this long; by the wall clock an older one was frozen with its sockets. */
const REFRESH_MS = CALL_MS;
/** The end of an invocation waits this long for a refresh. */
const SETTLE_MS = 1_000;
/** Who wants a value read again takes one that was read for another just now. */
const FRESH_MS = 500;

/** Runs one remote call for the loader: bounded, and on a cold start repeated with full jitter. */
export type Attempt = <R>(call: Call<R>) => Promise<R>;

export interface CachedOptions<T> {
  /** Makes the value; every remote call in it goes through `attempt`. */
  readonly load: (attempt: Attempt) => Promise<T>;
  readonly ttlMs: number;
  readonly log: typeof Log;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export interface Cached<T> {
  /**
   * The value: fresh, or old while a refresh runs alongside, or the last good one for as long as loading fails.
   * @throws {UnavailableError} when there has never been a good value.
   */
  current(signal?: AbortSignal): Promise<T>;
  /**
   * The value, loaded again unless that was done within the last half second. Waits for it, and gives the last good one
   * where loading fails.
   * @throws {UnavailableError} when there has never been a good value.
   */
  refreshed(signal?: AbortSignal): Promise<T>;
  /** Resolves when the refresh under way has ended, after 1 s at most. */
  settled(): Promise<void>;
}

interface Flight {
  readonly startedAt: number;
  readonly until: number;
  readonly abort: AbortController;
  /** Never rejects. */
  readonly done: Promise<void>;
}

/**
 * A single-flight cache for an environment that is frozen between requests (docs/contract.md 9, "Reading").
 *
 * Age is read from the wall clock and counted from the *start* of the load, so a load frozen half-way never passes for
 * fresh. Younger than the TTL, shortened by up to a fifth at random: as it is. Older: refreshed alongside, the request
 * does not wait. Older than three TTLs: the request waits for the refresh until that is 500 ms old. After a failed load
 * the next one waits for half to one TTL, so that an outage does not turn every request into a call.
 */
export const createCached = <T>({
  load,
  ttlMs,
  log,
  clock = systemClock,
  random = Math.random,
}: CachedOptions<T>): Cached<T> => {
  let good: { readonly value: T; readonly loadedAt: number; readonly ttlMs: number } | undefined;
  let flight: Flight | undefined;
  let failure: unknown;
  let notBefore = 0;

  const start = (cold: boolean): Flight => {
    const abort = new AbortController();
    const startedAt = clock.now();
    const until = startedAt + (cold ? COLD_MS : REFRESH_MS);
    const { signal } = abort;
    const backoff = { until, attemptMs: COLD_CALL_MS, baseMs: 100, capMs: 1_000, signal, clock, random };
    const attempt: Attempt = cold
      ? (call) => withFullJitter(call, backoff)
      : (call) => bounded(call, { ms: Math.max(0, Math.min(CALL_MS, until - clock.now())), signal, clock });
    const run = async () => {
      try {
        const value = await load(attempt);
        if (abort.signal.aborted) return;
        good = { value, loadedAt: startedAt, ttlMs: ttlMs * (0.8 + 0.2 * random()) };
        failure = undefined;
        notBefore = 0;
      } catch (error) {
        if (abort.signal.aborted) return;
        failure = error;
        notBefore = clock.now() + (cold ? Math.min(ttlMs, 1_000) : ttlMs) * (0.5 + 0.5 * random());
        log('warn', cold ? 'configuration_unavailable' : 'configuration_refresh_failed', {
          reason: error instanceof Error ? error.message : String(error),
          age_seconds: good && Math.round((clock.now() - good.loadedAt) / 1000),
        });
      } finally {
        if (flight === started) flight = undefined;
      }
    };
    // The loader starts a microtask later, so that `flight` is set before `run` can clear it.
    const started: Flight = { startedAt, until, abort, done: Promise.resolve().then(run) };
    flight = started;
    return started;
  };

  const waitFor = async (done: Promise<void>, ms: number, signal?: AbortSignal) => {
    const limit = new AbortController();
    const stop = () => limit.abort();
    signal?.addEventListener('abort', stop, { once: true });
    await Promise.race([done, clock.sleep(ms, signal?.aborted ? AbortSignal.abort() : limit.signal)]);
    signal?.removeEventListener('abort', stop);
    stop();
  };

  // Bounded, because a clock that jumps back must not hold a load for ever.
  const held = (now: number) => now < notBefore && notBefore - now <= ttlMs;

  const abandonFrozen = (now: number) => {
    if (!flight || (now <= flight.until && now >= flight.startedAt)) return;
    flight.abort.abort();
    flight = undefined;
  };

  const first = async (signal?: AbortSignal): Promise<T> => {
    if (flight || !held(clock.now())) {
      const { done, until } = flight ?? start(true);
      await waitFor(done, until - clock.now() + CALL_MS, signal);
    }
    if (good) return good.value;
    signal?.throwIfAborted();
    throw new UnavailableError('The gateway has no configuration to serve from yet. Try again shortly.', {
      cause: failure,
    });
  };

  return {
    async current(signal) {
      const now = clock.now();
      abandonFrozen(now);
      if (!good) return first(signal);
      // A clock that jumped back says nothing about age: refresh.
      const age = now < good.loadedAt ? Number.POSITIVE_INFINITY : now - good.loadedAt;
      if (age <= good.ttlMs) return good.value;
      const refresh = flight ?? (held(now) ? undefined : start(false));
      if (refresh && age > 3 * ttlMs) {
        await waitFor(refresh.done, Math.max(0, refresh.startedAt + THAW_WAIT_MS - now), signal);
        if (good.loadedAt < refresh.startedAt) {
          log('warn', 'configuration_stale', { age_seconds: Math.round((clock.now() - good.loadedAt) / 1000) });
        }
      }
      return good.value;
    },
    async refreshed(signal) {
      const now = clock.now();
      abandonFrozen(now);
      if (!good) return first(signal);
      const age = now - good.loadedAt;
      if (age < 0 || age > FRESH_MS) {
        const { done, until } = flight ?? start(false);
        await waitFor(done, Math.max(0, until - now), signal);
      }
      return good.value;
    },
    async settled() {
      if (flight) await waitFor(flight.done, SETTLE_MS);
    },
  };
};
