import { InvalidRequestError } from '../errors.ts';
import { encodingOf, readParameters } from './header-parameters.ts';

/** One part of a form, by where it stands in the body. */
export interface FormPart {
  /** `undefined`: it has no usable `Content-Disposition`. Such a part is no field, but it is passed on. */
  readonly name: string | undefined;
  /** It has a file name, or is of `application/octet-stream`. */
  readonly isFile: boolean;
  /** Of its text. */
  readonly encoding: BufferEncoding;
  /** Where its header begins: just after the delimiter. */
  readonly from: number;
  /** Where its content begins. */
  readonly start: number;
  /** Where its content ends: just before the next delimiter's line break. */
  readonly end: number;
}

/** A `multipart/form-data` body, taken apart. */
export interface Form {
  readonly body: Buffer;
  readonly boundary: string;
  /** Where the first delimiter begins. */
  readonly opening: number;
  readonly parts: readonly FormPart[];
}

/** The text fields of a form by name, the first of each; a file's is empty. Without a prototype. */
export type Fields = Readonly<Record<string, string>>;

/** @returns whether a content type says `multipart/form-data`. */
export const isForm = (contentType: string | undefined): boolean => /^multipart\/form-data\b/i.test(contentType ?? '');

/** More than any field has that the gateway reads; what is longer is read as far as this. */
const FIELD_BYTES = 64 * 1024;
/** A part's header is read as far as this, and as many lines of it. */
const HEADER_BYTES = 80 * 1024;
const HEADER_LINES = 2000;
/** RFC 2046 allows 70 characters. */
const LONGEST_BOUNDARY = 252;

const DASHES = '--';
const LINE = '\r\n';
const NAMELESS = { name: undefined, isFile: false, encoding: 'utf8' } as const;

const unparsable = () =>
  new InvalidRequestError('The multipart body cannot be parsed: check its boundary and its closing line.');

/** @returns the first value of each header field; names in lower case. */
const readHeader = (text: string): ReadonlyMap<string, string> => {
  const fields = new Map<string, string>();
  let folded: string | undefined;
  let count = 0;
  for (const line of text.split(LINE)) {
    if (line === '') continue;
    // A part whose header is broken is read as far as it is sound.
    if (/[\r\n]/.test(line)) break;
    const isContinued = /^[ \t]/.test(line) && count > 0;
    if (isContinued) {
      if (folded !== undefined) fields.set(folded, `${fields.get(folded)}${line}`);
      continue;
    }
    const colon = line.indexOf(':');
    if (colon < 1) break;
    const name = line.slice(0, colon).toLowerCase();
    folded = fields.has(name) ? undefined : name;
    if (folded !== undefined) fields.set(name, line.slice(colon + 1).replace(/^[ \t]/, ''));
    count += 1;
    if (count === HEADER_LINES) break;
  }
  return fields;
};

const last = (parameters: readonly (readonly [string, string])[], wanted: string): string | undefined =>
  parameters.findLast(([name]) => name.toLowerCase() === wanted)?.[1];

/** @param header a part's header lines, one character a byte. */
const describe = (header: string): Pick<FormPart, 'name' | 'isFile' | 'encoding'> => {
  const fields = readHeader(header);
  const disposition = readParameters(fields.get('content-disposition') ?? '');
  if (disposition.value.toLowerCase() !== 'form-data') return NAMELESS;
  const known = disposition.parameters.filter(([name]) => /^(?:file)?name$/i.test(name));
  if (known.some(([, value]) => /[\r\n]/.test(value))) return NAMELESS;
  const type = readParameters(fields.get('content-type') ?? '');
  const charset = type.value && type.parameters.find(([name]) => name.toLowerCase() === 'charset')?.[1];
  return {
    name: last(known, 'name'),
    isFile: last(known, 'filename') !== undefined || type.value.toLowerCase() === 'application/octet-stream',
    encoding: encodingOf(charset ?? ''),
  };
};

/** @throws {InvalidRequestError} */
const boundaryOf = (contentType: string): string => {
  const { parameters } = readParameters(contentType);
  const boundary = parameters.find(([name]) => name.toLowerCase() === 'boundary')?.[1] ?? '';
  if (boundary === '' || Buffer.byteLength(boundary) > LONGEST_BOUNDARY) throw unparsable();
  return boundary;
};

/** @param isDashed a single dash stands between the delimiter and the header. */
const readPart = (body: Buffer, from: number, end: number, isDashed: boolean): FormPart => {
  const length = body.subarray(from, end).indexOf(LINE + LINE);
  if (length === -1) return { ...NAMELESS, from, start: end, end };
  const header = body.toString('latin1', from, from + Math.min(length, HEADER_BYTES));
  return { ...describe(isDashed ? `-${header}` : header), from, start: from + length + 2 * LINE.length, end };
};

/**
 * Takes a form apart (RFC 7578), in time that grows with its length and with nothing else. It is the gateway's own,
 * because no parser tells where in the body a part stands; what it finds is what `@fastify/busboy` finds, and a
 * differential test holds it to that.
 *
 * @throws {InvalidRequestError} when the form has no boundary, or no closing one.
 */
export const parseForm = (contentType: string, body: Buffer): Form => {
  const boundary = boundaryOf(contentType);
  const delimiter = Buffer.from(LINE + DASHES + boundary);
  const bare = delimiter.subarray(LINE.length);
  // The first one may stand at the very beginning, without a line break before it.
  const isFirst = body.subarray(0, bare.length).equals(bare);
  const opening = isFirst ? 0 : body.indexOf(delimiter) + LINE.length;
  if (!isFirst && opening < LINE.length) throw unparsable();
  const parts: FormPart[] = [];
  let from = opening + bare.length;
  // Whether all that stood between two delimiters was one dash: then the second one was none, and a second dash closes.
  let isDashed = false;
  for (;;) {
    const end = body.indexOf(delimiter, from);
    const limit = end === -1 ? body.length : end;
    const dashes: string = (isDashed ? '-' : '') + body.toString('latin1', from, Math.min(limit, from + DASHES.length));
    if (dashes.startsWith(DASHES)) return { body, boundary, opening, parts };
    if (end === -1) throw unparsable();
    isDashed = dashes === '-';
    if (!isDashed) parts.push(readPart(body, from, end, dashes.startsWith('-')));
    from = end + delimiter.length;
  }
};

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

/** @returns the header lines of a text part, as browsers write them (WHATWG HTML, "multipart/form-data encoding"). */
export const textHeader = (name: string): string => `Content-Disposition: form-data; name=${quoted(name)}`;

/** @returns a name as the value of a part's parameter. */
export const quoted = (name: string): string =>
  `"${name.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')}"`;

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
