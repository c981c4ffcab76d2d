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
const CR = 0x0d;
const OPEN_BRACE = 0x7b;
const LINE_START = 96;
const RECENT = 16_384;

const latin1 = (chunk: Uint8Array, from: number, to: number): string =>
  Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1', from, to);

const D = 0x64;
const E = 0x65;

/**
 * @param isTerminal told the first 96 characters of lines; true marks the event it stands in as the last.
 * @param readsJson whether a line of data that holds a JSON object can be terminal: false spares looking at nearly all.
 */
export const createSseTail = (isTerminal: (lineStart: string) => boolean, readsJson = true): SseTail => {
  let line = '';
  let blank = true;
  let marked = false;
  let markedHasData = false;
  let terminated = false;
  const recent: Uint8Array[] = [];
  let recentBytes = 0;

  const endEvent = () => {
    blank = true;
    terminated ||= marked;
    marked = false;
    markedHasData = false;
  };

  const endLine = (text: string) => {
    if (text === '') return endEvent();
    blank = false;
    const first = text.charCodeAt(0);
    // 'd' of data and 'e' of event: nothing else can carry a marker.
    if (first !== D && first !== E) return;
    marked ||= isTerminal(text);
    if (marked && first === D) markedHasData = true;
  };

  /** A line that lies in one chunk, its CR and LF left out. */
  const wholeLine = (chunk: Uint8Array, start: number, end: number) => {
    if (start === end) return endEvent();
    const first = chunk[start];
    const isObject = chunk[start + 5] === OPEN_BRACE || chunk[start + 6] === OPEN_BRACE;
    if ((first !== D && first !== E) || (!readsJson && first === D && isObject && !marked)) {
      blank = false;
      return;
    }
    endLine(latin1(chunk, start, Math.min(end, start + LINE_START)));
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
        // Every other line of an event stream is empty: no need to search for its end.
        const lf = chunk[start] === LF ? start : chunk.indexOf(LF, start);
        if (lf !== -1 && line === '') {
          wholeLine(chunk, start, lf > start && chunk[lf - 1] === CR ? lf - 1 : lf);
          start = lf + 1;
          continue;
        }
        const end = lf === -1 ? chunk.length : lf;
        const room = LINE_START - line.length;
        if (room > 0 && end > start) line += latin1(chunk, start, Math.min(end, start + room));
        if (lf === -1) return;
        // A line longer than what is kept of it may still end in the CR of a CRLF: only an empty rest matters.
        const text = line.endsWith('\r') ? line.slice(0, -1) : line;
        line = '';
        endLine(text);
        start = lf + 1;
      }
    },
    get atBoundary() {
      return blank && line === '';
    },
    get terminated() {
      // Behind the marker's line only the blank one is missing, or half of its CRLF.
      return (
        terminated || (marked && markedHasData && (line === '' || line === '\r')) || isWholeMarker(line, isTerminal)
      );
    },
    recent: () => Buffer.concat(recent).toString('latin1').slice(-RECENT),
  };
};

/** A stream may stop right behind `data: [DONE]`, without the line's end. */
const isWholeMarker = (line: string, isTerminal: (lineStart: string) => boolean): boolean =>
  /^data: ?\[DONE\]$/.test(line) && isTerminal(line);
