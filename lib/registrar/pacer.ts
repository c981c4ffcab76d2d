import type { Clock } from '../time/clock.ts';

/** @returns a function that resolves when the next call may start, so that there are at most so many a second. */
export const createPacer = (perSecond: number, clock: Clock): (() => Promise<void>) => {
  let next = 0;
  return async () => {
    const now = clock.now();
    const start = Math.max(now, next);
    next = start + 1000 / perSecond;
    if (start > now) await clock.sleep(start - now);
  };
};
