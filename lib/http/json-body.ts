import { InvalidRequestError } from '../errors.ts';

/** WHATWG MIME Sniffing 4.6: `application/json`, `text/json`, and whatever ends in `+json`. */
const JSON_TYPE = /^(?:(?:application|text)\/json|[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.-]+\+json)\s*(?:;|$)/i;

/** @returns whether a content type says JSON. */
export const isJsonType = (contentType: string): boolean => JSON_TYPE.test(contentType);

/** V8 walks a value with a reviver, and writes it, by recursion; it parses without. */
const tooDeep = (cause: unknown) => new InvalidRequestError('The JSON body is nested too deeply.', { cause });

/**
 * Parses a JSON object; numbers stay as they were written (a seed beyond 2^53, `1.0`) for `JSON.stringify`.
 * @throws {InvalidRequestError} it is nested too deeply.
 */
export const parseExact = (body: Buffer): Readonly<Record<string, unknown>> => {
  try {
    return JSON.parse(body.toString(), (_key, current, context?: { source?: string }) =>
      typeof current === 'number' && context?.source !== undefined ? rawJson(context.source) : current,
    );
  } catch (cause) {
    throw tooDeep(cause);
  }
};

/**
 * Sets top-level fields of a JSON object and keeps every number as it was written.
 * Used only where the body must change at all: a model that goes by another name or is named elsewhere, and what an
 * engine must be told.
 * @throws {InvalidRequestError} it is nested too deeply.
 */
export const replaceFields = (body: Buffer, fields: Readonly<Record<string, string>>): Buffer => {
  const value = { ...parseExact(body), ...fields };
  try {
    return Buffer.from(JSON.stringify(value));
  } catch (cause) {
    throw tooDeep(cause);
  }
};

/** ECMAScript's "JSON.parse source text access"; in Node since 21, not yet in TypeScript's library. */
const rawJson = (source: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source);
