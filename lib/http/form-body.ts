import type { Form, FormPart } from './form.ts';
import { quoted, textHeader } from './part-header.ts';

/** A part that is at hand: all that stands between two delimiters. */
export interface WholePart {
  readonly name: string | undefined;
  readonly bytes: Uint8Array;
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

/** @returns a part of a form that was taken apart, unchanged. */
export const wholePart = ({ body }: Form, { name, from, end }: FormPart): WholePart => ({
  name,
  bytes: body.subarray(from, end),
});

/** @returns a text part. */
export const textPart = (name: string, value: string): WholePart => ({
  name,
  bytes: Buffer.from(`\r\n${textHeader(name)}\r\n\r\n${value}`),
});

const fileHeader = ({ name, filename, contentType }: StreamedPart): string =>
  `Content-Disposition: form-data; name=${quoted(name)}; filename=${quoted(filename)}\r\nContent-Type: ${contentType}`;

/** Puts a form together, under a boundary of its own, without ever holding what is streamed. */
export const joinForm = (parts: readonly (WholePart | StreamedPart)[]): FormBody => {
  const boundary = `form-${process.getBuiltinModule('node:crypto').randomBytes(24).toString('hex')}`;
  const pieces = parts.map((part) =>
    'bytes' in part
      ? { lead: Buffer.from(`--${boundary}`), part, length: part.bytes.length }
      : { lead: Buffer.from(`--${boundary}\r\n${fileHeader(part)}\r\n\r\n`), part, length: part.length },
  );
  const lineBreak = Buffer.from('\r\n');
  const closing = Buffer.from(`--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    length: pieces.reduce((sum, { lead, length }) => sum + lead.length + length + lineBreak.length, closing.length),
    async *open(signal) {
      for (const { lead, part } of pieces) {
        yield lead;
        if ('bytes' in part) yield part.bytes;
        else yield* part.open(signal);
        yield lineBreak;
      }
      yield closing;
    },
  };
};
