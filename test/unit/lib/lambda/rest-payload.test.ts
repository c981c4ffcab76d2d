import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import type { APIGatewayProxyEvent } from 'aws-lambda';
import fc from 'fast-check';
import { fromRestPayload } from '../../../../lib/lambda/rest-payload.ts';

const event = (over: object = {}): APIGatewayProxyEvent =>
  ({
    resource: '/v1/chat/completions',
    path: '/v1/chat/completions',
    httpMethod: 'POST',
    headers: {},
    multiValueHeaders: {},
    queryStringParameters: null,
    multiValueQueryStringParameters: null,
    pathParameters: null,
    stageVariables: null,
    requestContext: {
      resourcePath: '/v1/chat/completions',
      domainName: 'api.example.test',
      identity: { sourceIp: '192.0.2.7' },
    },
    body: null,
    isBase64Encoded: false,
    ...over,
  }) as unknown as APIGatewayProxyEvent;
const at = (path: string, resourcePath: string) =>
  fromRestPayload(event({ path, requestContext: { resourcePath } })).rawPath;

test('is read field by field', () => {
  const read = fromRestPayload(event({ body: '{}', multiValueHeaders: { 'Content-Type': ['application/json'] } }));
  expect(read).toMatchObject({
    version: '2.0',
    rawPath: '/v1/chat/completions',
    rawQueryString: '',
    headers: { 'content-type': 'application/json' },
    body: '{}',
    isBase64Encoded: false,
    requestContext: { domainName: 'api.example.test', http: { method: 'POST', sourceIp: '192.0.2.7' } },
  });
  expect(fromRestPayload(event())).not.toHaveProperty('body');
});

describe('what stands in front of the resource is taken off, and nothing else is changed', () => {
  test.each([
    ['/v1/chat/completions', '/v1/chat/completions', '/v1/chat/completions'],
    ['/llm/v1/chat/completions', '/v1/chat/completions', '/v1/chat/completions'],
    ['/team/llm/v1/chat/completions/', '/v1/chat/completions', '/v1/chat/completions/'],
    ['/v1/v1/models', '/v1/models', '/v1/models'],
    ['/llm/v1/models/Qwen%2FQwen3-8B', '/v1/models/{id+}', '/v1/models/Qwen%2FQwen3-8B'],
    ['/llm/v1/models/Qwen/Qwen3-8B/', '/v1/models/{proxy+}', '/v1/models/Qwen/Qwen3-8B/'],
    ['/llm/v1/text-to-speech/a%20b', '/v1/text-to-speech/{voice}', '/v1/text-to-speech/a%20b'],
    ['/llm', '/', '/'],
    ['/llm/', '/', '/'],
    ['/', '/', '/'],
    ['/no/such/path', '/{proxy+}', '/no/such/path'],
    ['/elsewhere', '/v1/models', '/elsewhere'],
  ])('%s at %s is %s', (path, resource, expected) => {
    expect(at(path, resource)).toBe(expected);
  });

  test('for any base and any rest', () => {
    const segment = fc.stringMatching(/^[\w%.~-]{1,12}$/);
    const resource = ['v1', 'models', '{id+}'];
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 3 }), fc.array(segment, { minLength: 1 }), (base, rest) => {
        fc.pre(!base.includes('v1'));
        const own = `/v1/models/${rest.join('/')}`;
        expect(at([...base.map((one) => `/${one}`), own].join(''), `/${resource.join('/')}`)).toBe(own);
      }),
    );
  });
});

describe('the query', () => {
  test('keeps repeated, empty and encoded parameters', () => {
    const query = { a: ['1', '2'], beta: [''], 'x y': ['ü&=+', '%2F'] };
    expect(fromRestPayload(event({ multiValueQueryStringParameters: query })).rawQueryString).toBe(
      'a=1&a=2&beta=&x%20y=%C3%BC%26%3D%2B&x%20y=%252F',
    );
  });

  test('means what it meant, whatever it holds', () => {
    const names = fc.dictionary(
      fc.string({ unit: 'grapheme' }),
      fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }),
    );
    fc.assert(
      fc.property(names, (query) => {
        const raw = fromRestPayload(event({ multiValueQueryStringParameters: query })).rawQueryString;
        const read = new URLSearchParams(raw);
        for (const [name, values] of Object.entries(query)) expect(read.getAll(name)).toEqual(values);
        expect([...read.keys()]).toHaveLength(Object.values(query).flat().length);
      }),
    );
  });

  test('half a character breaks nothing', () => {
    const query = { '\ud800': ['\udfff'] };
    expect(fromRestPayload(event({ multiValueQueryStringParameters: query })).rawQueryString).toBe(
      '%EF%BF%BD=%EF%BF%BD',
    );
  });
});

describe('headers', () => {
  test('are joined under lower-case names, however they were written', () => {
    const { headers } = fromRestPayload(
      event({ multiValueHeaders: { Accept: ['a', 'b'], accept: ['c'], Cookie: ['x=1', 'token=k'] } }),
    );
    expect(headers).toEqual({ accept: 'a,b,c', cookie: 'x=1; token=k' });
  });

  test('in their short form, where that is all there is', () => {
    const { headers } = fromRestPayload(event({ multiValueHeaders: undefined, headers: { 'X-Api-Key': 'k' } }));
    expect(headers).toEqual({ 'x-api-key': 'k' });
  });

  test('of any name harm nobody', () => {
    const multiValueHeaders = JSON.parse('{"__proto__":["x"],"constructor":["y"]}');
    const { headers } = fromRestPayload(event({ multiValueHeaders }));
    expect(Object.entries(headers)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });
});

describe('a body', () => {
  const coded = (coding: string, body: string | Buffer) =>
    fromRestPayload(
      event({
        multiValueHeaders: { 'Content-Encoding': [coding] },
        body: body.toString(Buffer.isBuffer(body) ? 'base64' : undefined),
        isBase64Encoded: Buffer.isBuffer(body),
      }),
    ).headers['content-encoding'];

  test.each(['gzip', 'zstd', 'br'])('as text under %s was decoded on the way', (coding) => {
    expect(coded(coding, '{"model":"m"}')).toBeUndefined();
  });

  test('as text under a coding that nobody knows is what the client has to be told of', () => {
    expect(coded('compress', '{"model":"m"}')).toBe('compress');
  });

  test.each([
    ['gzip', gzipSync('{"model":"m"}')],
    ['br', brotliCompressSync('{"model":"m"}')],
    ['zstd', zstdCompressSync('{"model":"m"}')],
  ])('of %s bytes that were taken for text is lost, and not plain', (coding, bytes) => {
    expect(coded(coding, bytes.toString())).toBe(coding);
    expect(coded(coding, '{"model":"\ufffd"}')).toBeUndefined();
  });

  test('as bytes is encoded still, unless it is gzip that is none', () => {
    expect(coded('gzip', gzipSync('x'))).toBe('gzip');
    expect(coded('x-gzip', Buffer.from('plain'))).toBeUndefined();
    expect(coded('gzip', Buffer.from('x'))).toBeUndefined();
    expect(coded('br', Buffer.from('plain'))).toBe('br');
  });
});
