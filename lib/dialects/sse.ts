import { createParser, type EventSourceMessage } from 'eventsource-parser';

const LF = 0x0a;
const CR = 0x0d;
const D = 0x64;
const COLON = 0x3a;

/** Line ends in a row: the second one ends an empty line, and with it the event (WHATWG HTML, 9.2.6). */
const BLANK_LINE = /(?:\r\n|\n|\r(?!\n)){2,}/g;
/** The same where a CR at the very end is taken for half of a CRLF. */
const BLANK_LINE_LF = /(?:\r\n|\n|\r(?!\n|$)){2,}/g;

/** @returns a text of as many characters as there are bytes: what stands in it in ASCII can be found there. */
const latin1 = (bytes: Buffer, start = 0): string => bytes.toString('latin1', Math.max(0, start));

/** @returns where the last run of such line ends ends, -1 when there is none. */
const endOfLast = (text: string, pattern: RegExp): number => {
  let end = -1;
  for (const match of text.matchAll(pattern)) end = match.index + match[0].length;
  return end;
};

/**
 * Follows the framing of one event stream, at whatever places its bytes are cut. LF, CRLF and CR end a line.
 *
 * @returns a function that is told every chunk in order: how many of its bytes belong to events that are whole with it;
 *   0 when it shows that those before it are whole, -1 when no event ends here.
 */
export const createEventEnds = (): ((chunk: Buffer) => number) => {
  // As if a line had just ended: a blank line at the very beginning is an event without anything in it.
  let before = '\n';
  let hasLf = false;

  /** Where there is a CR, in this chunk or just before it. */
  const endAmongCrs = (chunk: Buffer): number => {
    const wasUndecided = hasLf && before.endsWith('\r');
    hasLf ||= chunk.includes(LF);
    const end = endOfLast(before + latin1(chunk), hasLf ? BLANK_LINE_LF : BLANK_LINE) - before.length;
    return end > 0 || (end === 0 && wasUndecided) ? end : -1;
  };
  const endAmongLfs = (chunk: Buffer): number => {
    hasLf ||= chunk.includes(LF);
    const last = chunk.lastIndexOf('\n\n');
    if (last !== -1) return last + 2;
    return chunk[0] === LF && before.endsWith('\n') ? 1 : -1;
  };

  return (chunk) => {
    const last = chunk.length - 1;
    if (chunk[last] === LF && (chunk[last - 1] === LF || latin1(chunk, last - 3) === '\r\n\r\n')) {
      before = '\n\n';
      hasLf = true;
      return chunk.length;
    }
    const end = chunk.includes(CR) || before.includes('\r') ? endAmongCrs(chunk) : endAmongLfs(chunk);
    before = chunk.length < 3 ? (before + latin1(chunk)).slice(-3) : latin1(chunk, chunk.length - 3);
    return end;
  };
};

/**
 * @param isStart whether the text begins the stream: only there a byte order mark means nothing.
 * @returns the events that a client is given of this text.
 */
export const readEvents = (text: string, isStart: boolean): EventSourceMessage[] => {
  const events: EventSourceMessage[] = [];
  createParser({ onEvent: (event) => events.push(event) }).feed(isStart ? text : `\n${text}`);
  return events;
};

/** @returns what an unfinished event lacks to be one; its CR becomes a CRLF. */
export const closingOf = (event: Buffer): string => (event[event.length - 1] === LF ? '\n' : '\n\n');

/** @returns true where a client is given at least one of these whole events; false says nothing. */
export const isSurelyGiven = (events: Buffer): boolean =>
  (events[0] === D && events[4] === COLON && events.toString('latin1', 0, 4) === 'data') || events.includes('\ndata:');

/**
 * @param at a place in whole events.
 * @returns where the event begins that it is in, or one before it.
 */
export const startOfEvent = (events: Buffer, at: number): number => {
  const before = events.lastIndexOf('\n\n', at);
  return before === -1 || events.includes(CR) ? 0 : before + 2;
};

/** Above so many bytes at once it is the machine's own search that counts, which looks for one thing at a time. */
const BULK = 8192;

/** Tells cheaply what may have to be read; may be wrong in saying so. */
export interface Pretest {
  /** @returns where in these whole events the first thing stands that may matter, -1 where nothing does. */
  batch(events: Buffer): number;
  /** Whether this one of them may: a large batch has one that matters, and many that do not. */
  event(event: EventSourceMessage): boolean;
}

/**
 * An event matters where one of these stands in it, where a letter is escaped (in JSON only so), or where a node that
 * loads a model may be named.
 *
 * @param words what may matter: texts as they stand in events.
 * @param pattern what else may; `undefined`: nothing.
 */
export const createPretest = (words: readonly string[], pattern?: RegExp): Pretest => {
  const literals = [...words, '\\u00'];
  const escaped = literals.map((word) => word.replace(/[\\[\].]/g, '\\$&'));
  const all = new RegExp([...(pattern ? [pattern.source] : []), ...escaped, 'loading"'].join('|'));
  // In bulk such a body is known by its type: its other words are made of letters that are everywhere.
  const inBulk = [...literals, '_loading'];
  return {
    batch(events) {
      if (events.length < BULK) return latin1(events).search(all);
      const places = [...inBulk.map((word) => events.indexOf(word)), pattern ? latin1(events).search(pattern) : -1];
      const found = places.filter((at) => at >= 0);
      return found.length > 0 ? Math.min(...found) : -1;
    },
    event: ({ event, data }) => all.test(event === undefined ? data : `event: ${event}\n${data}`),
  };
};
