import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable, Transform } from 'node:stream';
import { builtin } from './builtin.ts';

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => builtin.zlib().createGunzip(),
  'x-gzip': () => builtin.zlib().createGunzip(),
  deflate: () => builtin.zlib().createInflate(),
  br: () => builtin.zlib().createBrotliDecompress(),
  zstd: () => builtin.zlib().createZstdDecompress(),
};

/** `identity` was asked for; a worker that encodes all the same is decoded here. */
export const decoded = (response: IncomingMessage): { headers: IncomingHttpHeaders; body: Readable } => {
  const encoding = response.headers['content-encoding'];
  const decoder = encoding && DECODERS[encoding.trim().toLowerCase()]?.();
  if (!decoder) return { headers: response.headers, body: response };
  const { 'content-encoding': _encoding, 'content-length': _length, ...headers } = response.headers;
  // Heard before anybody reads: a body broken in the head's own segment would end the process.
  decoder.on('error', () => {});
  response.on('error', (error) => decoder.destroy(error));
  decoder.on('close', () => response.destroy());
  return { headers, body: response.pipe(decoder) };
};

/** RFC 9112 6.3: two lengths, or a length beside a transfer coding, say that the message may not be what it seems. */
const isAmbiguous = ({ rawHeaders }: IncomingMessage): boolean => {
  let lengths = 0;
  let codings = 0;
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const name = rawHeaders[n] as string;
    // Only these two lengths are ever of interest.
    if (name.length === 14 && name.toLowerCase() === 'content-length') lengths += 1;
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') codings += 1;
  }
  return lengths > 1 || (lengths === 1 && codings > 0);
};

/** RFC 9110 15: what is outside of these classes is no answer, and could not be passed on. */
const isFinal = ({ statusCode = 0 }: IncomingMessage): boolean => statusCode >= 200 && statusCode <= 599;

/** A byte that no header value may hold (RFC 9110 5.5); the filter drops the header, and the connection is not trusted on. */
export const hasControls = ({ rawHeaders }: IncomingMessage): boolean =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  rawHeaders.some((text) => /[\x00-\x08\x0a-\x1f\x7f]/.test(text));

/** @returns whether a response is one that may be passed on at all. */
export const isAcceptable = (response: IncomingMessage): boolean => !isAmbiguous(response) && isFinal(response);
