import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import type { Endpoint } from '../../lib/endpoints/endpoint.ts';
import { endpoints } from '../../lib/endpoints/index.ts';
import type { UrlRequest } from './in-process.ts';

/** What an HTTP header may carry on the wire, and a few things it may not. */
const value = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.constantFrom('', 'null', 'true', 'chunked', 'close, x-odd', 'a\r\nx-evil: 1', '\0', 'Bearer x', 'x'.repeat(5000)),
);
const name = fc.oneof(
  fc.constantFrom(
    ...[
      'authorization',
      'x-api-key',
      'api-key',
      'xi-api-key',
      'cookie',
      'host',
      'connection',
      'keep-alive',
      'te',
      'trailer',
    ],
    ...['transfer-encoding', 'upgrade', 'expect', 'content-length', 'content-encoding', 'accept-encoding', 'forwarded'],
    ...['proxy-authorization', 'proxy-connection', 'x-localai-node', 'x-amz-date', 'x-amzn-trace-id', 'x-amz-cf-id'],
    ...['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-origin-secret', 'origin'],
    ...['x-correlation-id', 'x-request-id', 'request-id', 'traceparent', 'x-session-id', 'anthropic-version', 'via'],
    ...['__proto__', 'constructor', 'tostring', 'range', 'if-none-match', 'accept', 'x-odd'],
  ),
  fc.string({
    unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~"),
    minLength: 1,
    maxLength: 20,
  }),
);

const segment = fc.oneof(
  fc.constantFrom(
    '..',
    '.',
    '%2e%2e',
    '%2f',
    '%5c',
    '\\',
    '',
    '%00',
    '%0d%0a',
    '%',
    '%zz',
    '%ff',
    '@',
    ':80',
    ';a=b',
    '\ud800',
  ),
  fc.constantFrom('v1', 'api', 'chat', 'completions', 'messages', 'models', 'engines', 'audio', 'admin', 'http:'),
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.webPath({ size: 'small' }),
);
const pathOf = ({ paths }: Endpoint) =>
  fc.tuple(fc.constantFrom(...paths), segment).map(([template, text]) => template.replace(/\{\w+\+?\}/, text || 'x'));
const oddPath = fc.oneof(
  fc
    .tuple(fc.constantFrom(...endpoints.flatMap(({ paths }) => paths)), segment)
    .map(([start, end]) => `${start}/${end}`),
  fc.array(segment, { maxLength: 5 }).map((parts) => `/${parts.join('/')}`),
  fc.string({ maxLength: 30 }),
);

const fields = ['model', 'model_id', 'name', 'stream', 'messages', 'prompt', 'input', 'response_format', 'system'];
const more = [
  'prompt_cache_key',
  'previous_response_id',
  'background',
  '__proto__',
  'constructor',
  'tools',
  'file_id',
  'conversation',
];
const content = fc.oneof(
  fc.constantFrom(null, true, false, 'true', '', 'test-model', 'test-model:latest', 0, -0, 1e308, [], {}, [[]]),
  fc.array(fc.record({ role: fc.constantFrom('system', 'user', 7, null), content: fc.jsonValue({ maxDepth: 3 }) })),
  fc.jsonValue({ maxDepth: 4 }),
);
const object = fc.dictionary(fc.constantFrom(...fields, ...more), content, { maxKeys: 8 });
const useful = fc.record({ model: fc.constant('test-model'), messages: fc.constant([]), prompt: fc.string() });
const json = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(useful, object).map(([base, odd]) => JSON.stringify({ ...base, ...odd })) },
  { weight: 2, arbitrary: useful.map((base) => JSON.stringify(base)) },
  { weight: 2, arbitrary: object.map((odd) => JSON.stringify(odd)) },
  { weight: 1, arbitrary: fc.json() },
);
/** Cuts or changes a text anywhere. */
const damaged = fc
  .tuple(json, fc.nat(), fc.string({ maxLength: 3 }))
  .map(
    ([text, at, odd]) =>
      text.slice(0, at % (text.length + 1)) + odd + text.slice((at % (text.length + 1)) + odd.length),
  );

const boundary = fc.oneof(
  fc.constant('b'),
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.constant('a;b'),
  fc.constant('"'),
);
const part = fc
  .record({
    name: fc.constantFrom('model', 'model', 'file', 'stream', 'prompt', '__proto__', '', 'a"b', 'n\r\nx: y'),
    more: fc.constantFrom(
      '',
      '',
      "; name*=utf-8''file",
      '; filename="a; name=model"',
      "; filename*=UTF-8''a%22b",
      ';',
      '\r\n x=1',
    ),
    file: fc.option(fc.string({ maxLength: 8 }), { nil: undefined }),
    head: fc.constantFrom('', 'Content-Type: text/plain\r\n', 'Content-Type: a;b\r\n', 'x\r\n', ': y\r\n'),
    data: fc.oneof(fc.constantFrom('test-model', 'true', '', '\r\n--b', '--b--'), fc.string({ maxLength: 60 })),
  })
  .map(({ name: field, more: parameters, file, head, data }) => {
    const named = file === undefined ? '' : `; filename="${file}"`;
    return `Content-Disposition: form-data; name="${field}"${named}${parameters}\r\n${head}\r\n${data}\r\n`;
  });
