import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { createEventEnds } from '../dialects/sse.ts';
import { asBuffer } from '../dialects/whole-parts.ts';
import { isObject, readJson } from '../json.ts';
import type { PrimedBody } from './answer.ts';
import { readWorkerError, type WorkerError } from './worker-error.ts';

/** An error object is looked for in no longer an event, and after no more comments and pings; bytes. */
const LONGEST_ERROR = 4096;
/** So much of any other event is waited for: it leaves unfinished then. */
const LONGEST_HELD = 64 * 1024;

export interface FirstPart {
  /** With what was read put in front again. */
  readonly body: PrimedBody;
  /** Set when the first event is an error object. */
  readonly error?: WorkerError | undefined;
  /** The body ended before its first event or line was whole. */
  readonly isCut?: boolean;
}

/** @returns whether a first chunk holds a whole event which no second look could find to be an error or a ping. */
const isOrdinary = (start: Buffer): boolean => {
  const end = start.indexOf('\n\n');
  if (end === -1 || end > LONGEST_ERROR) return false;
  const event = start.toString('latin1', 0, end);
  return /^(?:event:.*\n)?data:/.test(event) && !/error|ping|\\u00/.test(event);
};

const isPing = ({ event, data }: EventSourceMessage): boolean => {
  if (event === 'ping') return true;
  const value = data.length <= LONGEST_ERROR ? readJson(data) : undefined;
  return isObject(value) && value.type === 'ping';
};

const isWhole = ({ data }: EventSourceMessage): boolean => data === '[DONE]' || readJson(data) !== undefined;

/**
 * Waits for an event stream's first event: until then another worker may be tried, and an error becomes one of HTTP
 * (docs/contract.md 6). Comments, pings and `id:` lines before it are none.
 *
 * @param hidden names that an error's words must not tell; `undefined`: it may tell any.
 */
export const holdFirstEvent = async (body: PrimedBody, hidden: readonly string[] | undefined): Promise<FirstPart> => {
  const first = [...body.first];
  const held: PrimedBody = { first, rest: body.rest };
  if (first[0] && isOrdinary(asBuffer(first[0]))) return { body };

  let event: EventSourceMessage | undefined;
  const { feed } = createParser({
    onEvent: (next) => {
      if (!event && !isPing(next)) event = next;
    },
  });
  const error = () => {
    if (!event || event.data.length > LONGEST_ERROR) return undefined;
    return readWorkerError(readJson(event.data), hidden);
  };
  const decoder = new TextDecoder();
  const endOf = createEventEnds();
  /** Bytes of comments and pings, and of what stands after them. */
  let before = 0;
  let unfinished = 0;
  const take = (chunk: Uint8Array) => {
    feed(decoder.decode(chunk, { stream: true }));
    const end = endOf(asBuffer(chunk));
    if (end >= 0) before += unfinished + end;
    unfinished = end >= 0 ? chunk.length - end : unfinished + chunk.length;
  };

  for (const chunk of first) take(chunk);
  while (!event && before <= LONGEST_ERROR && unfinished <= LONGEST_HELD) {
    const next = await body.rest.read();
    if (!next) {
      feed('\n\n');
      return { body: held, error: error(), isCut: !event || !isWhole(event) };
    }
    first.push(next);
    take(next);
  }
  return { body: held, error: error() };
};

/** Waits for the first line of newline-delimited JSON: until then another worker may be tried. */
export const holdFirstLine = async (body: PrimedBody): Promise<FirstPart> => {
  const first = [...body.first];
  const held: PrimedBody = { first, rest: body.rest };
  let bytes = 0;
  for (let at = 0; ; at += 1) {
    if (at === first.length) {
      const next = await body.rest.read();
      if (!next) return { body: held, isCut: readJson(Buffer.concat(first).toString()) === undefined };
      first.push(next);
    }
    const chunk = first[at] as Uint8Array;
    bytes += chunk.length;
    if (chunk.includes(0x0a) || bytes > LONGEST_HELD) return { body: held };
  }
};
