import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Ollama } from 'ollama';
import { INFERENCE } from '../../lib/endpoints/family.ts';
import { ecsTask, type TaskOptions } from '../support/aws/container-service.ts';
import { type Aws, startAws } from '../support/aws.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { fetchAll, type SendOptions } from '../support/http.ts';
import { operation } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { reply, stallAfter } from '../support/worker/behaviours.ts';

/** docs/contract.md 1 and 9: what the gateway itself says of models and workers, over a fleet and aliases from SSM. */
const prefix = '/localai-gateway/test';
const cluster = 'gpu';
let aws: Aws;
let workers: Record<'local' | 'ollama' | 'vllm' | 'pending' | 'unhealthy' | 'draining', StandIn>;
let gateway: Gateway;

const put = (name: string, value: object) => aws.ssm.put(`${prefix}/${name}`, JSON.stringify(value));
const staticWorker = ({ name, url }: StandIn, more: object = {}) => ({ id: `node-${name}`, url, ...more });
const taskOf = ({ name, url }: StandIn, more: Partial<TaskOptions> = {}) =>
  ecsTask({ cluster, service: name, address: new URL(url).hostname, ...more });

beforeAll(async () => {
  aws = await startAws();
  workers = {
    local: await startWorker({ name: 'local', models: ['small', 'Qwen/Qwen3-8B'] }),
    ollama: await startWorker({ name: 'ollama', engine: 'ollama', models: ['shared', 'big'] }),
    vllm: await startWorker({ name: 'vllm', engine: 'vllm', models: ['shared', 'Qwen/Qwen3-8B', 'plain'] }),
    pending: await startWorker({ name: 'pending', host: '127.0.0.21', engine: 'vllm', models: ['later'] }),
    unhealthy: await startWorker({ name: 'unhealthy', host: '127.0.0.22', engine: 'vllm', models: ['ill'] }),
    draining: await startWorker({ name: 'draining', host: '127.0.0.23', engine: 'vllm', models: ['leaving'] }),
  };
  const { local, ollama, vllm, pending, unhealthy, draining } = workers;
  pending.report({ healthy: false });
  put('services/fixed', {
    workers: [
      staticWorker(local, { engine: 'localai', models: local.models(), labels: { zone: 'a' } }),
      staticWorker(ollama, { engine: 'ollama' }),
      staticWorker(vllm, { engine: 'vllm' }),
    ],
  });
  const states: Readonly<Record<string, Partial<TaskOptions>>> = {
    pending: {},
    unhealthy: { healthStatus: 'UNHEALTHY' },
    draining: { desiredStatus: 'STOPPED' },
  };
  for (const worker of [pending, unhealthy, draining]) {
    put(`services/${worker.name}`, {
      cluster,
      service: worker.name,
      port: worker.port,
      engine: 'vllm',
      models: worker.models(),
    });
    aws.ecs.setTasks(cluster, worker.name, [taskOf(worker, states[worker.name])]);
  }
  put('runtime/aliases', { 'gpt-4o': 'shared', 'team/fast': 'Qwen/Qwen3-8B', 'gone-model': 'nobody-has-it' });
  gateway = await startGateway({
    env: { ...aws.env, GATEWAY_SSM_PREFIX: prefix, GATEWAY_CONFIG_TTL_SECONDS: '60' },
    limits: { maxEnvironments: 2 },
  });
  const schedule = { 'detail-type': 'Scheduled Event', source: 'aws.events' };
  expect(await gateway.invoke('registrar', schedule)).toMatchObject({ workers: 6, healthy: 3 });
});
afterAll(async () => {
  await gateway?.close();
  await Promise.all([...Object.values(workers ?? {}), ...(aws ? [aws] : [])].map((one) => one.close()));
});
beforeEach(() => {
  for (const worker of Object.values(workers)) worker.reset();
});

const get = (path: string, headers: Record<string, string> = {}) => gateway.fetch(path, { headers });
/** Of healthy workers only; `shared` is `shared:latest` on the Ollama one. */
const listed = ['Qwen/Qwen3-8B', 'big:latest', 'gpt-4o', 'plain', 'shared', 'small', 'team/fast'];
const reached = () => Object.values(workers).flatMap(({ requests }) => requests);

