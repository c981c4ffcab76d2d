/** Parses a JSON object; numbers stay as they were written (a seed beyond 2^53, `1.0`) for `JSON.stringify`. */
export const parseExact = (body: Buffer): Readonly<Record<string, unknown>> =>
  JSON.parse(body.toString(), (_key, current, context?: { source?: string }) =>
    typeof current === 'number' && context?.source !== undefined ? rawJson(context.source) : current,
  );

/**
 * Sets top-level fields of a JSON object and keeps every number as it was written.
 * Used only where the body must change at all: a model alias, a model named by the path, the form of images.
 */
export const replaceFields = (body: Buffer, fields: Readonly<Record<string, string>>): Buffer =>
  Buffer.from(JSON.stringify({ ...parseExact(body), ...fields }));

/** ECMAScript's "JSON.parse source text access"; in Node since 21, not yet in TypeScript's library. */
const rawJson = (source: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source);
