import type { Fields } from './translation.ts';

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const objectOf = (value: unknown): Fields => (isObject(value) ? value : {});

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** @returns a text with something in it. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** @returns the number, also of one that is kept as it was written. */
export const numberOf = (value: unknown): number | undefined => {
  const number = isObject(value) && typeof value.rawJSON === 'string' ? Number(value.rawJSON) : value;
  return typeof number === 'number' && Number.isFinite(number) ? number : undefined;
};

/** @returns the same without what is `undefined` or `null`. */
const given = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));

/** @returns of the object those fields that say something, under the same names. */
export const only = (fields: Fields, ...names: readonly string[]): Fields =>
  given(Object.fromEntries(names.map((name) => [name, Object.hasOwn(fields, name) ? fields[name] : undefined])));

/** A number with more digits than JavaScript keeps: 2^53 has sixteen. */
const LONG_NUMBER = /[[{:,\s]-?\d[\d.]{15,}/;

const rawJson = (source: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(source);

/** Parses JSON; numbers that would lose digits stay as they were written, for `JSON.stringify`. */
export const parseJson = (text: string): unknown =>
  LONG_NUMBER.test(text)
    ? JSON.parse(text, (_key, value, context?: { source?: string }) =>
        typeof value === 'number' && context?.source !== undefined && String(value) !== context.source
          ? rawJson(context.source)
          : value,
      )
    : JSON.parse(text);

/**
 * A tool call's arguments, which models write and servers hand on as text. What is no JSON object goes under the key
 * that Anthropic's documentation names for it ("Fine-grained tool streaming"), so that the tool's own check can say so
 * to the model.
 */
export const argumentsOf = (text: string): Fields => {
  if (text.trim() === '') return {};
  try {
    const value = parseJson(text);
    if (isObject(value)) return value;
  } catch {
    // Below.
  }
  return { INVALID_JSON: text };
};
