/** Wall clock and bounded waiting, passed in so that tests can freeze and turn it. */
export interface Clock {
  /** Milliseconds since the epoch. An environment sleeps between requests: time is read, never counted. */
  now(): number;
  /** Resolves after `ms`, or at once when the signal aborts; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      // A process that was starved or frozen finds timer and answer due at once: what has arrived is looked at first.
      const timer = setTimeout(() => setImmediate(done), ms);
      signal?.addEventListener('abort', done, { once: true });
    }),
};