describe('GET /v1/models', () => {
  test.each(INFERENCE)('the same on the function %s, in both shapes, and it asks no worker', async (family) => {
    const ask = (path: string, options: SendOptions = {}) => fetchAll(gateway.urlOf(family) + path, options);
    const received = await ask('/v1/models');
    expect(received.headers['x-localai-node']).toBeUndefined();
    const { object, data } = received.json() as { object: string; data: { id: string }[] };
    expect([object, data.map(({ id }) => id)]).toEqual(['list', listed]);
    const anthropic = await ask('/v1/models?limit=100', { headers: { 'anthropic-version': '2023-06-01' } });
    expect(anthropic.json()).toEqual({
      data: listed.map((id) => ({ type: 'model', id, display_name: id, created_at: expect.stringMatching(/Z$/) })),
      has_more: false,
      first_id: listed[0],
      last_id: listed.at(-1),
    });
    expect((await ask('/v1/models/Qwen%2FQwen3-8B')).json()).toMatchObject({ id: 'Qwen/Qwen3-8B', object: 'model' });
    expect(reached()).toEqual([]);
  });

  test("every entry has OpenAI's four fields", async () => {
    const { data } = (await get('/models')).json() as { data: unknown[] };
    for (const entry of data) {
      expect(entry).toMatchObject({ object: 'model', created: expect.any(Number), owned_by: expect.any(String) });
    }
  });

  test.each([
    ['Qwen/Qwen3-8B', 'Qwen/Qwen3-8B'],
    ['Qwen%2FQwen3-8B', 'Qwen/Qwen3-8B'],
    ['Qwen%2fQwen3-8B/', 'Qwen/Qwen3-8B'],
    ['team/fast', 'team/fast'],
    ['shared%3Alatest', 'shared'],
    ['big', 'big:latest'],
    ['gpt-4o', 'gpt-4o'],
  ])('/v1/models/%s is %s', async (inPath, id) => {
    expect((await get(`/v1/models/${inPath}`)).json()).toMatchObject({ id, object: 'model' });
    const headers = { 'anthropic-version': '2023-06-01' };
    expect((await get(`/v1/models/${inPath}`, headers)).json()).toMatchObject({ id, type: 'model' });
  });

  test.each(['nothing', 'gone-model', 'later', 'Qwen', 'qwen/qwen3-8b'])('/v1/models/%s is nobody', async (id) => {
    const received = await get(`/v1/models/${id}`);
    expect([received.status, received.json()]).toMatchObject([404, { error: { code: 'model_not_found' } }]);
    const anthropic = await get(`/v1/models/${id}`, { 'anthropic-version': '2023-06-01' });
    expect([anthropic.status, anthropic.json()]).toMatchObject([
      404,
      { type: 'error', error: { type: 'not_found_error', message: `model: ${id}` } },
    ]);
  });
});

describe('an alias', () => {
  test('is what the worker is not asked for: it gets the model', async () => {
    const received = await gateway.fetch('/v1/chat/completions', { body: operation('chat').body('team/fast') });
    expect(received.status).toBe(200);
    expect(reached().map(({ fields }) => fields.model)).toEqual(['Qwen/Qwen3-8B']);
    expect(['node-local', 'node-vllm']).toContain(received.headers['x-localai-node']);
  });

  test('of a model nobody has is a model nobody has', async () => {
    const received = await gateway.fetch('/v1/chat/completions', { body: operation('chat').body('gone-model') });
    expect([received.status, received.json()]).toMatchObject([404, { error: { code: 'model_not_found' } }]);
    expect(reached()).toEqual([]);
  });
});

