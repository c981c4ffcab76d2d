/** What a timer can hold: a signed 32-bit number of milliseconds, 24 days. A longer one would fire at once. */
const LONGEST_MS = 0x7fffffff;

/**
 * Calls back when a time is over, but lets what has already arrived be read first: on a starved machine, or behind a
 * long computation, timers fire before the connection or answer that is waiting in the socket is looked at.
 *
 * @param ms milliseconds; more than 24 days are 24 days.
 * @returns lets the limit go
 */
export const timeLimit = (ms: number, expired: () => void): (() => void) => {
  let last: NodeJS.Immediate | undefined;
  // The event loop polls for I/O between a timer and an immediate.
  const timer = setTimeout(
    () => {
      last = setImmediate(expired);
    },
    Math.min(ms, LONGEST_MS),
  );
  return () => {
    clearTimeout(timer);
    clearImmediate(last);
  };
};