const form = fc
  .tuple(
    boundary,
    fc.array(part, { maxLength: 4 }),
    fc.constantFrom('--\r\n', '--', '\r\n', ''),
    fc.nat(),
    fc.boolean(),
    fc.constantFrom('', '', '', 'preamble --b\r\n', '\r\n', '--b x\r\n'),
    fc.constantFrom('', '', '', ' ', ' \t'),
  )
  .map(([mark, parts, end, at, isCut, preamble, padding]) => {
    const text = `${preamble}${parts.map((one) => `--${mark}${padding}\r\n${one}`).join('')}--${mark}${end}`;
    const whole = isCut ? text.slice(0, at % (text.length + 1)) : text;
    return { type: `multipart/form-data; boundary=${mark}`, body: Buffer.from(whole, 'latin1') };
  });
const asJson = fc.oneof(
  { weight: 4, arbitrary: json.map((text) => ({ type: 'application/json', body: text })) },
  { weight: 1, arbitrary: damaged.map((text) => ({ type: 'application/json', body: text })) },
);
const oddBody = fc.record({
  type: fc.constantFrom(undefined, 'text/plain', 'application/x+json', 'multipart/form-data', 'a/b; c'),
  body: fc.oneof(
    fc.constant(undefined),
    fc.string({ maxLength: 60 }),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  ),
});
/** Thousands of parts with nothing in them, and the one that counts at the end: a parser that is quadratic runs into the deadline. */
const crowdedForm = fc.constantFrom(2000, 32_000).map((count) => {
  const model = 'Content-Disposition: form-data; name="model"\r\n\r\ntest-model\r\n';
  return {
    type: 'multipart/form-data; boundary=b',
    body: Buffer.from(`${'--b\r\n\r\n\r\n'.repeat(count)}--b\r\n${model}--b--`),
  };
});
const bodyFor = (endpoint: Endpoint | undefined) =>
  fc.oneof(
    { weight: 9, arbitrary: endpoint?.input === 'multipart' ? form : asJson },
    { weight: 1, arbitrary: endpoint?.input === 'multipart' ? asJson : form },
    { weight: 1, arbitrary: oddBody },
    ...(endpoint?.input === 'multipart' ? [{ weight: 1, arbitrary: crowdedForm }] : []),
  );

type Sent = { readonly type: string | undefined; readonly body: string | Buffer | undefined };
const plain = (sent: Sent) => ({ ...sent, coding: undefined as string | undefined });
const asBytes = (body: Sent['body']) => Buffer.from(body ?? '');
/** As agents compress, and as some say they did. */
const encodings: readonly ((sent: Sent) => Sent & { readonly coding: string | undefined })[] = [
  ...Array.from({ length: 12 }, () => plain),
  (sent) => ({ ...sent, coding: 'gzip', body: gzipSync(asBytes(sent.body)) }),
  (sent) => ({ ...sent, coding: 'ZSTD', body: zstdCompressSync(asBytes(sent.body)) }),
  (sent) => ({ ...sent, coding: 'br', body: brotliCompressSync(asBytes(sent.body)) }),
  (sent) => ({ ...sent, coding: 'deflate, gzip', body: gzipSync(deflateSync(asBytes(sent.body))) }),
  (sent) => ({ ...sent, coding: 'gzip', body: gzipSync(asBytes(sent.body)).subarray(0, -4) }),
  (sent) => ({ ...sent, coding: 'gzip' }),
  (sent) => ({ ...sent, coding: '__proto__' }),
  (sent) => plain({ ...sent, body: Buffer.concat([Buffer.from('\ufeff'), asBytes(sent.body)]) }),
];

/** Requests of every kind, sensible and not, as function URLs hand them over. */
export const urlRequests: fc.Arbitrary<UrlRequest> = fc
  .option(fc.constantFrom(...endpoints), { freq: 7, nil: undefined })
  .chain((endpoint) =>
    fc.record({
      method: fc.oneof(
        { weight: 12, arbitrary: fc.constant(endpoint?.methods?.[0] ?? 'POST') },
        {
          weight: 1,
          arbitrary: fc.constantFrom('GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'CONNECT', 'post', 'X-ODD'),
        },
      ),
      path: endpoint ? pathOf(endpoint) : oddPath,
      query: fc.oneof(
        fc.constant(''),
        fc.constantFrom('beta=true', '?', '/../..', '@evil', '%00', 'a b', '#', '\r\n', 'ä', '🦙', '\ud800'),
        fc.constantFrom('key=secret', 'x=1&api_key=secret', 'model=test-model', 'model=%ff', 'a&key=x&b', 'model'),
      ),
      headers: fc.dictionary(name, value, { maxKeys: 6 }),
      cookies: fc.array(fc.oneof(fc.constantFrom('token=x', 'token', '='), fc.string({ maxLength: 10 })), {
        maxLength: 2,
      }),
      sent: fc.tuple(bodyFor(endpoint), fc.constantFrom(...encodings)).map(([sent, encode]) => encode(sent)),
    }),
  )
  .map(({ sent, headers, ...request }) => ({
    ...request,
    headers: {
      ...(sent.type !== undefined && { 'content-type': sent.type }),
      ...(sent.coding !== undefined && { 'content-encoding': sent.coding }),
      ...headers,
    },
    body: sent.body,
  }));
