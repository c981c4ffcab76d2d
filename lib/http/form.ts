import { InvalidRequestError } from '../errors.ts';
import { readParameters } from './header-parameters.ts';
import { HEADER_BYTES, NAMELESS, type PartHeader, readPartHeader } from './part-header.ts';

/** One part of a form, by where it stands in the body. */
export interface FormPart extends PartHeader {
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

/** @returns whether a content type says `multipart/form-data`. */
export const isForm = (contentType: string | undefined): boolean => /^multipart\/form-data\b/i.test(contentType ?? '');

/** RFC 2046 allows 70 characters. */
const LONGEST_BOUNDARY = 252;

export const DASHES = '--';
export const LINE = '\r\n';
const unparsable = () =>
  new InvalidRequestError('The multipart body cannot be parsed: check its boundary and its closing line.');

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
  return { ...readPartHeader(isDashed ? `-${header}` : header), from, start: from + length + 2 * LINE.length, end };
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
