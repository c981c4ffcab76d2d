import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { door, settingOf, startGateway } from '../support/gateway.ts';
import { operation } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';

/** docs/contract.md section 8, deployed: a wrong setting is a 503 in the dialect and a log line that names it. */
const model = 'test-model';
let worker: StandIn;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
});
afterAll(() => worker?.close());

const limits = { maxEnvironments: 1 };
const wrong: [string, string][] = [
  ['GATEWAY_NO_SUCH_THING', '1'],
  ['GATEWAY_POLICY', 'fastest'],
  ['GATEWAY_MAX_ATTEMPTS', 'three'],
  ['GATEWAY_MAX_ATTEMPTS', '0'],
  ['GATEWAY_CONFIG_TTL_SECONDS', '-1'],
  ['GATEWAY_CONNECT_TIMEOUT_MS', '1s'],
  ['GATEWAY_KEEPALIVE_SECONDS', 'NaN'],
  ['GATEWAY_MAX_BODY_BYTES', '1e99'],
  ['LOCALAI_EXPOSE_NODE_HEADER', 'maybe'],
  ['LOCALAI_WORKERS', '[{"id":"a"}]'],
  ['LOCALAI_WORKERS', '[{'],
  ['LOCALAI_WORKERS', 'ftp://127.0.0.1'],
  ['LOCALAI_WORKERS', '[{"id":"a","url":"http://127.0.0.1:1"},{"id":"a","url":"http://127.0.0.1:2"}]'],
];

describe.each(wrong)('%s=%s', (name, value) => {
  test('is 503 on every family, and the log names it', async () => {
    const functions = ['openai', 'anthropic', 'ollama'];
    const hosts = door === 'container' ? ['container'] : functions;
    await using gateway = await startGateway({ workers: [worker], env: { [name]: value }, functions, limits });
    for (const one of ['chat', 'messages', 'ollama chat'].map(operation)) {
      const received = await gateway.fetch(one.paths[0] ?? '', { body: one.body(model) });
      const message = expectErrorIn(one.dialect, received);
      expect(received.status).toBe(503);
      expect(Number(received.headers['retry-after'])).toBeGreaterThan(0);
      expect(message).not.toContain(name);
      expect(received.headers['x-correlation-id']).toBe(received.headers['x-request-id']);
    }
    expect((await gateway.fetch('/readyz')).status).toBe(503);
    expect((await gateway.fetch('/healthz')).status).toBe(200);
    for (const family of hosts) {
      expect(gateway.logs.filter((line) => line.startsWith(`${family}:`)).join('\n')).toContain(name);
    }
    expect(
      gateway
        .environments()
        .map(({ functionName }) => functionName)
        .sort(),
    ).toEqual([...hosts].sort());
  });
});

describe('LOCALAI_WORKERS', () => {
  test('as a list of URLs: ids worker-1, worker-2', async () => {
    const env = { LOCALAI_WORKERS: ` ${worker.url}/ , ${worker.url}` };
    await using gateway = await startGateway({ env, functions: ['openai', 'nodes'] });
    const nodes = (await gateway.fetch('/api/nodes')).json() as { id: string }[];
    expect(nodes.map(({ id }) => id)).toEqual(['worker-1', 'worker-2']);
    const received = await gateway.fetch('/v1/chat/completions', { body: operation('chat').body(model) });
    expect(received.headers['x-localai-node']).toMatch(/^worker-[12]$/);
  });

  test('a worker whose list cannot be read may have any model', async () => {
    const silent = await startWorker({ name: 'beta', models: ['*'] });
    silent.behave((request) => (request.path === '/v1/models' ? { change: () => broken } : undefined));
    await using gateway = await startGateway({
      workers: [settingOf(silent, { models: undefined })],
      functions: ['openai'],
    });
    expect((await gateway.fetch('/v1/chat/completions', { body: operation('chat').body('any') })).status).toBe(200);
    await silent.close();
  });

  test('a worker that lists * may have any model', async () => {
    const setting = { id: 'node-alpha', url: worker.url, models: ['*'] };
    await using gateway = await startGateway({ workers: [setting], functions: ['openai'] });
    expect((await gateway.fetch('/v1/chat/completions', { body: operation('chat').body(model) })).status).toBe(200);
  });
});

const broken = { status: 500, headers: {}, parts: [Buffer.from('no')], terminal: 1, streamed: false };
