import type { Clock } from '../../../../lib/time/clock.ts';

/** A clock that a test turns. `freeze` moves time without waking sleepers, as a frozen environment's timers sleep. */
export interface FakeClock extends Clock {
  /** Moves time forward step by step, waking sleepers when they are due and letting everything settle in between. */
  advance(ms: number): Promise<void>;
  freeze(ms: number): void;
  readonly sleepers: () => number;
}

/** Lets every promise that can settle now do so. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

export const createFakeClock = (start = 1_700_000_000_000): FakeClock => {
  let now = start;
  const sleepers = new Set<{ at: number; wake: () => void }>();
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const wake = () => {
          sleepers.delete(sleeper);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const sleeper = { at: now + ms, wake };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', wake, { once: true });
      }),
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (;;) {
        const next = [...sleepers].sort((a, b) => a.at - b.at)[0];
        if (!next || next.at > end) break;
        now = Math.max(now, next.at);
        next.wake();
        await settle();
      }
      now = end;
      await settle();
    },
    freeze(ms) {
      now += ms;
      for (const sleeper of sleepers) sleeper.at += ms;
    },
    sleepers: () => sleepers.size,
  };
};
