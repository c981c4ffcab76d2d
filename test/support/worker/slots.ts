/** Work in progress of a worker that does `limit` requests at once and lets the others wait in order. */
export interface Slots {
  readonly running: () => number;
  readonly waiting: () => number;
  /** How many pieces of work have ended. */
  readonly served: () => number;
  /** Runs the work when a slot is free; a client that leaves the queue (`gone`) never gets one. */
  readonly occupy: (gone: Promise<unknown>, work: () => Promise<void>) => Promise<void>;
}

export const createSlots = (limit: number): Slots => {
  let running = 0;
  let served = 0;
  const queue: { readonly enter: () => void }[] = [];
  return {
    running: () => running,
    waiting: () => queue.length,
    served: () => served,
    occupy: async (gone, work) => {
      if (running < limit) running += 1;
      else {
        const left = await new Promise<boolean>((resolve) => {
          const place = { enter: () => resolve(false) };
          queue.push(place);
          void gone.then(() => {
            const at = queue.indexOf(place);
            if (at < 0) return;
            queue.splice(at, 1);
            resolve(true);
          });
        });
        if (left) return;
      }
      try {
        await work();
      } finally {
        served += 1;
        const next = queue.shift();
        if (next) next.enter();
        else running -= 1;
      }
    },
  };
};
