import { afterEach, describe, expect, test } from '@jest/globals';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { operation, pathOf } from '../support/operations.ts';
import { type StandIn, type StandInOptions, startWorker } from '../support/stand-in-worker.ts';
import { reply } from '../support/worker/behaviours.ts';

/** docs/contract.md 1, 9 and 11: who a worker is, what it can do, and whether it is awake, learnt from the worker itself. */
const kept: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of kept.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});
const workerOf = async (options: StandInOptions): Promise<StandIn> => {
  const worker = await startWorker(options);
  kept.push({ [Symbol.asyncDispose]: () => worker.close() });
  return worker;
};
const gatewayOf = async (options: Parameters<typeof startGateway>[0]): Promise<Gateway> => {
  const gateway = await startGateway({ limits: { maxEnvironments: 1 }, ...options });
  kept.push(gateway);
  return gateway;
};
const ask = (gateway: Gateway, name: string, model: string) =>
  gateway.fetch(pathOf(operation(name), model), { body: operation(name).body(model) });

describe('a plain list of URLs', () => {
  test('is asked who it is: each request goes to whose engine serves it, and a list of OpenAI alone is no LocalAI', async () => {
    const models = ['m'];
    const all = await Promise.all(
      (['openai', 'vllm', 'llamacpp', 'ollama', 'localai'] as const).map((engine) =>
        workerOf({ name: engine, engine, models }),
      ),
    );
    const gateway = await gatewayOf({ env: { LOCALAI_WORKERS: all.map(({ url }) => url).join(',') } });
    const nodes = (await gateway.fetch('/api/nodes')).json() as { engine: string; models: string[] }[];
    expect(nodes.map(({ engine }) => engine)).toEqual(['openai', 'vllm', 'llamacpp', 'ollama', 'localai']);
    const served = async (name: string, turns = 6) => {
      const by = new Set<unknown>();
      for (let turn = 0; turn < turns; turn += 1) {
        const received = await ask(gateway, name, 'm');
        by.add(received.status === 200 ? received.headers['x-stand-in'] : received.status);
      }
      return [...by].sort();
    };
    for (const name of await served('count_tokens', 12)) expect(['llamacpp', 'vllm']).toContain(name);
    expect(await served('ollama chat')).not.toContain('openai');
    expect(await served('input tokens of a chat')).toEqual(['llamacpp']);
    expect(await served('translation')).not.toContain('localai');
    expect(await served('vad')).toEqual(['localai']);
    expect(await served('moderation')).toEqual(['localai']);
  });

  test('of an OpenAI server only: what it cannot be known to have is 501 that says so, what its record says it has is asked', async () => {
    const worker = await workerOf({ name: 'plain', engine: 'openai', models: ['m'] });
    const plain = await gatewayOf({ env: { LOCALAI_WORKERS: worker.url, GATEWAY_TRANSLATE: 'false' } });
    expect((await ask(plain, 'chat', 'm')).status).toBe(200);
    const messages = await ask(plain, 'messages', 'm');
    expect([messages.status, messages.headers['x-should-retry']]).toEqual([501, 'false']);
    expect(worker.requests).toHaveLength(1);
    const record = { id: 'w', url: worker.url, engine: 'openai', serves: ['messages'], models: ['m'] };
    const told = await gatewayOf({ workers: [record] });
    expect((await ask(told, 'messages', 'm')).status).toBe(200);
    expect((await ask(told, 'rerank', 'm')).status).toBe(501);
  });
});

test.each(['vllm', 'llamacpp'] as const)('%s is asked to tokenize where it has the path', async (engine) => {
  const worker = await workerOf({ name: engine, engine, models: ['m'] });
  const gateway = await gatewayOf({ workers: [{ id: 'w', url: worker.url, engine, models: ['m'] }] });
  expect((await ask(gateway, 'tokenize', 'm')).status).toBe(200);
  expect((await gateway.fetch('/v1/detokenize?x=1', { body: { model: 'm', tokens: [1] } })).status).toBe(200);
  expect(worker.requests.map(({ path }) => path)).toEqual(['/tokenize', '/detokenize?x=1']);
});

