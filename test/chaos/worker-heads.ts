import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';

/** An answer byte by byte, and what a reader of RFC 9112 makes of it. */
export interface WorkerHead {
  readonly status: number;
  /** Lines of the head as they go out, without their ends. */
  readonly lines: readonly string[];
  /** Codings it claims, in order. */
  readonly codings: readonly string[];
  readonly framing: 'length' | 'chunked' | 'close';
  /** What goes out behind the head, unframed. */
  readonly body: Buffer;
  /** The same before the codings, where they are true. */
  readonly plain: Buffer;
  /** Whether a message with these lines may pass at all. */
  readonly isSound: boolean;
  /** Whether it may be refused all the same: it lies about its codings, or leads elsewhere. */
  readonly mayFail: boolean;
}

const encoders: ReadonlyMap<string, (bytes: Buffer) => Buffer> = new Map([
  ['gzip', (bytes: Buffer) => gzipSync(bytes)],
  ['x-gzip', (bytes: Buffer) => gzipSync(bytes)],
  ['deflate', (bytes: Buffer) => deflateSync(bytes)],
  ['br', (bytes: Buffer) => brotliCompressSync(bytes)],
  ['zstd', (bytes: Buffer) => zstdCompressSync(bytes)],
]);

const protoNames = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__'];

const soundName = fc.oneof(
  fc.constantFrom(
    ...['server', 'x-powered-by', 'via', 'alt-svc', 'set-cookie', 'x-localai-node', 'x-correlation-id', 'request-id'],
    ...['access-control-allow-origin', 'keep-alive', 'te', 'trailer', 'upgrade', 'proxy-authenticate', 'etag'],
    ...[
      'content-type',
      'content-language',
      'retry-after',
      'x-ratelimit-remaining',
      'date',
      'age',
      'X-CAPS',
      'location',
    ],
    ...protoNames,
  ),
  fc.string({
    unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~"),
    minLength: 1,
    maxLength: 16,
  }),
);
const oddName = fc.oneof(
  fc.constantFrom(
    'content-length ',
    'Transfer-Encoding ',
    'x y',
    'x\t',
    'x(',
    'x"y',
    'x\x00',
    '',
    'x\x7f',
    '\xe4',
    'x/y',
  ),
  fc.string({ maxLength: 8 }).filter((name) => !/^[\w!#$%&'*+.^`|~-]+$/.test(name) && !/^[ \t]|[\r\n:]/.test(name)),
);
const soundValue = fc.oneof(
  fc.constantFrom('', 'x', '0', '9'.repeat(400), 'http://10.1.2.3/inner', '/v1/other', 'no-cache', ...protoNames),
  fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 30 }),
  fc.string({ unit: fc.integer({ min: 0x80, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength: 8 }),
);
/** Nine times out of ten nothing. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const oddValue = fc.constantFrom('a\x00b', 'a\x1bb', 'a\x7fb', '\x01');

const coding = fc.constantFrom(...encoders.keys(), 'identity', 'compress', 'aws-chunked', ...protoNames);

/** Heads of every kind: names, values and codings that a worker should and should not send. */
export const workerHeads: fc.Arbitrary<WorkerHead> = fc
  .record({
    status: fc.constantFrom(200, 200, 200, 201, 206, 204, 302, 304, 400, 409, 418, 422, 499, 501),
    sound: fc.array(fc.tuple(soundName, soundValue), { maxLength: 6 }),
    odd: seldom(fc.tuple(oddName, soundValue)),
    control: seldom(fc.tuple(soundName, oddValue)),
    codings: fc.oneof(
      { weight: 2, arbitrary: fc.constant<string[]>([]) },
      { weight: 2, arbitrary: fc.array(coding, { minLength: 1, maxLength: 3 }) },
    ),
    isTrue: fc.boolean(),
    isEmpty: fc.boolean(),
    framing: fc.constantFrom('length' as const, 'chunked' as const, 'close' as const),
    transfer: seldom(fc.constantFrom('gzip', 'gzip, chunked', 'xchunked')),
    text: fc.string({ maxLength: 60 }),
    upper: fc.boolean(),
  })
  .map(({ status, sound, odd, control, codings, isTrue, isEmpty, framing, transfer, text, upper }) => {
    const plain =
      isEmpty || status === 204 || status === 304 ? Buffer.alloc(0) : Buffer.from(`{"said":${JSON.stringify(text)}}`);
    const isEncoded = isTrue && plain.length > 0;
    const body = isEncoded
      ? codings.reduce<Buffer>((bytes, name) => encoders.get(name)?.(bytes) ?? bytes, plain)
      : plain;
    const said = codings.join(', ');
    const lines = [
      'content-type: application/json',
      ...sound.map(([name, value]) => `${name}: ${value}`),
      ...(control ? [`${control[0]}: ${control[1]}`] : []),
      ...(odd ? [`${odd[0]}: ${odd[1]}`] : []),
      ...(codings.length > 0 ? [`content-encoding: ${upper ? said.toUpperCase() : said}`] : []),
      ...(transfer === undefined ? [] : [`transfer-encoding: ${transfer}`]),
    ];
    const isSound = odd === undefined && transfer === undefined;
    const isLie = plain.length > 0 && !isTrue && codings.some((name) => encoders.has(name));
    const mayFail = isLie || lines.some((line) => /^location:/i.test(line));
    return {
      status,
      lines,
      codings: codings.filter((name) => name !== 'identity'),
      framing,
      body,
      plain,
      isSound,
      mayFail,
    };
  });
