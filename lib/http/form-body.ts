import { InvalidRequestError } from '../errors.ts';

/** One part of a `multipart/form-data` body (RFC 7578), its bytes as they came. */
export interface FormPart {
  readonly name: string;
  /** The part's header lines, without the blank line behind them. */
  readonly head: string;
  readonly content: Uint8Array;
}

/** A part whose content is read while it is sent. */
export interface StreamedPart {
  readonly name: string;
  readonly filename: string;
  readonly contentType: string;
  /** Bytes. */
  readonly length: number;
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** A body with a known length that can be read again from its beginning. */
export interface FormBody {
  readonly contentType: string;
  readonly length: number;
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

const unparsable = () =>
  new InvalidRequestError('The multipart body cannot be parsed: check its boundary and its closing line.');

/**
 * Takes a form apart.
 * @throws {InvalidRequestError} when it has no boundary, or no closing one.
 */
export const splitForm = (contentType: string, body: Buffer): readonly FormPart[] => {
  const [, quoted, token] = /boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType) ?? [];
  const boundary = quoted ?? token;
  if (!boundary) throw unparsable();
  const delimiter = `\r\n--${boundary}`;
  const parts: FormPart[] = [];
  // The first delimiter may stand at the very beginning, without a line break before it.
  let at = body.indexOf(delimiter.slice(2));
  for (;;) {
    const end = at === -1 ? -1 : at + delimiter.length - 2;
    if (end === -1) throw unparsable();
    if (body.toString('latin1', end, end + 2) === '--') return parts;
    const start = body.indexOf('\r\n', end) + 2;
    const headEnd = body.indexOf('\r\n\r\n', start - 2);
    const next = body.indexOf(delimiter, start - 2);
    if (start === 1 || headEnd === -1 || next < headEnd) throw unparsable();
    const head = body.toString('utf8', start, Math.max(start, headEnd));
    const name = /^content-disposition:.*?;\s*name="?([^";]*)"?/im.exec(head)?.[1] ?? '';
    parts.push({ name, head, content: body.subarray(headEnd + 4, Math.max(headEnd + 4, next)) });
    at = next + 2;
  }
};

/** As browsers do (WHATWG HTML, "multipart/form-data encoding algorithm"). */

const quoted = (text: string): string =>
  `"${text.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A')}"`;

/** @returns a text part. */
export const textPart = (name: string, value: string): FormPart => ({
  name,
  head: `Content-Disposition: form-data; name=${quoted(name)}`,
  content: Buffer.from(value),
});

/** Puts a form together, under a boundary of its own, without ever holding what is streamed. */
export const joinForm = (parts: readonly (FormPart | StreamedPart)[]): FormBody => {
  const boundary = `form-${process.getBuiltinModule('node:crypto').randomBytes(24).toString('hex')}`;
  const pieces = parts.map((part) => {
    const head =
      'head' in part
        ? part.head
        : `Content-Disposition: form-data; name=${quoted(part.name)}; filename=${quoted(part.filename)}\r\n` +
          `Content-Type: ${part.contentType}`;
    return { lead: Buffer.from(`--${boundary}\r\n${head}\r\n\r\n`), part };
  });
  const lineBreak = Buffer.from('\r\n');
  const closing = Buffer.from(`--${boundary}--\r\n`);
  const lengthOf = (part: FormPart | StreamedPart) => ('head' in part ? part.content.length : part.length);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    length: pieces.reduce(
      (sum, { lead, part }) => sum + lead.length + lengthOf(part) + lineBreak.length,
      closing.length,
    ),
    async *open(signal) {
      for (const { lead, part } of pieces) {
        yield lead;
        if ('head' in part) yield part.content;
        else yield* part.open(signal);
        yield lineBreak;
      }
      yield closing;
    },
  };
};