test('a vLLM that sleeps gets nothing while another is awake; alone it is 503 with a time, until it is awake', async () => {
  const asleep = await workerOf({ name: 'asleep', engine: 'vllm', models: ['m', 'only'] });
  const awake = await workerOf({ name: 'awake', engine: 'vllm', models: ['m'] });
  const setting = ({ name, url, models }: StandIn) => ({ id: `node-${name}`, url, engine: 'vllm', models: models() });
  const gateway = await gatewayOf({ workers: [setting(asleep), setting(awake)], functions: ['openai'] });
  let isSleeping = true;
  asleep.behave(({ path }) => (path === '/is_sleeping' ? reply(200, { is_sleeping: isSleeping }) : undefined));
  for (let turn = 0; turn < 8; turn += 1) {
    const received = await gateway.fetch('/v1/chat/completions', {
      body: { model: 'm', messages: [{ role: 'user', content: `conversation ${turn}` }] },
    });
    expect([received.status, received.headers['x-stand-in']]).toEqual([200, 'awake']);
  }
  const alone = await ask(gateway, 'chat', 'only');
  expect([alone.status, Number(alone.headers['retry-after']) > 0]).toEqual([503, true]);
  expect(asleep.requests).toEqual([]);
  isSleeping = false;
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect((await ask(gateway, 'chat', 'only')).status).toBe(200);
});

test('a llama.cpp that sleeps by itself is not asked for its load', async () => {
  const twins = await Promise.all(['one', 'two'].map((name) => workerOf({ name, engine: 'llamacpp', models: ['m'] })));
  const gateway = await gatewayOf({
    workers: twins.map(({ name, url }) => ({ id: `node-${name}`, url, engine: 'llamacpp', models: ['m'] })),
    functions: ['openai'],
  });
  for (const twin of twins) {
    twin.behave(({ path }) => (path === '/props' ? reply(200, { is_sleeping: true }) : undefined));
  }
  for (let turn = 0; turn < 4; turn += 1) expect((await ask(gateway, 'chat', 'm')).status).toBe(200);
  const asked = twins.flatMap(({ probes }) => probes.map(({ path }) => path));
  expect(asked.length).toBeGreaterThan(0);
  expect(new Set(asked)).toEqual(new Set(['/props']));
});

test('/v1/models tells what workers say of a model: its window above all', async () => {
  const worker = await workerOf({ name: 'v', engine: 'vllm', models: ['m'] });
  const model = { id: 'm', object: 'model', created: 1_700_000_000, owned_by: 'vllm', max_model_len: 32_768 };
  worker.behave(({ path }) => (path === '/v1/models' ? reply(200, { object: 'list', data: [model] }) : undefined));
  const gateway = await gatewayOf({ env: { LOCALAI_WORKERS: worker.url }, functions: ['openai'] });
  expect((await gateway.fetch('/v1/models')).json()).toEqual({ object: 'list', data: [model] });
  expect(
    (await gateway.fetch('/v1/models/m', { headers: { 'anthropic-version': '2023-06-01' } })).json(),
  ).toMatchObject({
    id: 'm',
    created_at: '2023-11-14T22:13:20Z',
  });
});

test('without a model the request goes to who has one of its own; nobody has: 400', async () => {
  const [ollama, localai] = [
    await workerOf({ name: 'ollama', engine: 'ollama', models: ['a'] }),
    await workerOf({ name: 'localai', engine: 'localai', models: ['b'] }),
  ];
  const of = (...workers: StandIn[]) =>
    gatewayOf({
      workers: workers.map(({ name, url, engine }) => ({ id: name, url, engine, models: [name] })),
      functions: ['openai'],
    });
  const body = { messages: [{ role: 'user', content: 'Hello' }] };
  const both = await of(ollama, localai);
  for (let turn = 0; turn < 4; turn += 1) {
    expect((await both.fetch('/v1/chat/completions', { body })).headers['x-stand-in']).toBe('localai');
  }
  const refused = await (await of(ollama)).fetch('/v1/chat/completions', { body });
  expect([refused.status, refused.json()]).toMatchObject([400, { error: { param: 'model' } }]);
  expect(ollama.requests).toEqual([]);
});