describe("Ollama's lists", () => {
  const client = () => new Ollama({ host: gateway.origin });

  test('/api/tags: what its clients read of every entry', async () => {
    const { models } = await client().list();
    // What runs on vLLM alone is asked for in chat completions.
    expect(models.map(({ name }) => name)).toEqual(listed);
    for (const model of models) {
      expect(model).toMatchObject({
        model: model.name,
        size: expect.any(Number),
        details: { families: expect.any(Array) },
      });
      expect(model.digest).toMatch(/^[0-9a-f]{64}$/);
      expect(new Date(model.modified_at).getTime()).not.toBeNaN();
    }
    // An alias has its model's.
    const own = models.filter(({ name }) => !['gpt-4o', 'team/fast'].includes(name));
    expect(new Set(own.map(({ digest }) => digest)).size).toBe(own.length);
  });

  test('/api/tags: sizes, details and capabilities as the workers that list them say', async () => {
    const { models } = await client().list();
    expect(models.find(({ name }) => name === 'big:latest')).toMatchObject({
      size: 1_000_000,
      digest: createHash('sha256').update('big:latest').digest('hex'),
      modified_at: expect.stringContaining('2026-01-02'),
      details: { format: 'gguf', family: 'llama', parameter_size: '1B', quantization_level: 'Q4_0' },
      capabilities: ['completion'],
    });
  });

  test('/api/ps: what workers have in memory now, without the aliases', async () => {
    const { models } = await client().ps();
    // vLLM has all of its models in memory, and says no sizes.
    expect(models.map(({ name }) => name)).toEqual(['Qwen/Qwen3-8B', 'plain', 'shared', 'small']);
    for (const model of models) {
      const size_vram = ['shared', 'small'].includes(model.name) ? 1_000_000 : 0;
      expect(model).toMatchObject({ model: model.name, size_vram });
    }
    expect(reached()).toEqual([]);
  });

  test("/api/version: the word of the fleet's Ollama", async () => {
    expect((await get('/api/version')).json()).toEqual({ version: '0.12.6' });
  });

  test.each(['/api/pull', '/api/push', '/api/create', '/api/copy', '/api/delete', '/api/blobs/sha256:0'])(
    '%s: models are managed on the workers, 501',
    async (path) => {
      const received = await gateway.fetch(path, { body: { model: 'small' } });
      expect([received.status, received.headers['x-should-retry']]).toEqual([501, 'false']);
      expect(received.text).toContain('managed on the workers');
      expect(reached()).toEqual([]);
    },
  );

  test('HEAD /api/hello is 200 for anybody, on the anthropic function too', async () => {
    for (const url of [gateway.urlOf('anthropic'), gateway.urlOf('ollama'), gateway.origin]) {
      expect((await fetchAll(`${url}/api/hello`, { method: 'HEAD' })).status).toBe(200);
    }
  });

  test('GET /api/models/{id}/load-status: 404 while nothing loads', async () => {
    const received = await get('/api/models/Qwen/Qwen3-8B/load-status');
    expect([received.status, received.json()]).toMatchObject([404, { error: { code: 'not_found' } }]);
  });
});

