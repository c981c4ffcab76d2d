import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { operation, pathOf } from '../../../support/operations.ts';
import { type StandIn, startWorker } from '../../../support/stand-in-worker.ts';
import { withHeaders } from '../../../support/worker/behaviours.ts';
import { createInProcessGateway, type Environment, keepLogs } from '../in-process-gateway.ts';

/** `GATEWAY_CORS_ORIGINS`, docs/contract.md section 8. */
keepLogs();
const model = 'test-model';
const chat = operation('chat');
const page = 'https://app.test';
let worker: StandIn;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
});
afterAll(() => worker?.close());

const gateway = (origins: string | undefined, env: Environment = {}) =>
  createInProcessGateway('openai', [worker], { GATEWAY_CORS_ORIGINS: origins, ...env });
const ask = (of: ReturnType<typeof gateway>, origin = page) =>
  of.ask(pathOf(chat, model), { body: chat.body(model), headers: { origin } });
const exposedBy = (headers: Readonly<Record<string, unknown>>) =>
  String(headers['access-control-expose-headers'] ?? '').split(/, ?/);

describe('not set', () => {
  test("no access-control header, not even the worker's own", async () => {
    worker.next(withHeaders({ 'access-control-allow-origin': '*', 'access-control-expose-headers': 'x' }));
    const { headers } = await ask(gateway(undefined));
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  test('a preflight is a method like any other: 405', async () => {
    const answer = await gateway(undefined).ask('/v1/models', {
      method: 'OPTIONS',
      headers: { origin: page, 'access-control-request-method': 'GET' },
    });
    expect(answer.status).toBe(405);
  });
});

describe('set', () => {
  test('an origin of the list is named, and the answer varies by it', async () => {
    const { headers } = await ask(gateway(`https://other.test, ${page}`));
    expect([headers['access-control-allow-origin'], headers.vary]).toEqual([page, 'Origin']);
  });

  test('the vary of the worker is kept', async () => {
    worker.next(withHeaders({ vary: 'Accept' }));
    expect((await ask(gateway(page))).headers.vary).toBe('Accept, Origin');
  });

  test('an origin that is not of the list gets nothing', async () => {
    const { status, headers } = await ask(gateway(page), 'https://evil.test');
    expect([status, headers['access-control-allow-origin']]).toEqual([200, undefined]);
  });

  test('* means any', async () => {
    expect((await ask(gateway('*'))).headers['access-control-allow-origin']).toBe('*');
  });

  test('errors can be read too', async () => {
    const closed = gateway(page, { LOCALAI_API_KEY: 'k' });
    const { status, headers } = await ask(closed);
    expect([status, headers['access-control-allow-origin']]).toEqual([401, page]);
  });

  test('the correlation id and Retry-After can be read', async () => {
    expect(exposedBy((await ask(gateway(page))).headers)).toEqual(
      expect.arrayContaining(['x-correlation-id', 'x-request-id', 'retry-after']),
    );
  });

  test('the node header can be read while it is on, and only then', async () => {
    const on = await ask(gateway(page));
    expect(on.headers['x-localai-node']).toBe('node-alpha');
    expect(exposedBy(on.headers)).toContain('x-localai-node');
    const off = await ask(gateway(page, { LOCALAI_EXPOSE_NODE_HEADER: 'false' }));
    expect(exposedBy(off.headers)).not.toContain('x-localai-node');
  });
});

describe('a preflight', () => {
  const preflight = (origin = page) =>
    gateway(page, { LOCALAI_API_KEY: 'k' }).ask(pathOf(chat, model), {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, content-type',
      },
    });

  test('needs no key, and allows what the page asks for', async () => {
    const { status, headers, text } = await preflight();
    expect([status, text]).toEqual([204, '']);
    expect(headers).toMatchObject({
      'access-control-allow-origin': page,
      'access-control-allow-headers': 'authorization, content-type',
    });
    expect(String(headers['access-control-allow-methods'])).toContain('POST');
  });

  test('of another origin is answered, and allows nothing', async () => {
    const { headers } = await preflight('https://evil.test');
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });
});
