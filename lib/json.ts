/** Any JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @returns the value, `undefined` where the text is no JSON. */
export const readJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** @returns the object of a JSON text, `undefined` where it is none. */
export const readObject = (text: string): Fields | undefined => {
  const value = readJson(text);
  return isObject(value) ? value : undefined;
};

/** @returns the field, where it is a text with something in it. */
export const textOf = (value: Fields | undefined, field: string): string | undefined => {
  const text = value?.[field];
  return typeof text === 'string' && text !== '' ? text : undefined;
};