describe('/api/show', () => {
  const show = (body: object) => gateway.fetch('/api/show', { body });

  test.each([
    [{ model: 'big' }, 'ollama', 'big'],
    [{ name: 'big:latest', verbose: true }, 'ollama', 'big:latest'],
    [{ model: 'gpt-4o' }, 'ollama', 'shared'],
    [{ model: 'small' }, 'local', 'small'],
  ] as const)('%j: the word of a worker that has such a thing, with its name', async (body, name, asked) => {
    const received = await show(body);
    expect(received.status).toBe(200);
    expect(received.headers['x-localai-node']).toBe(`node-${name}`);
    expect(received.json()).toMatchObject({ capabilities: ['completion', 'tools'], template: '{{ .Prompt }}' });
    expect(reached()).toHaveLength(1);
    expect(Object.values(reached()[0]?.fields ?? {})).toContain(asked);
  });

  const synthesised = (id: string) => ({
    modelfile: `FROM ${id}\n`,
    template: '',
    details: expect.objectContaining({ families: [] }),
    model_info: { 'general.basename': id },
    capabilities: ['completion'],
  });

  test('of a model on engines without it: the gateway answers, and names nobody', async () => {
    const received = await show({ model: 'plain' });
    expect([received.status, received.json()]).toMatchObject([200, synthesised('plain')]);
    expect(received.headers['x-localai-node']).toBeUndefined();
    expect(reached()).toEqual([]);
  });

  test.each([
    ['has no such path', reply(404, { error: 'not found' })],
    ['fails', reply(500, 'oops')],
    ['is busy', reply(503, { error: 'later' })],
    ['keeps silent', stallAfter(-1)],
  ] as const)('where the worker %s: likewise', async (_, behaviour) => {
    workers.local.behave(behaviour);
    const began = performance.now();
    const received = await show({ model: 'small' });
    expect([received.status, received.json()]).toMatchObject([200, synthesised('small')]);
    expect(received.headers['x-localai-node']).toBeUndefined();
    expect(reached()).toHaveLength(1);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  test.each(['nothing', 'gone-model', 'later'])('of %s, which nobody has now', async (model) => {
    const received = await show({ model });
    expect([received.status, received.json()]).toEqual([404, { error: expect.stringContaining(model) }]);
    expect(received.headers['x-localai-node']).toBeUndefined();
  });

  test.each([[{}], [{ model: '' }], [{ model: 7 }], [{ name: null }]])('%j names no model: 400', async (body) => {
    const received = await show(body);
    expect([received.status, received.json()]).toEqual([400, { error: expect.any(String) }]);
  });
});

describe('a worker that may have any model', () => {
  test.each(['localai', 'vllm'] as const)('%s: any name is a model, and none is listed', async (engine) => {
    await using worker = await startWorker({ name: 'any', engine, models: ['*'] });
    const setting = { ...staticWorker(worker, { engine, models: ['*'] }), id: 'node-any', url: worker.url };
    await using its = await startGateway({ workers: [setting], functions: ['openai', 'ollama'] });
    expect((await its.fetch('/v1/models')).json()).toMatchObject({ data: [] });
    expect((await its.fetch('/v1/models/some/thing')).json()).toMatchObject({ id: 'some/thing' });
    const shown = await its.fetch('/api/show', { body: { model: 'some/thing' } });
    expect([shown.status, shown.headers['x-localai-node']]).toEqual([
      200,
      engine === 'localai' ? 'node-any' : undefined,
    ]);
    worker.behave(reply(404, { error: 'no such model' }));
    const unknown = await its.fetch('/api/show', { body: { model: 'some/thing' } });
    expect(unknown.status).toBe(engine === 'localai' ? 404 : 200);
  });
});

describe('GET /api/nodes', () => {
  test("a bare array, sorted by name, with LocalAI's field names and every status", async () => {
    const received = await get('/api/nodes');
    const nodes = received.json() as Record<string, unknown>[];
    const names = nodes.map(({ name }) => String(name));
    expect(names).toEqual([...names].sort());
    const byHost = new Map(nodes.map((node) => [node.address, node]));
    const nodeOf = ({ url }: StandIn) => byHost.get(new URL(url).host);
    const { local, ollama, vllm, pending, unhealthy, draining } = workers;
    expect(nodes).toHaveLength(6);
    for (const node of nodes) {
      expect(node).toMatchObject({
        id: expect.stringMatching(/./),
        name: expect.stringMatching(/./),
        node_type: 'backend',
        http_address: node.address,
        labels: expect.any(Object),
      });
      expect(node.model_count).toBe((node.models as unknown[] | null)?.length ?? 0);
    }
    const rfc3339 = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    expect(nodeOf(local)).toMatchObject({
      id: 'node-local',
      status: 'healthy',
      models: ['small', 'Qwen/Qwen3-8B'],
      labels: { zone: 'a' },
      last_heartbeat: rfc3339,
    });
    expect(nodeOf(ollama)).toMatchObject({ engine: 'ollama', models: ['big:latest', 'shared:latest'] });
    expect(nodeOf(vllm)).toMatchObject({ engine: 'vllm', status: 'healthy' });
    expect([pending, unhealthy, draining].map((worker) => nodeOf(worker)?.status)).toEqual([
      'pending',
      'unhealthy',
      'draining',
    ]);
  });
});
