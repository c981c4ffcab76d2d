/** An event or line longer than this passes unfinished: not everything can be held. */
const LONGEST_HELD = 64 * 1024;

/** Lets a stream pass in whole parts: events, or lines. */
export interface WholeParts {
  /** @returns what may leave now, `undefined` when nothing may; not copied where a chunk ends with a part. */
  push(chunk: Buffer): Buffer | undefined;
  /** What waits for its rest, and has not left. */
  readonly held: Buffer;
  /** What has left ends within a part that is too long to be held. */
  readonly isOpen: boolean;
}

/**
 * @param endOf told every chunk in order: how many of its bytes belong to parts that are whole with it; 0 when it shows
 *   that those before it are whole, -1 when no part ends here.
 */
export const createWholeParts = (endOf: (chunk: Buffer) => number): WholeParts => {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let isOpen = false;

  const hold = (piece: Buffer) => {
    held.push(piece);
    heldBytes += piece.length;
  };
  /** What was held, with the piece that it waited for. */
  const release = (piece: Buffer): Buffer => {
    if (heldBytes === 0) return piece;
    hold(piece);
    const all = Buffer.concat(held, heldBytes);
    held = [];
    heldBytes = 0;
    return all;
  };

  return {
    push(chunk) {
      const end = endOf(chunk);
      if (end >= 0) {
        isOpen = false;
        if (end === chunk.length) return release(chunk);
        const whole = release(chunk.subarray(0, end));
        hold(chunk.subarray(end));
        return whole;
      }
      isOpen ||= heldBytes + chunk.length > LONGEST_HELD;
      if (isOpen) return release(chunk);
      hold(chunk);
      return undefined;
    },
    get held() {
      if (held.length > 1) held = [Buffer.concat(held, heldBytes)];
      return held[0] ?? Buffer.alloc(0);
    },
    get isOpen() {
      return isOpen;
    },
  };
};

/** A chunk with a Buffer's methods; the bytes are the same. */
export const asBuffer = (chunk: Uint8Array): Buffer =>
  Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
