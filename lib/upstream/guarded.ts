/**
 * What an event of a worker's connection calls. Nothing it throws may go past it: an exception in an emitter's listener
 * ends the process, and what a worker sends must not be able to.
 *
 * @param failed told what was thrown; must not throw itself.
 */
export const guarded =
  <A extends readonly unknown[]>(listener: (...args: A) => void, failed: (cause: unknown) => void) =>
  (...args: A): void => {
    try {
      listener(...args);
    } catch (cause) {
      failed(cause);
    }
  };
