import type { EventSourceMessage } from 'eventsource-parser';
import { isObject, readJson, textOf } from '../json.ts';
import { latin1 } from './sse.ts';

/**
 * @returns the type of an event: its data's own, else what its `event` line says. `error` is one by either of them, for
 *   an error's data may have a type of its own. `undefined`: data that nobody can read.
 */
export const typeOf = ({ event, data }: EventSourceMessage): string | undefined => {
  if (event === 'error') return event;
  const value = readJson(data);
  return isObject(value) ? (textOf(value, 'type') ?? event) : undefined;
};

/**
 * @param types alternatives of a regular expression.
 * @returns tells whether one of these types may stand in events, as a whole word or with a letter escaped.
 */
export const mayBeTyped = (types: string): ((events: Buffer) => boolean) => {
  const matters = new RegExp(`${types}|"error"|event: ?error|\\\\u00|loading"`);
  return (events) => matters.test(latin1(events));
};

/** @returns a named event. */
export const typedEvent = (type: string, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
