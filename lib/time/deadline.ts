import { TimeoutError } from '../errors.ts';

/** The one signal of an invocation: every upstream call listens to it. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** Ends everything that still runs for this invocation. */
  abort(reason: Error): void;
  /** Lets the timer go. */
  clear(): void;
}

/**
 * @param remainingMs what the platform says is left of the invocation, in milliseconds.
 * @param marginMs kept free to end the stream in the client's dialect.
 */
export const createDeadline = (remainingMs: number, marginMs: number): Deadline => {
  const controller = new AbortController();
  const timer = setTimeout(
    () =>
      controller.abort(new TimeoutError('The time limit of this request was reached before the worker had finished.')),
    // setTimeout's limit is a signed 32-bit number of milliseconds.
    Math.min(Math.max(0, remainingMs - marginMs), 0x7fffffff),
  );
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    clear: () => clearTimeout(timer),
  };
};
