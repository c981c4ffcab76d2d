import { TimeoutError } from '../errors.ts';
import { timeLimit } from './time-limit.ts';

/** The one signal of an invocation: every upstream call listens to it. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** When it aborts because time is over, milliseconds since the epoch. */
  readonly endsAt: number;
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
  const ms = Math.max(0, remainingMs - marginMs);
  const release = timeLimit(ms, () =>
    controller.abort(new TimeoutError('The time limit of this request was reached before the worker had finished.')),
  );
  return {
    signal: controller.signal,
    endsAt: Date.now() + ms,
    abort: (reason) => controller.abort(reason),
    clear: release,
  };
};
