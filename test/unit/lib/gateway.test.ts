import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { encodeFleet, type FleetWorker, POINTER_NAME } from '../../../lib/discovery/fleet.ts';
import type { Family } from '../../../lib/endpoints/family.ts';
import { type Aws, startAws } from '../../support/aws.ts';
import { createDeferred } from '../../support/deferred.ts';
import { eventsOf } from '../../support/frames.ts';
import { operation, pathOf } from '../../support/operations.ts';
import { type StandIn, startWorker } from '../../support/stand-in-worker.ts';
import { until } from '../../support/until.ts';
import { bigBody, cut, holdAt, modelLoading, stallAfter } from '../../support/worker/behaviours.ts';
import { createInProcessGateway, keepLogs } from './in-process-gateway.ts';
import { workerOf } from './scripted-fleet.ts';

/** The parts put together: docs/contract.md sections 1, 5, 7 and 8 as one function shows them. */
const logs = keepLogs();
const model = 'test-model';
const chat = operation('chat');
let worker: StandIn;
let other: StandIn;
let aws: Aws;
beforeAll(async () => {
  aws = await startAws();
  worker = await startWorker({ name: 'alpha', models: [model, 'Qwen/Qwen3-8B'] });
  other = await startWorker({ name: 'beta', models: [model] });
});
afterAll(() => Promise.all([worker?.close(), other?.close(), aws?.close()]));
beforeEach(() => {
  worker.reset();
  other.reset();
});

describe('a setting that is broken', () => {
  const broken = { GATEWAY_MAX_ATTEMPTS: 'three' };

  test.each([
    [
      'openai',
      '/v1/chat/completions',
      (body: unknown) => expect(body).toMatchObject({ error: { code: expect.any(String) } }),
    ],
    [
      'anthropic',
      '/v1/messages',
      (body: unknown) => expect(body).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } }),
    ],
    ['ollama', '/api/chat', (body: unknown) => expect(body).toEqual({ error: expect.any(String) })],
  ] as const)('%s: 503 + Retry-After in the dialect', async (family, path, check) => {
    const answer = await createInProcessGateway(family, [worker], broken).ask(path, { body: { model, messages: [] } });
    expect([answer.status, Number(answer.headers['retry-after']) > 0]).toEqual([503, true]);
    check(answer.json());
    expect(answer.text).not.toContain('three');
    expect(worker.requests).toHaveLength(0);
  });

  test('is named in the log, and the process lives', async () => {
    const gateway = createInProcessGateway('openai', [worker], broken);
    expect(logs.some((line) => line.includes('GATEWAY_MAX_ATTEMPTS'))).toBe(true);
    expect((await gateway.ask('/healthz')).status).toBe(200);
    expect((await gateway.ask('/readyz')).status).toBe(503);
  });

  test('an unknown GATEWAY_* variable is as broken', async () => {
    const gateway = createInProcessGateway('openai', [worker], { GATEWAY_POLCY: 'random' });
    expect((await gateway.ask('/v1/models')).status).toBe(503);
    expect(logs.some((line) => line.includes('GATEWAY_POLCY'))).toBe(true);
  });
});

test('nothing configured: 503 to whoever may ask, never an empty list', async () => {
  const gateway = createInProcessGateway('openai', undefined);
  for (const path of ['/readyz', '/v1/models']) {
    const answer = await gateway.ask(path);
    expect([path, answer.status, Number(answer.headers['retry-after']) > 0]).toEqual([path, 503, true]);
  }
  expect((await gateway.ask(pathOf(chat, model), { body: chat.body(model) })).status).toBe(503);
});

test("a preflight that did not come through the edge learns nothing of the gateway's origins", async () => {
  const env = { GATEWAY_EDGE_SECRET: 'through-the-edge', GATEWAY_CORS_ORIGINS: 'https://app.test' };
  const gateway = createInProcessGateway('openai', [worker], env);
  const preflight = { origin: 'https://app.test', 'access-control-request-method': 'POST' };
  const ask = (headers: Record<string, string>) =>
    gateway.ask('/v1/chat/completions', { method: 'OPTIONS', headers: { ...preflight, ...headers } });
  expect((await ask({})).status).toBe(403);
  expect((await ask({ 'x-origin-secret': 'through-the-edge' })).status).toBe(204);
});

