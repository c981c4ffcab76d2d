/** What was heard, and by whom, while nobody spoke. Times in milliseconds. */
export interface Silence {
  /** How long the worker has said nothing. */
  readonly workerMs: number;
  /** How long the client has been sent nothing. */
  readonly clientMs: number;
  /** The terminal marker has gone by. */
  readonly isOver: boolean;
  /** A keep-alive would stand between two events. */
  readonly isBetween: boolean;
}

export interface Limits {
  /** How long a worker may say nothing. */
  readonly idleMs: number;
  /** After how long a client is told that somebody is there; `undefined`: never. */
  readonly keepAliveMs: number | undefined;
}

/**
 * What a silence calls for.
 * - `idle`: the worker has used up its time.
 * - `leave`: the worker has said all, and holds the connection open.
 * - `keep-alive`: the client should hear something.
 * - `wait`: nothing yet.
 */
export interface Patience {
  readonly act: 'idle' | 'leave' | 'keep-alive' | 'wait';
  /** After how long to look again, should the silence last. */
  readonly forMs: number;
}

/** After the terminal marker nothing of interest comes: a worker that holds the connection open is not waited for. */
const AFTER_MARKER_MS = 2000;

/** @returns the shortest silence that can call for anything. */
export const shortestSilence = ({ idleMs, keepAliveMs = idleMs }: Limits): number =>
  Math.min(idleMs, keepAliveMs, AFTER_MARKER_MS);

export const patience = (
  { workerMs, clientMs, isOver, isBetween }: Silence,
  { idleMs, keepAliveMs }: Limits,
): Patience => {
  const untilIdleMs = idleMs - workerMs;
  if (untilIdleMs <= 0) return { act: 'idle', forMs: idleMs };
  if (isOver) {
    const untilLeftMs = AFTER_MARKER_MS - workerMs;
    if (untilLeftMs <= 0) return { act: 'leave', forMs: idleMs };
    return { act: 'wait', forMs: Math.min(untilIdleMs, untilLeftMs) };
  }
  if (keepAliveMs === undefined || !isBetween) return { act: 'wait', forMs: untilIdleMs };
  const untilSpokenMs = keepAliveMs - clientMs;
  if (untilSpokenMs <= 0) return { act: 'keep-alive', forMs: Math.min(untilIdleMs, keepAliveMs) };
  return { act: 'wait', forMs: Math.min(untilIdleMs, untilSpokenMs) };
};
