/**
 * Sets top-level fields of a JSON object and keeps every number as it was written (a seed beyond 2^53, `1.0`).
 * Used only where the body must change at all: a model alias, a model named by the path, the form of images.
 */
export const replaceFields = (body: Buffer, fields: Readonly<Record<string, string>>): Buffer => {
  const parsed = JSON.parse(body.toString(), (_key, current, context?: { source?: string }) =>
    typeof current === 'number' && context?.source !== undefined ? rawJson(context.source) : current,
  );
  return Buffer.from(JSON.stringify({ ...parsed, ...fields }));
};

/** ECMAScript's "JSON.parse source text access"; in Node since 21, not yet in TypeScript's library. */
const rawJson = (source: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source);
