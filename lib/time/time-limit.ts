/**
 * Calls back when a time is over, but lets what has already arrived be read first: on a starved machine, or behind a
 * long computation, timers fire before the connection or answer that is waiting in the socket is looked at.
 *
 * @param ms milliseconds
 * @returns lets the limit go
 */
export const timeLimit = (ms: number, expired: () => void): (() => void) => {
  let last: NodeJS.Immediate | undefined;
  // The event loop polls for I/O between a timer and an immediate.
  const timer = setTimeout(() => {
    last = setImmediate(expired);
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(last);
  };
};
