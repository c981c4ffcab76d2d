import type { EventSourceMessage } from 'eventsource-parser';
import { isObject, readJson, textOf } from '../json.ts';

/**
 * @returns the type of an event: its data's own, else what its `event` line says. `error` is one by either of them, for
 *   an error's data may have a type of its own. `undefined`: data that nobody can read.
 */
export const typeOf = ({ event, data }: EventSourceMessage): string | undefined => {
  if (event === 'error') return event;
  const value = readJson(data);
  return isObject(value) ? (textOf(value, 'type') ?? event) : undefined;
};

/** Where an event of a worker's own error may stand: in its data, or in its `event` line. */
export const ERROR_WORDS = ['"error"', 'event: error', 'event:error'];

/** @returns a named event. */
export const typedEvent = (type: string, fields: object): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
