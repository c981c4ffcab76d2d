import type { EventSourceMessage } from 'eventsource-parser';
import type { GatewayError } from '../errors.ts';
import { isObject, readJson } from '../json.ts';
import type { StreamFormat, WatchOptions } from './dialect.ts';
import { closingOf, createEventEnds, isSurelyGiven, type Pretest, readEvents, startOfEvent } from './sse.ts';
import { asBuffer, createWholeParts } from './whole-parts.ts';

/** Follows what the events of one stream say. */
export interface Follower {
  /** Told, in order, every event that `pretest` let through, and perhaps others. */
  read(event: EventSourceMessage): void;
  /** The terminal marker was read. */
  readonly isOver: boolean;
  /**
   * Judges an end.
   * @param last the last event that a client was given.
   * @returns what is missing after it, or `undefined` when the operation was not complete.
   */
  complete(isClean: boolean, last: EventSourceMessage | undefined): string | undefined;
  /** @returns the error in the dialect's own events. */
  errorEvents(error: GatewayError, correlationId: string, last: EventSourceMessage | undefined): string;
}

/** What one operation's SSE streams have of their own. */
export interface SseStreamOptions {
  readonly keepAlive: string;
  /** Which events may have to be read. */
  readonly pretest: Pretest;
  follow(asked: Readonly<Record<string, unknown>>): Follower;
  readonly fromJson?: StreamFormat['fromJson'];
}

/** Of an event that is too large to be held so much is kept to be read. */
const LONGEST_READ = 16 * 1024 * 1024;

/** Data that nothing can be missing of. */
const isWhole = ({ data }: EventSourceMessage): boolean => {
  const value = data === '[DONE]' || readJson(data);
  return value === true || isObject(value) || Array.isArray(value);
};

/** @returns the format of a server-sent stream; events are read where they may matter, and nowhere matched as text. */
export const sseStream = ({ keepAlive, pretest, follow, fromJson }: SseStreamOptions): StreamFormat => ({
  contentType: 'text/event-stream',
  keepAlive,
  ...(fromJson && { fromJson }),
  watch: ({ asked = {}, scrub }: WatchOptions) => {
    const parts = createWholeParts(createEventEnds());
    const follower = follow(asked);
    let isStart = true;
    /** The last whole events of which a client was given at least one. */
    let lastEvents: { readonly bytes: Buffer; readonly isStart: boolean } | undefined;
    /** The beginning of an event that is too large to be held. */
    let large: Buffer[] = [];
    let largeBytes = 0;

    const look = (events: Buffer) => {
      if (isSurelyGiven(events) || readEvents(events.toString(), isStart).length > 0)
        lastEvents = { bytes: events, isStart };
      const at = pretest.batch(events);
      const start = at < 0 ? events.length : startOfEvent(events, at);
      // What stands in front of it does not matter: a batch of hundreds is not parsed for its last words.
      const rest = events.subarray(start);
      for (const event of at < 0 ? [] : readEvents(rest.toString(), isStart && start === 0))
        if (pretest.event(event)) follower.read(event);
      isStart = false;
      const clean = at >= 0 && scrub ? scrub(rest) : rest;
      return clean === rest ? events : Buffer.concat([events.subarray(0, start), clean]);
    };
    const last = () => lastEvents && readEvents(lastEvents.bytes.toString(), lastEvents.isStart).at(-1);

    /** The event that has not ended yet, closed; `undefined` where it is half of one. */
    const closeRest = () => {
      const rest = Buffer.concat([...large, parts.held]);
      if (rest.length === 0 || largeBytes > LONGEST_READ) return undefined;
      const text = rest.toString();
      const closing = closingOf(rest);
      const events = readEvents(text + closing, isStart);
      if (events.length === 0) return undefined;
      // Held for the LF of its last CRLF alone, it has ended.
      if (readEvents(text, isStart).length === events.length) return { rest, closing: '', events };
      return events.every(isWhole) ? { rest, closing, events } : undefined;
    };
    /** Reads the rest for good, once. @returns what the client lacks of it, then what closes it. */
    let settled: Buffer | undefined;
    const settle = (): Buffer => {
      if (settled) return settled;
      const closed = closeRest();
      if (!closed) {
        settled = Buffer.from(parts.isOpen ? '\n\n' : '');
        return settled;
      }
      const whole = Buffer.concat([closed.rest, Buffer.from(closed.closing)]);
      const seen = look(whole);
      settled = parts.isOpen ? Buffer.from(closed.closing) : Buffer.from(seen);
      return settled;
    };

    return {
      push(chunk) {
        const events = parts.push(asBuffer(chunk));
        if (!events) return undefined;
        if (parts.isOpen) {
          largeBytes += events.length;
          if (largeBytes <= LONGEST_READ) large.push(events);
          else large = [];
          return events;
        }
        if (largeBytes === 0) return look(events);
        // Too much of it for a text: what follows it in this chunk is read as if it were a comment's next line.
        look(largeBytes > LONGEST_READ ? Buffer.concat([Buffer.from(':'), events]) : Buffer.concat([...large, events]));
        large = [];
        largeBytes = 0;
        return events;
      },
      get atBoundary() {
        return !parts.isOpen;
      },
      get terminated() {
        if (follower.isOver) return true;
        const closed = closeRest();
        if (!closed) return false;
        const ahead = follow(asked);
        for (const event of closed.events) ahead.read(event);
        return ahead.isOver;
      },
      finish(isClean) {
        const wasComplete = follower.complete(isClean, last()) === '';
        if (wasComplete && parts.isOpen) return '';
        if (wasComplete && isClean) return scrub ? scrub(parts.held) : parts.held;
        const rest = settle();
        const missing = follower.complete(isClean, last());
        return missing === undefined ? undefined : Buffer.concat([rest, Buffer.from(missing)]);
      },
      fail: (error, correlationId) =>
        Buffer.concat([settle(), Buffer.from(follower.errorEvents(error, correlationId, last()))]),
    };
  },
});
