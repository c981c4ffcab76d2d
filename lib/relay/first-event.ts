import type { PrimedBody } from './answer.ts';

/** An error object is told from a stream's first event within this many bytes. */
const LONGEST = 4096;

/** How an event that is an error object begins, white space apart: OpenAI's, Anthropic's and vLLM's. */
const OPENINGS = ['event:error', 'data:{"error"', 'data:{"type":"error"', 'data:{"object":"error"'];

/** Room for the longest opening and some white space. */
const OPENING_BYTES = 64;

/** @returns whether this beginning is, or may still become, an event that is an error object. */
const couldBeError = (text: string): boolean => {
  const start = text.replace(/\s+/g, '');
  return OPENINGS.some((opening) => start.startsWith(opening) || opening.startsWith(start));
};

/** A worker's error, told inside a stream that had already said 200. */
export interface FirstError {
  readonly status: number;
  readonly message: string;
}

const readError = (data: string): FirstError | undefined => {
  try {
    const value = JSON.parse(data);
    const error = value.error ?? (value.type === 'error' || value.object === 'error' ? value : undefined);
    if (!error) return undefined;
    const code = [error.code, error.status, value.code, value.status].map(Number).find((n) => n >= 400 && n <= 599);
    const message = typeof error === 'string' ? error : error.message;
    return { status: code ?? 502, message: typeof message === 'string' ? message : 'The worker reported an error.' };
  } catch {
    return undefined;
  }
};

/** @returns the error in the first complete event, or `undefined` when it is none or not complete yet. */
const firstEvent = async (text: string): Promise<{ error: FirstError | undefined } | undefined> => {
  // Loaded when a stream begins like an error: hardly any does.
  const { createParser } = await import('eventsource-parser');
  let first: { error: FirstError | undefined } | undefined;
  createParser({
    onEvent: ({ data }) => {
      first ??= { error: readError(data) };
    },
  }).feed(text);
  return first;
};

/**
 * Holds an SSE stream back while its first event may still be an error object, at most 4 KB (CONTRACT.md 6).
 * An ordinary stream is recognised by its first chunk and not held at all.
 *
 * @returns the body with what was read put in front again, and the error if the first event is one.
 */
export const holdFirstEvent = async (
  body: PrimedBody,
): Promise<{ body: PrimedBody; error: FirstError | undefined }> => {
  const first = [...body.first];
  // Nearly every stream is known by its first bytes: nothing is copied then, and nothing decoded but these.
  const [start] = first;
  if (start && !couldBeError(Buffer.from(start.subarray(0, OPENING_BYTES)).toString('latin1'))) {
    return { body, error: undefined };
  }
  for (let bytes = Buffer.concat(first); ; bytes = Buffer.concat(first)) {
    const text = bytes.toString();
    if (bytes.length > 0 && (bytes.length > LONGEST || !couldBeError(text)))
      return { body: { ...body, first }, error: undefined };
    const event = await firstEvent(text);
    if (event) return { body: { ...body, first }, error: event.error };
    const next = await body.rest.read();
    if (!next) return { body: { ...body, first }, error: (await firstEvent(`${text}\n\n`))?.error };
    first.push(next);
  }
};
