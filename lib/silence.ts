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

/** `orSilent` for the chunks of one stream, one after the other. */
export interface Listening {
  orSilent<T>(pending: Promise<T>, ms: number): Promise<T | Silent>;
  /** Lets the timer go. */
  end(): void;
}

/**
 * Listens with one timer for a whole stream: a timer for every chunk would cost as much as all that is done with the
 * chunk. The timer is left running while chunks come, and looks at the clock when it fires: not due yet, it sleeps on.
 */
export const listen = (): Listening => {
  let release: (() => void) | undefined;
  /** When the timer fires, and when the present wait is over; milliseconds since 1970. */
  let firesAt = 0;
  let dueAt = 0;
  let longest = 0;
  let fallSilent: () => void = () => {};

  const sleep = (ms: number) => {
    release?.();
    firesAt = Date.now() + ms;
    release = timeLimit(ms, fire);
  };

  const fire = () => {
    release = undefined;
    const left = dueAt - Date.now();
    // More than was asked for: the clock was set back.
    if (left > 0 && left <= longest) sleep(left);
    else fallSilent();
  };

  return {
    orSilent: <T>(pending: Promise<T>, ms: number) =>
      new Promise<T | Silent>((resolve, reject) => {
        fallSilent = () => resolve(SILENT);
        longest = ms;
        dueAt = Date.now() + ms;
        if (!release || firesAt > dueAt) sleep(ms);
        pending.then(resolve, reject);
      }),
    end: () => release?.(),
  };
};
