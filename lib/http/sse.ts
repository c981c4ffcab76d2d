/**
 * Follows server-sent-events framing (WHATWG HTML, 9.2) from the outside: it looks at line starts only, so that the
 * bytes pass through unparsed. LF and CRLF both end a line.
 */
export interface SseTail {
  /** Shows the next bytes on their way to the client. */
  push(chunk: Uint8Array): void;
  /** No event is half written: another one may be put here. */
  readonly atBoundary: boolean;
  /** The terminal marker has gone by, in a complete event. */
  readonly terminated: boolean;
  /** The last bytes that went by, at most about 16 KB, as Latin-1 text. */
  recent(): string;
}

const LF = 0x0a;
const LINE_START = 96;
const RECENT = 16_384;

const latin1 = (chunk: Uint8Array, from: number, to: number): string =>
  Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1', from, to);

/** @param isTerminal told the first 96 characters of every line; true marks the event it stands in as the last. */
export const createSseTail = (isTerminal: (lineStart: string) => boolean): SseTail => {
  let line = '';
  let blank = true;
  let marked = false;
  let markedHasData = false;
  let terminated = false;
  const recent: Uint8Array[] = [];
  let recentBytes = 0;

  const endLine = () => {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    line = '';
    blank = text === '';
    if (blank) {
      terminated ||= marked;
      marked = false;
      markedHasData = false;
      return;
    }
    const first = text.charCodeAt(0);
    // 'd' of data and 'e' of event: nothing else can carry a marker.
    if (first !== 0x64 && first !== 0x65) return;
    marked ||= isTerminal(text);
    if (marked && first === 0x64) markedHasData = true;
  };

  return {
    push(chunk) {
      recent.push(chunk);
      recentBytes += chunk.length;
      if (recentBytes > 2 * RECENT) {
        while (recent.length > 1 && recentBytes - (recent[0]?.length ?? 0) >= RECENT) {
          recentBytes -= recent.shift()?.length ?? 0;
        }
      }
      let start = 0;
      for (;;) {
        const lf = chunk.indexOf(LF, start);
        const end = lf === -1 ? chunk.length : lf;
        const room = LINE_START - line.length;
        if (room > 0 && end > start) line += latin1(chunk, start, Math.min(end, start + room));
        if (lf === -1) return;
        // A line longer than what is kept of it may still end in the CR of a CRLF: only an empty rest matters.
        endLine();
        start = lf + 1;
      }
    },
    get atBoundary() {
      return blank && line === '';
    },
    get terminated() {
      return terminated || (marked && markedHasData && line === '') || isWholeMarker(line, isTerminal);
    },
    recent: () => Buffer.concat(recent).toString('latin1').slice(-RECENT),
  };
};

/** A stream may stop right behind `data: [DONE]`, without the line's end. */
const isWholeMarker = (line: string, isTerminal: (lineStart: string) => boolean): boolean =>
  /^data: ?\[DONE\]$/.test(line) && isTerminal(line);
