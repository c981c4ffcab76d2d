const LF = 0x0a;
/** The longest last line that is kept to be read; Ollama's carries the `context` tokens. */
const LONGEST = 4 * 1024 * 1024;

/** Follows newline-delimited JSON and keeps its last line. */
export interface NdjsonTail {
  push(chunk: Uint8Array): void;
  /** The last line is complete. */
  readonly atBoundary: boolean;
  /** The last line with something in it, parsed; `undefined` when there is none or it is not JSON. */
  last(): unknown;
}

export const createNdjsonTail = (): NdjsonTail => {
  let line: Uint8Array[] = [];
  let bytes = 0;
  let ended = true;
  return {
    push(chunk) {
      // The last line starts behind the last LF that is followed by something.
      let end = chunk.length;
      while (end > 0 && (chunk[end - 1] === LF || chunk[end - 1] === 0x0d)) end -= 1;
      const start = end === 0 ? 0 : chunk.lastIndexOf(LF, end - 1) + 1;
      const startsLine = start > 0 || (ended && end > 0);
      if (startsLine) {
        line = [];
        bytes = 0;
      }
      if (end > start && bytes <= LONGEST) {
        line.push(chunk.subarray(start, end));
        bytes += end - start;
      }
      if (chunk.length > 0) ended = chunk[chunk.length - 1] === LF;
    },
    get atBoundary() {
      return ended;
    },
    last() {
      try {
        return JSON.parse(Buffer.concat(line).toString());
      } catch {
        return undefined;
      }
    },
  };
};