describe('/readyz', () => {
  const status = async (workers: readonly StandIn[] | undefined, env: Record<string, string | undefined>) =>
    (await createInProcessGateway('openai', workers, env).ask('/readyz')).status;
  const closed = { GATEWAY_ALLOW_ANONYMOUS: undefined };
  const ssm = (prefix: string) => ({ GATEWAY_SSM_PREFIX: prefix, ...aws.env });

  test.each<[string, number, readonly string[] | undefined, Record<string, string | undefined>]>([
    ['workers and anonymous access', 200, ['w'], {}],
    ['workers and a key', 200, ['w'], { ...closed, LOCALAI_API_KEY: 'k' }],
    ['an empty fleet is a configuration', 200, [], {}],
    ['no key configured anywhere', 503, ['w'], closed],
    ['only an admin key', 503, ['w'], { ...closed, LOCALAI_ADMIN_KEY: 'k' }],
    ['no workers and no SSM', 503, undefined, {}],
  ])('%s: %i', async (_, expected, workers, env) => {
    expect(
      await status(
        workers?.map(() => worker),
        env,
      ),
    ).toBe(expected);
  });

  const writeFleet = (prefix: string, workers: readonly FleetWorker[], generation = 1) => {
    const { pointer, shards } = encodeFleet(workers, generation);
    for (const [name, value] of shards) aws.ssm.put(`${prefix}/${name}`, value);
    aws.ssm.put(`${prefix}/${POINTER_NAME}`, JSON.stringify({ ...pointer, seenAt: new Date().toISOString() }));
  };

  test('with SSM: a fleet snapshot must be there, even an empty one', async () => {
    aws.ssm.put('/ready/runtime/api-keys', 'k', 'SecureString');
    expect(await status(undefined, { ...closed, ...ssm('/ready'), LOCALAI_WORKERS: undefined })).toBe(503);
    writeFleet('/ready', []);
    expect(await status(undefined, { ...closed, ...ssm('/ready') })).toBe(200);
  });

  test('with SSM: no key anywhere is 503, and a key in SSM closes anonymous access', async () => {
    writeFleet('/keyless', []);
    expect(await status(undefined, { ...closed, ...ssm('/keyless') })).toBe(503);
    expect(await status(undefined, ssm('/keyless'))).toBe(200);
    writeFleet('/keyed', []);
    aws.ssm.put('/keyed/runtime/api-keys', 'k', 'SecureString');
    const keyed = createInProcessGateway('openai', undefined, ssm('/keyed'));
    expect((await keyed.ask('/v1/models')).status).toBe(401);
    expect((await keyed.ask('/v1/models', { headers: { 'x-api-key': 'k' } })).status).toBe(200);
  });

  test('with SSM out of reach: 503 + Retry-After in time, and /healthz still 200', async () => {
    aws.fault('ssm', { kind: 'reset' });
    try {
      const gateway = createInProcessGateway('openai', undefined, ssm('/lost'));
      const [ready, health] = await Promise.all([gateway.ask('/readyz'), gateway.ask('/healthz')]);
      expect([ready.status, health.status]).toEqual([503, 200]);
      expect(Number(ready.headers['retry-after'])).toBeGreaterThan(0);
    } finally {
      aws.fault('ssm', undefined);
    }
  });

  test('with SSM: the parameter decides about the header, over the variable', async () => {
    const fleet = [{ ...workerOf('node-alpha'), service: 's', url: worker.url, models: [model] }];
    for (const [value, variable, expected] of [
      ['true', 'false', 'node-alpha'],
      ['false', 'true', undefined],
      ['yes', 'true', undefined],
      [undefined, 'true', 'node-alpha'],
    ] as const) {
      const prefix = `/header/${value}-${variable}`;
      writeFleet(prefix, fleet);
      if (value) aws.ssm.put(`${prefix}/runtime/expose-node-header`, value);
      const env = { ...ssm(prefix), LOCALAI_EXPOSE_NODE_HEADER: variable };
      const answer = await createInProcessGateway('openai', undefined, env).ask(pathOf(chat, model), {
        body: chat.body(model),
      });
      expect([prefix, answer.status, answer.headers['x-localai-node']]).toEqual([prefix, 200, expected]);
    }
  });
});

