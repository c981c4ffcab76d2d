import { DASHES, type Form, type FormPart, LINE, parseForm } from './form.ts';
import { textHeader } from './part-header.ts';

/** The text fields of a form by name, the first of each; a file's is empty. Without a prototype. */
export type Fields = Readonly<Record<string, string>>;

/** More than any field has that the gateway reads; what is longer is read as far as this. */
const FIELD_BYTES = 64 * 1024;

/** @returns the text of a part. */
export const textOf = ({ body }: Form, { start, end, encoding }: FormPart): string =>
  body.toString(encoding, start, Math.min(end, start + FIELD_BYTES));

/** @returns what routing needs of a form. */
export const readFields = (form: Form): Fields => {
  const fields: Record<string, string> = Object.create(null);
  for (const part of form.parts) {
    if (part.name !== undefined) fields[part.name] ??= part.isFile ? '' : textOf(form, part);
  }
  return fields;
};

/**
 * Gives text fields other values, wherever the form says the old one of each; a field that it lacks stands in front.
 * Every other byte stays.
 */
export const withFields = (form: Form, values: Fields): Buffer => {
  const { body, boundary, opening } = form;
  const old = new Map<string, string>();
  const pieces: Buffer[] = [];
  let at = opening;
  for (const part of form.parts) {
    const { name, isFile, start, end, encoding } = part;
    if (name === undefined || isFile || !Object.hasOwn(values, name)) continue;
    const text = textOf(form, part);
    if (!old.has(name)) old.set(name, text);
    if (old.get(name) !== text) continue;
    pieces.push(body.subarray(at, start), Buffer.from(values[name] as string, encoding));
    at = end;
  }
  const missing = Object.entries(values).filter(([name]) => !old.has(name));
  const added = missing.map(([name, value]) =>
    Buffer.from([DASHES + boundary, textHeader(name), '', value, ''].join(LINE)),
  );
  return Buffer.concat([body.subarray(0, opening), ...added, ...pieces, body.subarray(at)]);
};

/** All that a request's way needs of forms: handed over by the functions that take any, so that others stay small. */
export interface Forms {
  readonly parse: typeof parseForm;
  readonly readFields: typeof readFields;
  readonly withFields: typeof withFields;
}

export const forms: Forms = { parse: parseForm, readFields, withFields };
