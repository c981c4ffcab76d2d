const LF = 0x0a;

/**
 * Follows newline-delimited JSON.
 * @returns a function that is told every chunk: how many of its bytes belong to lines that are whole with it;
 *   -1 when no line ends here.
 */
export const createLineEnds = (): ((chunk: Buffer) => number) => (chunk) => chunk.lastIndexOf(LF) + 1 || -1;

/** The longest last line that is kept to be read; Ollama's carries the `context` tokens. */
const LONGEST = 4 * 1024 * 1024;

/** Keeps the last line that has something in it. */
export interface LastLine {
  push(bytes: Buffer): void;
  /** @returns it, `undefined` when there is none or it was too long. */
  text(): string | undefined;
}

/** @returns what remembers a last line, told bytes in order and in any pieces. */
export const createLastLine = (): LastLine => {
  let line: Buffer[] = [];
  let bytes = 0;
  let isEnded = true;
  return {
    push(chunk) {
      // The last line starts after the last LF that is followed by something.
      let end = chunk.length;
      while (end > 0 && (chunk[end - 1] === LF || chunk[end - 1] === 0x0d)) end -= 1;
      const start = end === 0 ? 0 : chunk.lastIndexOf(LF, end - 1) + 1;
      if (start > 0 || (isEnded && end > 0)) {
        line = [];
        bytes = 0;
      }
      if (end > start && bytes <= LONGEST) {
        line.push(chunk.subarray(start, end));
        bytes += end - start;
      }
      if (chunk.length > 0) isEnded = chunk[chunk.length - 1] === LF;
    },
    text: () => (bytes > 0 && bytes <= LONGEST ? Buffer.concat(line).toString() : undefined),
  };
};
