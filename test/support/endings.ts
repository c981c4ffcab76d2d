import { createParser, type EventSourceMessage } from 'eventsource-parser';
import type { Received } from './http.ts';
import type { Operation } from './operations.ts';

/**
 * How a successful reply ended, seen with a client's eyes.
 * - `whole`: with the operation's terminal marker; for bytes and JSON, with a clean end.
 * - `error`: with the dialect's own error ending, properly framed.
 * - `broken`: the connection broke.
 * - `open`: a clean end that says neither. docs/contract.md 6 forbids it.
 */
export type Ending = 'whole' | 'error' | 'broken' | 'open';

const json = (text: string | undefined): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
};

const isOpenAIError = (value: Record<string, unknown> | undefined): boolean => {
  const error = value?.error as Record<string, unknown> | undefined;
  return typeof error?.message === 'string' && typeof error.type === 'string' && 'code' in error && 'param' in error;
};

/** OpenAI's typed streams end with an event of their own, its plain ones with `[DONE]`; a transcription with either. */
const lastTypes: Readonly<Record<string, RegExp>> = {
  transcription: /^transcript\.text\.done$/,
  responses: /^response\.(completed|incomplete|failed)$/,
};

/** The events a client is given; SDKs take a last one without its line ends, too. */
const eventsOf = (text: string): EventSourceMessage[] => {
  const events: EventSourceMessage[] = [];
  createParser({ onEvent: (event) => events.push(event) }).feed(`${text}\n\n`);
  return events;
};

const endingOfSse = ({ name, dialect }: Operation, text: string): Ending => {
  const frames = eventsOf(text);
  const last = frames.at(-1);
  const before = frames.at(-2);
  if (dialect === 'anthropic') {
    if (last?.event === 'message_stop') return 'whole';
    const value = json(last?.data);
    const error = value?.error as Record<string, unknown> | undefined;
    const isError = last?.event === 'error' && value?.type === 'error' && typeof error?.message === 'string';
    return isError && typeof error?.type === 'string' ? 'error' : 'open';
  }
  if (name === 'responses' && last?.event === 'error') {
    const [failed, error] = [json(before?.data), json(last.data)];
    const { status, error: reason } = (failed?.response ?? {}) as Record<string, unknown>;
    const isFailed = failed?.type === 'response.failed' && status === 'failed' && typeof reason === 'object';
    const isFlat = error?.type === 'error' && typeof error.message === 'string' && 'code' in error && 'param' in error;
    const isNext = error?.sequence_number === Number(failed?.sequence_number) + 1;
    return isFailed && isFlat && isNext && isOpenAIError(error) ? 'error' : 'open';
  }
  const isDone = last?.data === '[DONE]';
  if (isDone && isOpenAIError(json(before?.data))) return 'error';
  const lastType = lastTypes[name];
  if (isDone && name !== 'responses') return 'whole';
  if (!lastType) return 'open';
  return [before, last].some((frame) => lastType.test(String(json(frame?.data)?.type))) ? 'whole' : 'open';
};

const endingOfNdjson = (text: string): Ending => {
  const lines = text.split('\n');
  const last = json(lines.at(-2));
  if (lines.at(-1) !== '') return 'open';
  if (last?.done === true) return 'whole';
  return typeof last?.error === 'string' ? 'error' : 'open';
};

export const endingOf = (one: Operation, { headers, text, complete }: Received): Ending => {
  if (!complete) return 'broken';
  const type = headers['content-type'] ?? '';
  if (type.startsWith('text/event-stream')) return endingOfSse(one, text);
  if (type.startsWith('application/x-ndjson')) return endingOfNdjson(text);
  return 'whole';
};

/** What an error ending says. */
export const errorIn = ({ dialect }: Operation, { text }: Received): { message: string; type?: string } => {
  // The line before may be half a one.
  if (dialect === 'ollama') return { message: String(json(text.trimEnd().split('\n').at(-1))?.error) };
  const frames = eventsOf(text);
  const frame = dialect === 'anthropic' || frames.at(-1)?.event === 'error' ? frames.at(-1) : frames.at(-2);
  return (json(frame?.data)?.error ?? {}) as { message: string; type?: string };
};
