import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable, Transform } from 'node:stream';
import type { BrotliDecompress, Gunzip, Inflate, ZstdDecompress } from 'node:zlib';
import { builtin } from './builtin.ts';

type Decoder = Gunzip | Inflate | BrotliDecompress | ZstdDecompress;

// A Map: names come from a worker, and an object would answer to `constructor` as well.
const DECODERS: ReadonlyMap<string, () => Decoder> = new Map([
  ['gzip', (): Decoder => builtin.zlib().createGunzip()],
  ['x-gzip', () => builtin.zlib().createGunzip()],
  ['deflate', () => builtin.zlib().createInflate()],
  ['br', () => builtin.zlib().createBrotliDecompress()],
  ['zstd', () => builtin.zlib().createZstdDecompress()],
]);

/** Nobody encodes more often; each costs memory. */
const MOST_CODINGS = 4;

/** A body without a byte is empty, in whatever coding: zlib would call it cut. */
const allowingNothing = (decoder: Decoder): Decoder => {
  const finish = decoder._flush;
  decoder._flush = (done) => (decoder.bytesWritten === 0 ? done() : finish.call(decoder, done));
  return decoder;
};

/**
 * `identity` was asked for; a worker that encodes all the same is decoded here, in the reverse order of the codings
 * (RFC 9110 8.4). One that says `identity` has encoded nothing, and its streams are read as any. From one that is not known on, the rest stays encoded, and `content-encoding` says so.
 */
export const decoded = (response: IncomingMessage): { headers: IncomingHttpHeaders; body: Readable } => {
  const encoding = response.headers['content-encoding'];
  if (encoding === undefined) return { headers: response.headers, body: response };
  const codings = encoding
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity');
  const decoders: (() => Decoder)[] = [];
  const next = () => (decoders.length < MOST_CODINGS ? DECODERS.get(codings.at(-1) ?? '') : undefined);
  for (let decoder = next(); decoder; decoder = next()) {
    decoders.push(decoder);
    codings.pop();
  }
  const { 'content-encoding': _encoding, ...plain } = response.headers;
  if (decoders.length === 0) return { headers: codings.length > 0 ? response.headers : plain, body: response };
  const { 'content-length': _length, ...rest } = plain;
  const headers = codings.length > 0 ? { ...rest, 'content-encoding': codings.join(', ') } : rest;
  let body: Readable = response;
  for (const create of decoders) {
    const source = body;
    const decoder: Transform = allowingNothing(create());
    // Heard before anybody reads: a body broken in the head's own segment would end the process.
    decoder.on('error', () => {});
    source.on('error', (error) => decoder.destroy(error));
    decoder.on('close', () => source.destroy());
    body = source.pipe(decoder);
  }
  return { headers, body };
};
