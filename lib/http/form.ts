import { InvalidRequestError } from '../errors.ts';

/** What routing needs of a multipart body; the body itself is forwarded untouched. */
export type Fields = Readonly<Record<string, string>>;

/** @returns whether a content type says `multipart/form-data`. */
export const isForm = (contentType: string | undefined): boolean => /^multipart\/form-data\b/i.test(contentType ?? '');

/** Longer values are none of ours. */
const FIELD_BYTES = 64 * 1024;

/** @throws {InvalidRequestError} when the body cannot be parsed. */
export type PeekFields = (contentType: string, body: Buffer) => Promise<Fields>;

/**
 * Peeks at the text fields of a `multipart/form-data` body (RFC 7578), wherever in it they stand.
 * @throws {InvalidRequestError} when it cannot be parsed, or ends without its closing boundary.
 */
export const peekFields: PeekFields = async (contentType, body) => {
  // Loaded when the first multipart body comes: most functions never see one.
  const { Busboy } = await import('@fastify/busboy');
  return new Promise((resolve, reject) => {
    const fail = (cause?: unknown) =>
      reject(
        new InvalidRequestError(
          'The multipart body cannot be parsed: check its boundary and its closing line.',
          undefined,
          cause,
        ),
      );
    const fields: Record<string, string> = Object.create(null);
    try {
      const parser = new Busboy({ headers: { 'content-type': contentType }, limits: { fieldSize: FIELD_BYTES } });
      parser.on('field', (name: string, value: string) => {
        fields[name] ??= value;
      });
      parser.on('file', (name: string, stream: NodeJS.ReadableStream) => {
        fields[name] ??= '';
        stream.on('error', fail);
        stream.resume();
      });
      parser.on('error', fail);
      parser.on('finish', () => resolve(fields));
      parser.end(body);
    } catch (cause) {
      fail(cause);
    }
  });
};

/**
 * Replaces the values of text fields and leaves every other byte alone.
 * @throws {InvalidRequestError} when a field's part cannot be found.
 */
export const replaceFields =
  (contentType: string) =>
  (body: Buffer, fields: Readonly<Record<string, string>>): Buffer =>
    Object.entries(fields).reduce((bytes, [field, value]) => replaceField(contentType, bytes, field, value), body);

/** RFC 6266 4.1: parameters are tokens or quoted strings, and a quoted file name may hold anything. */
const nameOf = (head: string): string | undefined => {
  const disposition = /^content-disposition:(.*)$/im.exec(head)?.[1] ?? '';
  for (const [, key, quoted, plain] of disposition.matchAll(
    /;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))/g,
  )) {
    if (key?.toLowerCase() === 'name') return quoted ?? plain;
  }
  return undefined;
};

const replaceField = (contentType: string, body: Buffer, field: string, value: string): Buffer => {
  const boundary = /boundary="?([^";]+)"?/i.exec(contentType)?.[1];
  const delimiter = `--${boundary}`;
  let start = body.indexOf(delimiter);
  while (boundary && start !== -1) {
    const next = body.indexOf(`\r\n${delimiter}`, start);
    const headEnd = body.indexOf('\r\n\r\n', start);
    if (next === -1 || headEnd === -1) break;
    const head = body.toString('latin1', start, headEnd);
    if (nameOf(head) === field && headEnd < next) {
      return Buffer.concat([body.subarray(0, headEnd + 4), Buffer.from(value), body.subarray(next)]);
    }
    start = next + 2;
  }
  throw new InvalidRequestError(`The multipart field '${field}' cannot be found.`, field);
};
