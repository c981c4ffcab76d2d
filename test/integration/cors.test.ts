import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Gateway, startGateway } from '../support/gateway.ts';
import type { Received } from '../support/http.ts';
import { operation, operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { cut, withHeaders } from '../support/worker/behaviours.ts';

/** docs/contract.md section 8, GATEWAY_CORS_ORIGINS: pages in browsers may call, and read what they should. */
const model = 'test-model';
const app = 'https://app.example';
const chat = operation('chat');
let worker: StandIn;
let listed: Gateway;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
  listed = await startGateway({
    workers: [worker],
    env: {
      GATEWAY_CORS_ORIGINS: `${app}, http://localhost:3000`,
      GATEWAY_ALLOW_ANONYMOUS: undefined,
      LOCALAI_API_KEY: 'k',
    },
  });
});
beforeEach(() => worker.reset());
afterAll(() => Promise.all([listed?.close(), worker?.close()]));

const preflight = (gateway: Gateway, path: string, origin: string) =>
  gateway.fetch(path, {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,x-stainless-os',
    },
  });
const call = (gateway: Gateway, headers: Record<string, string>, body: object = chat.body(model) as object) =>
  gateway.fetch(pathOf(chat, model), { headers: { authorization: 'Bearer k', ...headers }, body });
const allowed = ({ headers }: Received) => headers['access-control-allow-origin'];
const exposed = ({ headers }: Received) => String(headers['access-control-expose-headers'] ?? '').split(', ');
const nothingOfCors = ({ headers }: Received) =>
  expect(Object.keys(headers).filter((name) => name.startsWith('access-control-'))).toEqual([]);

describe('a preflight', () => {
  test.each(operations.map((one) => [one.name, one] as const))('%s: answered without a key', async (_, one) => {
    const received = await preflight(listed, pathOf(one, model), app);
    expect([received.status, received.body.length, allowed(received)]).toEqual([204, 0, app]);
    expect(received.headers['access-control-allow-methods']).toContain('POST');
    expect(received.headers['access-control-allow-headers']).toBe('authorization,content-type,x-stainless-os');
    expect(received.headers.vary).toContain('Origin');
    expect(received.headers).not.toHaveProperty('access-control-allow-credentials');
    expect(received.headers['x-correlation-id']).toMatch(/./);
  });

  test.each(['https://evil.example', 'https://app.example.evil', 'http://app.example', 'null', `${app}:444`])(
    'from %s is not allowed',
    async (origin) => {
      const received = await preflight(listed, '/v1/models', origin);
      expect([allowed(received), received.headers.vary]).toEqual([undefined, 'Origin']);
    },
  );
});

describe('an answer', () => {
  test('says that its page may read it, and the node header with it', async () => {
    for (const origin of [app, 'http://localhost:3000']) {
      const received = await call(listed, { origin });
      expect([received.status, allowed(received)]).toEqual([200, origin]);
      expect(exposed(received)).toEqual(
        expect.arrayContaining(['x-correlation-id', 'x-should-retry', 'retry-after-ms', 'x-localai-node']),
      );
    }
  });

  test('of another page, or none, says nothing', async () => {
    const other = await call(listed, { origin: 'https://evil.example' });
    expect([other.status, allowed(other), other.headers.vary]).toEqual([200, undefined, 'Origin']);
    expect(allowed(await call(listed, {}))).toBeUndefined();
  });

  test("is the gateway's own, not the worker's; other things it varies by stay", async () => {
    worker.next(
      withHeaders({ 'access-control-allow-origin': '*', 'access-control-allow-credentials': 'true', vary: 'Accept' }),
    );
    const received = await call(listed, { origin: app });
    expect(allowed(received)).toBe(app);
    expect(received.headers).not.toHaveProperty('access-control-allow-credentials');
    expect(received.headers.vary).toBe('Accept, Origin');
  });

  test('that is an error can be read, too', async () => {
    const errors = [
      await call(listed, { origin: app, authorization: 'Bearer wrong' }),
      await call(listed, { origin: app }, chat.body('nobody-has-it') as object),
      await listed.fetch('/nothing', { headers: { origin: app } }),
    ];
    worker.behave(cut('before-head'));
    errors.push(await call(listed, { origin: app }));
    expect(errors.map(({ status }) => status)).toEqual([401, 404, 401, 502]);
    expect(errors.map(allowed)).toEqual(errors.map(() => app));
    expect(exposed(errors[0] as Received)).not.toContain('x-localai-node');
  });

  test('does not name the node header while it is off', async () => {
    await using off = await startGateway({
      workers: [worker],
      functions: ['openai'],
      env: { GATEWAY_CORS_ORIGINS: app, LOCALAI_EXPOSE_NODE_HEADER: undefined },
    });
    for (const received of [await call(off, { origin: app }), await preflight(off, '/v1/chat/completions', app)]) {
      expect(allowed(received)).toBe(app);
      expect(received.rawHeaders.join().toLowerCase()).not.toContain('localai-node');
    }
  });
});

describe('*', () => {
  test('is for every page', async () => {
    await using any = await startGateway({
      workers: [worker],
      functions: ['openai'],
      env: { GATEWAY_CORS_ORIGINS: '*' },
    });
    for (const origin of [app, 'null']) {
      expect(allowed(await call(any, { origin }))).toBe('*');
      const received = await preflight(any, '/v1/chat/completions', origin);
      expect([received.status, allowed(received)]).toEqual([204, '*']);
    }
  });
});

test('without the setting nothing is said', async () => {
  await using none = await startGateway({ workers: [worker], functions: ['openai'] });
  nothingOfCors(await call(none, { origin: app }));
  const received = await preflight(none, '/v1/chat/completions', app);
  nothingOfCors(received);
  expect(received.status).toBe(405);
});
