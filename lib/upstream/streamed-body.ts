import type { ClientRequest } from 'node:http';

/** A body too large to hold: read while it is sent, and from its beginning again for every try. */
export interface StreamedBody {
  /** Bytes, declared before the first is read. */
  readonly length: number;
  /** @param signal aborted when nobody takes the bytes any more. */
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** Resolves when the request takes more, or is over. */
const drained = (outgoing: ClientRequest): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      outgoing.off('drain', done).off('close', done);
      resolve();
    };
    outgoing.on('drain', done).on('close', done);
  });

const SWEPT_BYTES = 2_000_000;

let collect: NodeJS.GCFunction | undefined;
/**
 * Collects the young generation, in half a millisecond: chunks that were sent lie there, and V8 itself lets fifty
 * megabytes of them pile up. The collector is handed out to new contexts only while the flag is set.
 */
const sweep = (): void => {
  if (!collect) {
    const { setFlagsFromString } = process.getBuiltinModule('node:v8');
    setFlagsFromString('--expose-gc');
    collect = process.getBuiltinModule('node:vm').runInNewContext('globalThis.gc') ?? (() => {});
    setFlagsFromString('--no-expose-gc');
  }
  collect?.({ type: 'minor' });
};

/** Sends a streamed body at the worker's pace, and lets go of what is sent. @throws what reading it throws. */
export const pump = async (body: StreamedBody, outgoing: ClientRequest): Promise<void> => {
  const reading = new AbortController();
  outgoing.once('close', () => reading.abort());
  let unswept = 0;
  for await (const chunk of body.open(reading.signal)) {
    if (outgoing.destroyed) return;
    unswept += chunk.length;
    if (!outgoing.write(chunk)) await drained(outgoing);
    if (unswept < SWEPT_BYTES) continue;
    unswept = 0;
    sweep();
  }
  outgoing.end();
};
