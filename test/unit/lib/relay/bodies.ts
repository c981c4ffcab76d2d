import type { WriteBody } from '../../../../lib/http/reply.ts';
import type { ChunkReader } from '../../../../lib/upstream/chunk-reader.ts';

/** @returns a reply's body of what a generator yields. */
export const written =
  (chunks: () => AsyncIterable<string | Uint8Array>): WriteBody =>
  async (sink) => {
    for await (const chunk of chunks()) if (!sink.write(chunk)) await sink.drained();
  };

/** What a worker's body does next: bytes, a break, or its end. */
export type Item = Uint8Array | string | Error | 'end';

/** A worker's body that a test feeds by hand. */
export const createBody = () => {
  const queue: Item[] = [];
  let waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  let stopped: Error | undefined;
  const look = () => {
    if (!waiting || (queue.length === 0 && !stopped)) return;
    const { resolve, reject } = waiting;
    waiting = undefined;
    if (stopped) return reject(stopped);
    const item = queue.shift();
    if (item instanceof Error) reject(item);
    else if (item === 'end' || item === undefined) resolve(undefined);
    else resolve(typeof item === 'string' ? new TextEncoder().encode(item) : item);
  };
  const rest: ChunkReader = {
    read() {
      waiting = Promise.withResolvers();
      const { promise } = waiting;
      look();
      return promise;
    },
    stop(reason = new Error('stopped')) {
      stopped ??= reason;
      look();
    },
  };
  const feed = (...items: Item[]) => {
    queue.push(...items);
    look();
  };
  return { rest, feed, isClosed: () => stopped !== undefined };
};
