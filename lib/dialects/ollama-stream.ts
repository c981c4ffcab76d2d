import { isObject, readJson } from '../json.ts';
import type { StreamFormat } from './dialect.ts';
import { createLastLine, createLineEnds } from './ndjson.ts';
import { errorBody } from './ollama.ts';
import { asBuffer, createWholeParts } from './whole-parts.ts';

const isLast = (line: string | undefined): boolean => {
  const value = line === undefined ? undefined : readJson(line);
  return isObject(value) && (value.done === true || !!value.error);
};

/** Chat and generate: one JSON object a line, the last with `done: true` or `error`. No keep-alive: clients parse every line. */
export const ollamaStream: StreamFormat = {
  contentType: 'application/x-ndjson',
  watch: ({ scrub }) => {
    const parts = createWholeParts(createLineEnds());
    const sent = createLastLine();

    const look = (lines: Buffer) => {
      sent.push(lines);
      return scrub && !parts.isOpen && lines.includes('loading"') ? scrub(lines) : lines;
    };
    /** @returns the line that has not ended yet, where it is a whole object. */
    const heldLine = (): string | undefined => {
      const line = parts.held.toString();
      return isObject(readJson(line)) ? line : undefined;
    };
    const isOver = () => isLast(heldLine() ?? sent.text());
    /** @returns what the client lacks of the last line, ended; nothing of half a line. */
    const rest = () => {
      if (heldLine() !== undefined) return Buffer.concat([scrub ? scrub(parts.held) : parts.held, Buffer.from('\n')]);
      return Buffer.from(parts.isOpen ? '\n' : '');
    };

    return {
      push(chunk) {
        const lines = parts.push(asBuffer(chunk));
        return lines && look(lines);
      },
      get atBoundary() {
        return !parts.isOpen;
      },
      get terminated() {
        return isOver();
      },
      finish(isClean) {
        if (!isOver()) return undefined;
        const isHalf = parts.held.length > 0 && heldLine() === undefined;
        return isHalf && isClean ? parts.held : rest();
      },
      fail: (error) => Buffer.concat([rest(), Buffer.from(`${errorBody(error)}\n`)]),
    };
  },
};
