import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { operation, operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';

/** docs/contract.md section 4. */
const model = 'test-model';
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
let worker: StandIn;
let gateway: Gateway;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
  gateway = await startGateway({ workers: [worker] });
});
afterAll(() => Promise.all([gateway?.close(), worker?.close()]));
beforeEach(() => worker.reset());

const chat = operation('chat');
const ask = (headers: Record<string, string>) =>
  gateway.fetch('/v1/chat/completions', { headers, body: chat.body(model) });

describe.each(operations.map((one) => [one.name, one] as const))('%s', (_, one) => {
  test('answers and worker carry the same new id', async () => {
    const { headers } = await gateway.fetch(pathOf(one, model), { body: one.body(model) });
    const id = String(headers['x-correlation-id']);
    expect(id).toMatch(uuid);
    expect(headers['x-request-id']).toBe(id);
    expect(headers['request-id']).toBe(one.family === 'anthropic' ? id : undefined);
    expect(worker.requests[0]?.headers).toMatchObject({ 'x-correlation-id': id, 'x-request-id': id });
  });
});

describe('whose id', () => {
  test("the client's X-Correlation-Id, before its x-request-id", async () => {
    const { headers } = await ask({ 'X-Correlation-Id': 'a.B:1_-', 'x-request-id': 'other' });
    expect([headers['x-correlation-id'], headers['x-request-id']]).toEqual(['a.B:1_-', 'a.B:1_-']);
    expect(worker.requests[0]?.headers['x-correlation-id']).toBe('a.B:1_-');
  });

  test("else the client's x-request-id", async () => {
    const { headers } = await ask({ 'x-request-id': 'mine' });
    expect([headers['x-correlation-id'], headers['x-request-id']]).toEqual(['mine', 'mine']);
  });

  test('an ill-formed X-Correlation-Id gives way to a well-formed x-request-id', async () => {
    const { headers } = await ask({ 'x-correlation-id': 'not ok', 'x-request-id': 'mine' });
    expect(headers['x-correlation-id']).toBe('mine');
  });

  test.each(['', ' ', 'a b', 'ü', 'x'.repeat(129), 'a/b', '<script>', 'a"b'])('not %j', async (id) => {
    const { headers } = await ask({ 'x-correlation-id': id });
    expect(headers['x-correlation-id']).toMatch(uuid);
  });

  test('up to 128 characters', async () => {
    const id = 'x'.repeat(128);
    expect((await ask({ 'x-correlation-id': id })).headers['x-correlation-id']).toBe(id);
  });
});

describe('every response has one', () => {
  test.each([
    ['GET', '/healthz', undefined],
    ['GET', '/readyz', undefined],
    ['GET', '/v1/models', undefined],
    ['GET', '/api/tags', undefined],
    ['GET', '/api/nodes', undefined],
    ['GET', '/nothing', undefined],
    ['DELETE', '/v1/messages', undefined],
    ['POST', '/v1/chat/completions', '{'],
    ['POST', '/v1/realtime', '{}'],
  ])('%s %s', async (method, path, body) => {
    const { headers } = await gateway.fetch(path, { method, body, headers: { 'x-request-id': 'mine' } });
    expect([headers['x-correlation-id'], headers['x-request-id']]).toEqual(['mine', 'mine']);
    expect(headers['request-id']).toBe(path === '/v1/messages' ? 'mine' : undefined);
  });
});

describe('traceparent', () => {
  test('is forwarded', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await ask({ traceparent, tracestate: 'a=1' });
    expect(worker.requests[0]?.headers).toMatchObject({ traceparent, tracestate: 'a=1' });
  });

  test('is created when absent, a new one each time', async () => {
    await ask({});
    await ask({});
    const [first, second] = worker.requests.map(({ headers }) => headers.traceparent);
    expect(first).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    expect(second).not.toBe(first);
  });
});
