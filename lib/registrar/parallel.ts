/** @returns the function, of whose calls at most `limit` are under way; further ones wait for their turn. */
export const atMost = <A extends unknown[], R>(limit: number, work: (...args: A) => Promise<R>) => {
  let free = limit;
  const waiting: (() => void)[] = [];
  return async (...args: A): Promise<R> => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work(...args);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
};

/**
 * Maps with at most `limit` calls under way.
 * @returns the results in the order of the items; rejects with the first error.
 */
export const mapParallel = async <T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> => {
  const results: R[] = new Array(items.length);
  const queue = items.entries();
  const lane = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return results;
};
