import type { Readable } from 'node:stream';
import { guarded } from './guarded.ts';

/** Takes a chunk; must not throw. @returns what is waited for before the next one, `undefined` where it may come at once. */
export type Take = (chunk: Uint8Array) => Promise<void> | undefined;

/** Reads a body chunk by chunk, one read at a time. */
export interface ChunkReader {
  /** @returns the next chunk, `undefined` at the end. @throws what broke the body, or the reason it was stopped for. */
  read(): Promise<Uint8Array | undefined>;
  /** Reads to the end without a promise for every chunk, where these need no making. @throws as `read`. */
  readonly each?: (take: Take) => Promise<void>;
  /** Lets the body go. A read that still waits fails with `reason` at once. */
  stop(reason?: Error): void;
}

/**
 * `for await` over a stream, without what it costs: Node's iterator takes three promises for every chunk, and its
 * `return()` waits behind a read that never ends.
 *
 * @param discard closes what the stream comes from.
 * @see https://nodejs.org/docs/latest-v24.x/api/stream.html#event-readable
 */
export const createChunkReader = (stream: Readable, discard: () => void): ChunkReader => {
  let waiting: { resolve: (chunk: Uint8Array | undefined) => void; reject: (error: Error) => void } | undefined;
  let hasEnded = false;
  let failure: Error | undefined;

  const look = () => {
    if (!waiting) return;
    const { resolve, reject } = waiting;
    const chunk: Uint8Array | null = stream.destroyed ? null : stream.read();
    // It may have been destroyed before anybody listened: no event tells of it any more.
    if (stream.destroyed && !hasEnded) failure ??= stream.errored ?? new Error('The body was closed before its end.');
    if (chunk === null && !hasEnded && !failure) return;
    waiting = undefined;
    if (chunk !== null) resolve(chunk);
    else if (hasEnded) resolve(undefined);
    else if (failure) reject(failure);
  };
  const fail = (error: Error) => {
    failure ??= error;
    look();
  };
  /** Reading it threw: it will not read better another time. */
  const broken = (cause: unknown) => {
    failure ??= cause instanceof Error ? cause : new Error('The body cannot be read.', { cause });
    waiting?.reject(failure);
    waiting = undefined;
    discard();
  };

  stream.on('readable', guarded(look, broken));
  stream.once(
    'end',
    guarded(() => {
      hasEnded = true;
      look();
    }, broken),
  );
  // Stays: a stream may fail more than once, and unheard that would end the process.
  stream.on('error', guarded(fail, broken));
  stream.once('close', guarded(look, broken));

  return {
    read: () =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        look();
      }),
    each: (take) =>
      new Promise((resolve, reject) => {
        const next = () => {
          waiting = taking;
          look();
        };
        const taking = {
          reject,
          resolve(chunk: Uint8Array | undefined) {
            if (!chunk) return resolve();
            const pause = take(chunk);
            if (pause) pause.then(next);
            // All that was there has been read: of what comes an event will tell.
            else if (failure) next();
            else waiting = taking;
          },
        };
        next();
      }),
    stop(reason) {
      if (!hasEnded) fail(reason ?? new Error('The body was let go.'));
      // Even behind its end: below a decoder the response may go on. Of one that is over it is no word.
      discard();
    },
  };
};

/** Takes what is left of a body. @throws as `read`. */
export const takeAll = async (reader: ChunkReader, take: Take): Promise<void> => {
  if (reader.each) return reader.each(take);
  for (let chunk = await reader.read(); chunk; chunk = await reader.read()) await take(chunk);
};

/** A body that is over. */
export const nothingMore: ChunkReader = { read: async () => undefined, stop: () => {} };