describe('which function serves what', () => {
  test('another family: 404 that says which function serves it', async () => {
    const answer = await createInProcessGateway('openai', [worker]).ask('/v1/messages', { body: {} });
    expect([answer.status, (answer.json() as { error: { message: string } }).error.message]).toEqual([
      404,
      expect.stringContaining("'anthropic'"),
    ]);
    expect(answer.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } });
  });

  test.each([
    ['GET', '/v1/chat/completions', 'POST'],
    ['DELETE', '/v1/models', 'GET, HEAD'],
    ['OPTIONS', '/v1/models', 'GET, HEAD'],
  ])('%s %s: 405 with Allow', async (method, path, allow) => {
    const answer = await createInProcessGateway('openai', [worker]).ask(path, { method });
    expect([answer.status, answer.headers.allow]).toEqual([405, allow]);
  });

  test.each(['GET', 'POST'])('%s /v1/realtime: 501 that says why', async (method) => {
    const answer = await createInProcessGateway('openai', [worker]).ask('/v1/realtime', { method, query: 'model=x' });
    expect([answer.status, answer.headers['x-should-retry']]).toEqual([501, 'false']);
    expect(answer.text).toMatch(/WebSocket/);
  });
});

describe('who can serve a request', () => {
  const ask = (
    workers: readonly object[],
    body: object = { model, messages: [] },
    path = '/v1/chat/completions',
    family: 'openai' | 'rerank' = 'openai',
  ) => createInProcessGateway(family, [], { LOCALAI_WORKERS: JSON.stringify(workers) }).ask(path, { body });
  const setting = (more: object = {}) => ({ id: 'a', url: worker.url, ...more });

  test('nobody has the model: 404 model_not_found', async () => {
    const answer = await ask([setting({ models: ['x'] })]);
    expect([answer.status, answer.json()]).toEqual([
      404,
      { error: expect.objectContaining({ code: 'model_not_found', param: 'model' }) },
    ]);
  });

  test('the fleet is empty: 503 + Retry-After', async () => {
    const answer = await ask([]);
    expect([answer.status, Number(answer.headers['retry-after']) > 0]).toEqual([503, true]);
  });

  test('the model is there, but no engine with it serves the endpoint: 501 + x-should-retry', async () => {
    const ollama = setting({ models: [model], engine: 'ollama' });
    const answer = await ask([ollama], { model, query: 'q', documents: [] }, '/v1/rerank', 'rerank');
    expect([answer.status, answer.headers['x-should-retry']]).toEqual([501, 'false']);
  });

  test.each([[['*']], [undefined], [[`${model}:latest`]]])('a worker that lists %j may have it', async (models) => {
    worker.setModels(['*']);
    try {
      expect((await ask([setting({ models })])).status).toBe(200);
    } finally {
      worker.setModels([model, 'Qwen/Qwen3-8B']);
    }
  });

  test('no model in the request: anybody who serves the endpoint', async () => {
    expect((await ask([setting({ models: ['x'] })], { messages: [] })).status).toBe(200);
  });

  test("the worker's key goes to the worker, the client's does not", async () => {
    const env = {
      LOCALAI_API_KEY: 'client',
      LOCALAI_WORKERS: JSON.stringify([setting({ models: [model], apiKey: 'w' })]),
    };
    const gateway = createInProcessGateway('openai', [], env);
    await gateway.ask(pathOf(chat, model), { body: chat.body(model), headers: { authorization: 'Bearer client' } });
    expect(worker.requests[0]?.headers.authorization).toBe('Bearer w');
  });
});

