import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { type Gateway, settingOf, startGateway } from '../support/gateway.ts';
import { fetchAll } from '../support/http.ts';
import { operation, operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { withHeaders } from '../support/worker/behaviours.ts';

/** docs/contract.md section 7. */
const model = 'test-model';
const key = 'sk-one';
const families = ['openai', 'anthropic', 'ollama', 'audio', 'images', 'rerank', 'vad', 'nodes'];
const env = { GATEWAY_ALLOW_ANONYMOUS: undefined };
let worker: StandIn;
let gateway: Gateway;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
  gateway = await startGateway({
    workers: [settingOf(worker, { apiKey: 'worker-secret' })],
    env: {
      ...env,
      LOCALAI_API_KEY: `${key}, sk-two`,
      LOCALAI_ADMIN_KEY: 'sk-admin',
    },
  });
});
afterAll(() => Promise.all([gateway?.close(), worker?.close()]));
beforeEach(() => worker.reset());

const ask = (headers: Record<string, string> | readonly string[], of = gateway) =>
  of.fetch('/v1/chat/completions', { headers, body: operation('chat').body(model) });

describe('where a key may stand', () => {
  test.each([
    ['authorization', `Bearer ${key}`],
    ['authorization', `bearer ${key}`],
    ['authorization', key],
    ['x-api-key', key],
    ['api-key', key],
    ['xi-api-key', key],
    ['cookie', `token=${key}`],
    ['cookie', `a=b; token=${key}; c=d`],
  ])('%s: %s', async (name, value) => {
    expect((await ask({ [name]: value })).status).toBe(200);
    const [seen] = worker.requests;
    expect(JSON.stringify(seen?.rawHeaders)).not.toContain(key);
    expect(seen?.headers.authorization).toBe('Bearer worker-secret');
  });

  test.each(['key', 'api_key', 'API-Key', 'ap%69_key'])(
    'not in the query as %s, and there it does not reach the worker',
    async (name) => {
      const query = `beta=true&${name}=${key}`;
      const body = operation('chat').body(model);
      expect((await gateway.fetch(`/v1/chat/completions?${query}`, { body })).status).toBe(401);
      const headers = { 'api-key': key };
      expect((await gateway.fetch(`/v1/chat/completions?${query}`, { headers, body })).status).toBe(200);
      expect(worker.requests[0]?.path).toBe('/v1/chat/completions?beta=true');
    },
  );

  test('any of several keys', async () => {
    expect((await ask({ authorization: 'Bearer sk-two' })).status).toBe(200);
  });

  test('the first present one counts', async () => {
    const wrongFirst = await ask({ authorization: 'Bearer wrong', 'x-api-key': key });
    expect(wrongFirst.status).toBe(401);
    expect((await ask({ 'x-api-key': key, cookie: 'token=wrong' })).status).toBe(200);
  });
});

describe('a wrong key', () => {
  test.each([
    ['none', {}],
    ['another', { authorization: 'Bearer wrong' }],
    ['a longer one', { authorization: `Bearer ${key}1` }],
    ['a shorter one', { authorization: `Bearer ${key.slice(0, -1)}` }],
    ['an empty one', { authorization: 'Bearer ' }],
    ['another scheme', { authorization: `Basic ${key}` }],
    ['all keys at once', { authorization: `Bearer ${key}, sk-two` }],
    ['the digest itself', { 'x-api-key': `sha256:${createHash('sha256').update(key).digest('hex')}` }],
    ["the worker's", { authorization: 'Bearer worker-secret' }],
  ] as [string, Record<string, string>][])('%s is 401', async (_, headers) => {
    const received = await ask(headers);
    expectErrorIn('openai', received);
    expect([received.status, received.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    expect(received.headers['x-should-retry']).toBe('false');
    expect(worker.requests).toHaveLength(0);
  });

  test.each(operations.map((one) => [one.name, one] as const))('%s is closed', async (_, one) => {
    const received = await gateway.fetch(pathOf(one, model), { body: one.body(model) });
    expectErrorIn(one.dialect, received);
    expect(received.status).toBe(401);
  });

  test.each(['/v1/models', '/v1/models/test-model', '/api/tags', '/api/ps', '/api/nodes', '/v1/realtime'])(
    'GET %s is closed',
    async (path) => {
      expect((await gateway.fetch(path)).status).toBe(401);
    },
  );
});

describe.each(families)('%s', (family) => {
  test('/healthz, /readyz and OPTIONS need none', async () => {
    for (const path of ['/healthz', '/readyz']) {
      expect((await fetchAll(gateway.urlOf(family) + path)).status).toBe(200);
    }
    expect((await fetchAll(`${gateway.urlOf(family)}/v1/models`, { method: 'OPTIONS' })).status).not.toBe(401);
  });
});

describe('the admin key', () => {
  const nodes = (value: string, of = gateway) => of.fetch('/api/nodes', { headers: { authorization: value } });

  test('opens GET /api/nodes', async () => {
    expect((await nodes('Bearer sk-admin')).status).toBe(200);
  });

  test('is not any API key', async () => {
    expect([401, 403]).toContain((await nodes(`Bearer ${key}`)).status);
  });
});

describe('the worker', () => {
  test('does not show its key to the client', async () => {
    worker.next(withHeaders({ 'www-authenticate': 'Bearer realm="worker-secret"' }));
    const received = await ask({ 'x-api-key': key });
    expect(received.status).toBe(200);
    expect(received.text).not.toContain('worker-secret');
  });
});

describe('without any key', () => {
  test('everything is closed and not ready', async () => {
    await using closed = await startGateway({ workers: [worker], env, functions: ['openai', 'nodes'] });
    for (const headers of [{}, { authorization: 'Bearer ' }, { authorization: 'Bearer undefined' }] as const) {
      expect((await ask(headers as Record<string, string>, closed)).status).toBe(401);
    }
    expect((await closed.fetch('/api/nodes')).status).toBe(401);
    expect((await closed.fetch('/readyz')).status).toBe(503);
    expect((await closed.fetch('/healthz')).status).toBe(200);
  });

  test.each([',', ' , ,', ' '])('a key setting of %j is no key: closed', async (LOCALAI_API_KEY) => {
    const settings = { ...env, LOCALAI_API_KEY };
    await using closed = await startGateway({ workers: [worker], env: settings, functions: ['openai'] });
    expect((await ask({ authorization: 'Bearer ' }, closed)).status).toBe(401);
  });

  test('anonymous access is for who asks for it, /api/nodes included', async () => {
    await using open = await startGateway({ workers: [worker], functions: ['openai', 'nodes'] });
    expect((await ask({}, open)).status).toBe(200);
    expect((await open.fetch('/api/nodes')).status).toBe(200);
    expect((await open.fetch('/readyz')).status).toBe(200);
  });
});

describe('GATEWAY_EDGE_SECRET', () => {
  test('closes the door to requests that did not come through the edge', async () => {
    await using edged = await startGateway({
      workers: [worker],
      functions: ['openai', 'anthropic'],
      env: { GATEWAY_EDGE_SECRET: 'edge' },
    });
    const refused = await ask({}, edged);
    expectErrorIn('openai', refused);
    expect(refused.status).toBe(403);
    expect((await ask({ 'x-origin-secret': 'wrong' }, edged)).status).toBe(403);
    expect((await ask({ 'x-origin-secret': 'edge' }, edged)).status).toBe(200);
    expect(worker.requests[0]?.headers).not.toHaveProperty('x-origin-secret');
    for (const path of ['/healthz', '/readyz']) expect((await edged.fetch(path)).status).toBe(200);
  });
});
