import { describe, expect, test } from '@jest/globals';
import type { Context } from 'aws-lambda';
import fc from 'fast-check';
import { localLocation, toClient, toWorker } from '../../../../lib/inference/headers.ts';
import { toGatewayRequest } from '../../../../lib/lambda/request.ts';
import { urlEvent } from '../in-process-gateway.ts';

/** docs/contract.md section 2: what passes, and what never does. */
const hopByHop = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];
const neverToWorker = [
  ...hopByHop,
  'authorization',
  'x-api-key',
  'api-key',
  'xi-api-key',
  'x-goog-api-key',
  'cookie',
  'host',
  'x-localai-node',
  'x-amz-date',
  'x-amzn-trace-id',
  'x-amz-security-token',
  'x-amz-cf-id',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-anything',
  'x-origin-secret',
];
const neverToClient = [
  ...hopByHop,
  'server',
  'x-powered-by',
  'via',
  'alt-svc',
  'set-cookie',
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'x-correlation-id',
  'x-request-id',
  'request-id',
  'x-localai-node',
];
/** Ours on the way to the worker, whatever the client sent. */
const written = [
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-correlation-id',
  'x-request-id',
  'accept-encoding',
];

const token = fc.stringMatching(/^[a-z0-9!#$%&'*+.^_|~-]{1,16}$/).filter((name) => name !== '__proto__');
const endToEnd = fc.constantFrom(
  'content-type',
  'accept',
  'user-agent',
  'traceparent',
  'openai-organization',
  'anthropic-beta',
  'x-session-id',
  'idempotency-key',
);
const fieldValue = fc.stringMatching(/^[\x21-\x7e]([\x20-\x7e]{0,20}[\x21-\x7e])?$/);
const anyName = (forbidden: readonly string[]) => fc.oneof(token, endToEnd, fc.constantFrom(...forbidden));

const requestWith = async (headers: Record<string, string>) => {
  const context = { getRemainingTimeInMillis: () => 60_000 } as Context;
  const event = await urlEvent('/v1/chat/completions', { headers });
  const request = toGatewayRequest(event as never, context, { family: 'openai', marginMs: 0 });
  request.deadline.clear();
  request.id = 'id-1';
  return request;
};

describe('to the worker', () => {
  test('no forbidden header ever passes, every other does unchanged', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(anyName(neverToWorker), fieldValue, { maxKeys: 12 }),
        fc.array(anyName(neverToWorker), { maxLength: 3 }),
        fc.boolean(),
        async (given, named, hasKey) => {
          const headers = named.length > 0 ? { ...given, connection: named.join(', ').toUpperCase() } : given;
          const sent = toWorker(await requestWith(headers), hasKey ? 'worker-key' : undefined);
          const dropped = new Set([...neverToWorker, ...(headers.connection ?? '').toLowerCase().split(/\s*,\s*/)]);
          for (const [name, value] of Object.entries(headers)) {
            if (written.includes(name) || name === 'authorization') continue;
            const isForbidden = dropped.has(name) || /^x-(amz|forwarded-)/.test(name);
            if (isForbidden) expect(sent).not.toHaveProperty([name]);
            else if (!['content-length', 'expect', 'forwarded', 'request-id'].includes(name))
              expect(sent[name]).toBe(value);
          }
          expect(sent.authorization).toBe(hasKey ? 'Bearer worker-key' : undefined);
          expect(sent).toMatchObject({
            'accept-encoding': 'identity',
            'x-correlation-id': 'id-1',
            'x-request-id': 'id-1',
            'x-forwarded-for': '192.0.2.7',
            'x-forwarded-host': 'gateway.test',
          });
        },
      ),
      { numRuns: 500 },
    );
  });

  test('header names are matched in the lower case the platform delivers', async () => {
    const sent = toWorker(
      await requestWith({ connection: 'Close, X-Secret-Hop', 'x-secret-hop': '1', 'x-kept': '2' }),
      undefined,
    );
    expect(sent).not.toHaveProperty('x-secret-hop');
    expect(sent['x-kept']).toBe('2');
  });

  test('a value that could not stand in a header does not', async () => {
    const sent = toWorker(
      await requestWith({ 'x-bad': 'a\r\nx-injected: 1', 'x-wide': 'ß€', 'x-latin': 'ß' }),
      undefined,
    );
    expect(Object.keys(sent)).not.toContain('x-bad');
    expect(Object.keys(sent)).not.toContain('x-wide');
    expect(sent['x-latin']).toBe('ß');
  });
});

describe('to the client', () => {
  test('no forbidden header ever passes, every other does unchanged', () => {
    fc.assert(
      fc.property(
        fc.dictionary(anyName(neverToClient), fieldValue, { maxKeys: 12 }),
        fc.array(anyName(neverToClient), { maxLength: 3 }),
        (given, named) => {
          const headers = named.length > 0 ? { ...given, connection: named.join(',') } : given;
          const seen = toClient({ ...headers, ...('set-cookie' in headers && { 'set-cookie': ['a=b'] }) });
          const dropped = new Set([...neverToClient, ...(headers.connection ?? '').toLowerCase().split(/\s*,\s*/)]);
          for (const [name, value] of Object.entries(headers)) {
            if (dropped.has(name) || name.startsWith('access-control-')) expect(seen).not.toHaveProperty([name]);
            else expect(seen[name]).toBe(value);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test('a value with control characters is left out', () => {
    expect(toClient({ 'x-bad': 'a\u0000b', 'x-good': 'a\tb' })).toEqual({ 'x-good': 'a\tb' });
  });
});

describe('Location', () => {
  const worker = 'http://10.0.1.7:8080';

  test.each([
    ['http://10.0.1.7:8080/v1/models?x=1#y', '/v1/models?x=1#y'],
    ['/v1/models', '/v1/models'],
    ['models', '/models'],
    ['?x=1', '/?x=1'],
    ['HTTP://10.0.1.7:8080/a', '/a'],
    ['/a/../b', '/b'],
    ['http://10.0.1.7:8080//evil.test/x', '/evil.test/x'],
  ])('%s stays on the gateway: %s', (location, expected) => expect(localLocation(location, worker)).toBe(expected));

  test.each([
    'http://evil.test/',
    'https://10.0.1.7:8080/',
    'http://10.0.1.7:8081/',
    '//evil.test/x',
    '/\\evil.test/x',
    'javascript:alert(1)',
    'http://[',
  ])('%s leads elsewhere', (location) => expect(localLocation(location, worker)).toBeUndefined());

  test('whatever the worker says, a client ends up on the gateway or nowhere', () => {
    const gateway = 'https://gateway.test';
    const part = fc.constantFrom(
      '/',
      '//',
      '\\',
      '.',
      '..',
      'evil.test',
      '@',
      ':',
      'http:',
      worker,
      '?',
      '#',
      ' ',
      '\t',
      'a',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const shown = localLocation(parts.join(''), worker);
        if (shown !== undefined) expect(new URL(shown, gateway).origin).toBe(gateway);
      }),
      { numRuns: 2000 },
    );
  });
});