describe('what the gateway answers itself', () => {
  const ask = (family: Family, path: string, headers = {}, method = 'GET') =>
    createInProcessGateway(family, [worker, other]).ask(path, { headers, method });

  test('GET /v1/models: the union of the fleet, each id once', async () => {
    const list = (await ask('openai', '/v1/models')).json() as { object: string; data: { id: string }[] };
    expect([list.object, list.data.map(({ id }) => id)]).toEqual(['list', ['Qwen/Qwen3-8B', model]]);
    expect(list.data[0]).toMatchObject({ object: 'model', created: expect.any(Number), owned_by: expect.any(String) });
  });

  test("in Anthropic's shape when anthropic-version is sent", async () => {
    const list = (await ask('anthropic', '/v1/models', { 'anthropic-version': '2023-06-01' })).json();
    expect(list).toMatchObject({
      data: [
        { type: 'model', id: 'Qwen/Qwen3-8B', display_name: expect.any(String), created_at: expect.any(String) },
        {},
      ],
      has_more: false,
      first_id: 'Qwen/Qwen3-8B',
      last_id: model,
    });
  });

  test.each(['Qwen/Qwen3-8B', 'Qwen%2FQwen3-8B', 'test-model:latest'])('GET /v1/models/%s', async (id) => {
    expect((await ask('openai', `/v1/models/${id}`)).json()).toMatchObject({ object: 'model' });
  });

  test('an unknown one is 404', async () => {
    expect((await ask('openai', '/v1/models/none')).status).toBe(404);
  });

  test('Ollama: tags, ps, version, root', async () => {
    expect((await ask('ollama', '/api/tags')).json()).toMatchObject({
      models: [{ name: 'Qwen/Qwen3-8B' }, { name: model }],
    });
    expect((await ask('ollama', '/api/ps')).json()).toMatchObject({ models: expect.any(Array) });
    expect((await ask('ollama', '/api/version')).json()).toEqual({ version: expect.stringMatching(/^\d+\.\d+/) });
    expect((await ask('ollama', '/')).text).toBe('Ollama is running');
    const head = await ask('ollama', '/', {}, 'HEAD');
    expect([head.status, head.text]).toEqual([200, '']);
  });

  test('GET /api/nodes: a bare array, sorted by name, whatever the header says', async () => {
    const gateway = createInProcessGateway('nodes', [other, worker], { LOCALAI_EXPOSE_NODE_HEADER: 'false' });
    const list = (await gateway.ask('/api/nodes')).json() as Record<string, unknown>[];
    expect(list.map(({ name }) => name)).toEqual(['node-alpha', 'node-beta']);
    expect(list[0]).toMatchObject({
      id: 'node-alpha',
      node_type: 'backend',
      address: new URL(worker.url).host,
      status: 'healthy',
      models: [model, 'Qwen/Qwen3-8B'],
      labels: {},
    });
    expect(list[0]).toHaveProperty('last_heartbeat');
  });

  test('GET /api/nodes needs the admin key', async () => {
    const gateway = createInProcessGateway('nodes', [worker], { LOCALAI_API_KEY: 'user', LOCALAI_ADMIN_KEY: 'root' });
    expect((await gateway.ask('/api/nodes', { headers: { 'x-api-key': 'user' } })).status).toBe(401);
    expect((await gateway.ask('/api/nodes', { headers: { 'x-api-key': 'root' } })).status).toBe(200);
  });
});

