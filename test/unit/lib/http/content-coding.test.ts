import zlib from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeBody, readCodings } from '../../../../lib/http/content-coding.ts';

/** RFC 9110 8.4, docs/contract.md section 5. */
const LIMIT = 100_000;
const encoders: Readonly<Record<string, (bytes: Uint8Array) => Buffer>> = {
  gzip: (bytes) => zlib.gzipSync(bytes),
  'x-gzip': (bytes) => zlib.gzipSync(bytes),
  deflate: (bytes) => zlib.deflateSync(bytes),
  br: (bytes) => zlib.brotliCompressSync(bytes),
  zstd: (bytes) => zlib.zstdCompressSync(bytes),
  identity: (bytes) => Buffer.from(bytes),
};
const names = Object.keys(encoders);
const encode = (bytes: Uint8Array, codings: readonly string[]) =>
  codings.reduce<Buffer>((encoded, coding) => encoders[coding]?.(encoded) as Buffer, Buffer.from(bytes));
const decode = (bytes: Buffer, header: string, limit = LIMIT) => decodeBody(bytes, readCodings(header), limit);

test('whatever was encoded, by up to eight codings, comes back', async () => {
  const codings = fc.array(fc.constantFrom(...names), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), codings, async (bytes, applied) => {
      const decoded = await decode(encode(bytes, applied), applied.join(', '));
      expect(decoded).toEqual(Buffer.from(bytes));
    }),
    { numRuns: 300 },
  );
});

test.each<[string, readonly string[]]>([
  ['gzip', ['gzip']],
  [' GZip ,, bR,\tidentity', ['br', 'gzip']],
  ['', []],
  ['identity', []],
])('%j is undone as %j', (header, codings) => expect(readCodings(header)).toEqual(codings));

test.each(['compress', 'gzip, nonsense', 'constructor', '__proto__', 'gzip;q=1', Array(9).fill('gzip').join()])(
  '%s is 415 that says what is taken',
  (header) => {
    expect(() => readCodings(header)).toThrow(
      expect.objectContaining({ status: 415, headers: { 'accept-encoding': 'gzip, deflate, br, zstd, identity' } }),
    );
  },
);

test('bare deflate under the name', async () => {
  expect(await decode(zlib.deflateRawSync('{"a":1}'), 'deflate')).toEqual(Buffer.from('{"a":1}'));
});

test('several members and several frames are one body', async () => {
  const two = (encoder: (text: string) => Buffer) => Buffer.concat([encoder('one '), encoder('two')]);
  expect(String(await decode(two(zlib.gzipSync), 'gzip'))).toBe('one two');
  expect(String(await decode(two(zlib.zstdCompressSync), 'zstd'))).toBe('one two');
  const frames = Buffer.concat(Array.from({ length: 300 }, () => zlib.zstdCompressSync('x')));
  await expect(decode(frames, 'zstd')).rejects.toMatchObject({ status: 400 });
});

describe.each(names.filter((name) => name !== 'identity'))('%s', (name) => {
  const body = Buffer.from('{"messages":[]}'.repeat(20));
  const encoded = encoders[name]?.(body) as Buffer;

  test.each<[string, Buffer]>([
    ['cut', encoded.subarray(0, -1)],
    ['cut in half', encoded.subarray(0, encoded.length / 2)],
    ['plain', body],
    ['followed by something', Buffer.concat([encoded, Buffer.from('{}')])],
    ['one byte', encoded.subarray(0, 1)],
  ])('%s is 400', async (_, bytes) => {
    await expect(decode(bytes, name)).rejects.toMatchObject({ status: 400 });
  });

  test('just as large as allowed, and one byte more', async () => {
    expect(await decode(encoded, name, body.length)).toEqual(body);
    expect(await decode(encoded, name, body.length - 1)).toBeUndefined();
  });

  test('a bomb is not unpacked', async () => {
    const bomb = encoders[name]?.(Buffer.alloc(64_000_000)) as Buffer;
    const twice = encoders[name]?.(bomb) as Buffer;
    const before = process.memoryUsage();
    expect(await decode(bomb, name)).toBeUndefined();
    expect(await decode(twice, `${name}, ${name}`)).toBeUndefined();
    const { external, arrayBuffers } = process.memoryUsage();
    expect(external + arrayBuffers - before.external - before.arrayBuffers).toBeLessThan(16_000_000);
  });
});

test('a zstd frame that wants more memory than RFC 9659 allows is refused', async () => {
  const params = { [zlib.constants.ZSTD_c_windowLog]: 27 };
  const wide = zlib.zstdCompressSync(Buffer.alloc(20_000_000, 'x'), { params });
  await expect(decode(wide, 'zstd', 100_000_000)).rejects.toMatchObject({ status: 400 });
});
