/** Room for a few at a time; the others wait in order of arrival. */
export interface Slots {
  load(): { readonly running: number; readonly waiting: number };
  /** @throws the abort reason, when the signal aborts before there is room */
  acquire(signal: AbortSignal): Promise<void>;
  release(): void;
}

export const createSlots = (count: number): Slots => {
  const queue: Array<() => void> = [];
  let running = 0;
  return {
    load: () => ({ running, waiting: queue.length }),
    async acquire(signal: AbortSignal): Promise<void> {
      signal.throwIfAborted();
      if (running < count) {
        running += 1;
        return;
      }
      await new Promise<void>((resolve, reject) => {
        const leave = () => {
          queue.splice(queue.indexOf(enter), 1);
          reject(signal.reason);
        };
        const enter = () => {
          signal.removeEventListener('abort', leave);
          resolve();
        };
        signal.addEventListener('abort', leave, { once: true });
        queue.push(enter);
      });
    },
    release(): void {
      const next = queue.shift();
      if (next) next();
      else running -= 1;
    },
  };
};