describe('one invocation after the other', () => {
  beforeAll(() => {
    jest.spyOn(console, 'error').mockImplementation(() => {});
  });

  test('a stream that breaks ends with the error, and the next one is served', async () => {
    const gateway = createInProcessGateway('openai', [worker]);
    worker.next(cut({ after: 2 }));
    const broken = await gateway.ask(pathOf(chat, model), { body: chat.body(model, true) });
    expect([broken.status, broken.capture.failure, broken.capture.fatal]).toEqual([200, undefined, undefined]);
    expect(eventsOf(broken.text).slice(-2)).toEqual([{ error: expect.any(Object) }, '[DONE]']);
    expect((await gateway.ask(pathOf(chat, model), { body: chat.body(model, true) })).text).toMatch(/\[DONE\]\n\n$/);
  });

  test('bytes that break fail the invocation, and nothing else', async () => {
    const gateway = createInProcessGateway('audio', [worker]);
    const speech = operation('speech');
    worker.next(cut({ after: 2 }));
    const broken = await gateway.ask(pathOf(speech, model), { body: speech.body(model) });
    expect([broken.status, broken.capture.failure?.errorType, broken.capture.fatal]).toEqual([
      200,
      'UpstreamError',
      undefined,
    ]);
    expect((await gateway.ask(pathOf(speech, model), { body: speech.body(model) })).capture.failure).toBeUndefined();
  });

  test('the deadline closes the upstream and ends the stream in time', async () => {
    const gateway = createInProcessGateway('openai', [worker], { GATEWAY_DEADLINE_MARGIN_MS: '500' });
    worker.next(stallAfter(2));
    const { done } = await gateway.invoke(pathOf(chat, model), { body: chat.body(model, true) }, { remainingMs: 800 });
    const request = await worker.arrival();
    await request.closed;
    const capture = await done;
    expect(eventsOf(capture.body.toString()).at(-2)).toMatchObject({ error: { code: 'timeout' } });
    expect(capture.failure).toBeUndefined();
  });

  test('a slow client slows the worker, and memory stays flat', async () => {
    const gateway = createInProcessGateway('audio', [worker]);
    const speech = operation('speech');
    worker.next(bigBody(32 * 1024 * 1024));
    const { capture, done } = await gateway.invoke(pathOf(speech, model), { body: speech.body(model) });
    capture.pause();
    const request = await worker.arrival();
    // Sent has stopped growing: kernel buffers and ours are full.
    let before = -1;
    expect(
      await until(async () => {
        const now = request.sentBytes();
        const isStill = now > 0 && now === before;
        before = now;
        await new Promise((resolve) => setTimeout(resolve, 100));
        return isStill;
      }),
    ).toBe(true);
    expect(request.sentBytes()).toBeLessThan(16 * 1024 * 1024);
    capture.resume();
    await done;
    expect(capture.body.length).toBe(32 * 1024 * 1024);
  });

  test('a 503 of a loading model names no node while the header is off', async () => {
    const off = createInProcessGateway('openai', [worker], { LOCALAI_EXPOSE_NODE_HEADER: undefined });
    worker.next(modelLoading(model, 'gpu-7'));
    const answer = await off.ask(pathOf(chat, model), { body: chat.body(model) });
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '7']);
    expect(answer.text).not.toContain('gpu-7');
    expect(answer.json()).toMatchObject({ loading: { model, progress: 0.5 }, error: { code: 'model_loading' } });
    const on = createInProcessGateway('openai', [worker]);
    worker.next(modelLoading(model, 'gpu-7'));
    expect((await on.ask(pathOf(chat, model), { body: chat.body(model) })).json()).toMatchObject({
      loading: { node: 'gpu-7' },
    });
  });

  test('chunks leave as they come', async () => {
    const release = createDeferred();
    const gateway = createInProcessGateway('ollama', [worker]);
    const generate = operation('ollama generate');
    worker.next(holdAt(2, release.promise));
    const { capture, done } = await gateway.invoke(pathOf(generate, model), { body: generate.body(model, true) });
    expect(await until(() => capture.body.toString().split('\n').length === 3)).toBe(true);
    release.resolve();
    expect(JSON.parse((await done).body.toString().trim().split('\n').at(-1) ?? '')).toMatchObject({ done: true });
  });
});
