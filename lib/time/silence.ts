import { timeLimit } from './time-limit.ts';

const SILENT = Symbol('silent');
type Silent = typeof SILENT;

export const isSilent = (value: unknown): value is Silent => value === SILENT;

/** @returns what the promise gives, or `SILENT` after `ms` milliseconds; the promise stays pending then. */
export const orSilent = <T>(pending: Promise<T>, ms: number): Promise<T | Silent> =>
  new Promise((resolve, reject) => {
    const release = timeLimit(ms, () => resolve(SILENT));
    pending.then(
      (value) => {
        release();
        resolve(value);
      },
      (error) => {
        release();
        reject(error);
      },
    );
  });

/** Watches over a series of waits. */
export interface Watchdog {
  /** A wait begins. */
  wait(): void;
  /** What was waited for is here. @returns how long that took, in milliseconds. */
  heard(): number;
  /** Lets the timer go. */
  end(): void;
}

/**
 * Watches with one timer over all reads of a stream: a timer or a promise for every chunk would cost as much as all
 * else that is done with it. The timer is left running while chunks come, and looks at the clock when it fires.
 *
 * @param silent told how long the present wait has lasted, in milliseconds; first when that is `patienceMs`, then
 *   whenever the time is over that it answered last. It must not throw.
 */
export const createWatchdog = (patienceMs: number, silent: (silentMs: number) => number): Watchdog => {
  let release: (() => void) | undefined;
  let isWaiting = false;
  /** When the present wait began, milliseconds since 1970, and how long it has to last before somebody is told. */
  let since = 0;
  let dueMs = patienceMs;

  const fire = () => {
    release = undefined;
    if (!isWaiting) return;
    const waitedMs = Date.now() - since;
    // The clock was set back: what has passed can not be told, only that it was enough for the timer.
    if (waitedMs < 0) since = Date.now() - dueMs;
    if (waitedMs < 0 || waitedMs >= dueMs) dueMs = Math.max(waitedMs, dueMs) + silent(Math.max(waitedMs, dueMs));
    // Never longer than the patience: the next wait may begin before it fires.
    const sleepMs = Math.min(patienceMs, dueMs - (Date.now() - since));
    if (isWaiting) release = timeLimit(Math.max(1, sleepMs), fire);
  };

  return {
    wait() {
      isWaiting = true;
      since = Date.now();
      dueMs = patienceMs;
      release ??= timeLimit(patienceMs, fire);
    },
    heard() {
      isWaiting = false;
      return Math.max(0, Date.now() - since);
    },
    end() {
      isWaiting = false;
      release?.();
    },
  };
};
