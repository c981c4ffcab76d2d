import type { Clock } from './clock.ts';

/** One remote call; it should give up when the signal aborts, and is left behind if it does not. */
export type Call<R> = (signal: AbortSignal) => Promise<R>;

export interface Bounds {
  /** Milliseconds for the call. */
  readonly ms: number;
  /** The call lives no longer than this. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * Runs a call for at most `ms`, and no longer than `signal` lives.
 * @throws what the call throws, or an Error saying that no answer came in time.
 */
export const bounded = async <R>(call: Call<R>, { ms, signal, clock }: Bounds): Promise<R> => {
  const limit = new AbortController();
  const timer = new AbortController();
  const stop = () => {
    limit.abort();
    timer.abort();
  };
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop, { once: true });
  const expiry = clock.sleep(ms, timer.signal).then((): never => {
    throw new Error(signal.aborted ? 'abandoned' : `no answer within ${Math.round(ms)} ms`);
  });
  try {
    return await Promise.race([call(limit.signal), expiry]);
  } catch (error) {
    // Only now: a call that has its answer needs no end, and to abort it costs more than a cold start has to give.
    limit.abort();
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
    timer.abort();
  }
};

export interface Backoff extends Omit<Bounds, 'ms'> {
  /** No attempt starts or runs past this time (milliseconds since the epoch). */
  readonly until: number;
  /** Longest single attempt. */
  readonly attemptMs: number;
  readonly baseMs: number;
  readonly capMs: number;
  /** In [0, 1). */
  readonly random: () => number;
}

/**
 * Repeats a bounded call with full jitter: a pause is anything between 0 and an exponentially growing cap, which
 * spreads environments that started together (AWS Architecture Blog, "Exponential Backoff And Jitter").
 * @throws the last error, when the next attempt would start too late or the signal aborted.
 */
export const withFullJitter = async <R>(
  call: Call<R>,
  { until, attemptMs, baseMs, capMs, signal, clock, random }: Backoff,
): Promise<R> => {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const ms = Math.max(0, Math.min(attemptMs, until - clock.now()));
      return await bounded(call, { ms, signal, clock });
    } catch (error) {
      const pause = random() * Math.min(capMs, baseMs * 2 ** attempt);
      if (signal.aborted || clock.now() + pause >= until) throw error;
      await clock.sleep(pause, signal);
    }
  }
};
