import { describe, expect, it } from '@jest/globals';
import type { FleetWorker } from '../../../../lib/discovery/fleet.ts';
import { examine, type Prospect, unasked } from '../../../../lib/registrar/examine.ts';
import type { Ask } from '../../../../lib/upstream/ask.ts';

const target: Prospect = {
  id: 'node-1',
  name: 'chat-node-1',
  service: 'chat',
  url: 'http://10.0.0.1:8080',
  engine: undefined,
  models: undefined,
  load: undefined,
  labels: { gpu: 'l4' },
};
const models = (...ids: string[]) => JSON.stringify({ data: ids.map((id) => ({ id, owned_by: 'vllm' })) });
const localModels = (...ids: string[]) => JSON.stringify({ data: ids.map((id) => ({ id })) });

/** A worker by its answers: path -> [status, body]; anything else is 404. `undefined`: nobody there. */
const worker = (answers: Record<string, [number, string?]> | undefined) => {
  const asked: string[] = [];
  const keys = new Set<string | undefined>();
  const ask: Ask = async ({ apiKey }, path) => {
    asked.push(path);
    keys.add(apiKey);
    if (!answers) return undefined;
    const [status, body = ''] = answers[path] ?? [404];
    return { status, headers: {}, body };
  };
  return { ask, asked, keys };
};
const signal = new AbortController().signal;
const healthy: FleetWorker = {
  id: 'node-1',
  name: 'chat-node-1',
  service: 'chat',
  url: 'http://10.0.0.1:8080',
  status: 'healthy',
  engine: 'vllm',
  models: ['old'],
  lastHeartbeat: '2026-11-23T12:00:00.000Z',
};
const look = (
  answers: Parameters<typeof worker>[0],
  more: Partial<Prospect> = {},
  known?: FleetWorker,
  apiKey?: string,
) => {
  const { ask, asked, keys } = worker(answers);
  const result = examine({ ...target, ...more }, { ask, known, apiKey, signal });
  return result.then((found) => ({ found, asked, keys }));
};

describe('examine', () => {
  it('finds out engine and models of an unknown worker, with the key of its service', async () => {
    const { found, keys } = await look({ '/v1/models': [200, models('b', 'a')], '/health': [200] }, {}, undefined, 'k');
    expect(found).toMatchObject({ status: 'healthy', engine: 'vllm', models: ['a', 'b'], labels: { gpu: 'l4' } });
    expect(found.lastHeartbeat).toBeUndefined();
    expect([...keys]).toEqual(['k']);
  });

  it('asks a known healthy worker for its health and models only', async () => {
    const { found, asked } = await look({ '/v1/models': [200, models('new')], '/health': [200] }, {}, healthy);
    expect(found).toMatchObject({ engine: 'vllm', models: ['new'] });
    expect(asked).toEqual(['/health', '/v1/models', '/is_sleeping']);
  });

  it("takes the operator's word for engine and models", async () => {
    const { found, asked } = await look({ '/api/version': [200] }, { engine: 'ollama', models: ['z', 'm'] });
    expect(found).toMatchObject({ status: 'healthy', engine: 'ollama', models: ['z', 'm'] });
    expect(asked[0]).toBe('/api/version');
  });

  it.each([
    ['503 while loading', { '/health': [503] as [number] }],
    ['nobody there', undefined],
  ])('is pending before its first answer (%s), unhealthy after it had one', async (_, answers) => {
    expect((await look(answers, { engine: 'vllm' })).found.status).toBe('pending');
    const pending: FleetWorker = { ...healthy, status: 'pending' };
    expect((await look(answers, { engine: 'vllm' }, pending)).found.status).toBe('pending');
    const { found } = await look(answers, { engine: 'vllm' }, healthy);
    expect(found).toMatchObject({ status: 'unhealthy', models: ['old'], lastHeartbeat: healthy.lastHeartbeat });
  });

  it('gives a worker a second chance within a run', async () => {
    let calls = 0;
    const ask: Ask = async (_, path) => {
      calls += 1;
      return calls === 1 ? undefined : { status: 200, headers: {}, body: path === '/health' ? '' : models('m') };
    };
    const found = await examine({ ...target, engine: 'vllm' }, { ask, known: healthy, apiKey: undefined, signal });
    expect(found.status).toBe('healthy');
  });

  it('asks nothing more where nobody is', async () => {
    const { asked, found } = await look(undefined);
    expect(asked).toEqual(['/v1/models']);
    expect(found).toMatchObject({ status: 'pending', engine: undefined });
    expect((await look(undefined, { engine: 'vllm' }, healthy)).asked).toEqual(['/health', '/health']);
  });

  it('keeps the list read before when it cannot be read now; without one the worker may have any model', async () => {
    const answers: Record<string, [number, string?]> = { '/health': [200], '/v1/models': [500] };
    expect((await look(answers, { engine: 'vllm' }, healthy)).found.models).toEqual(['old']);
    expect((await look(answers, { engine: 'vllm' })).found.models).toBeUndefined();
  });

  it('takes for any OpenAI server what shows no sign and lists models, and for LocalAI what is said to be', async () => {
    expect((await look({ '/v1/models': [200, localModels('m')] })).found).toMatchObject({
      status: 'healthy',
      engine: 'openai',
      models: ['m'],
    });
    expect((await look({ '/v1/models': [200, localModels('m')], '/readyz': [200] })).found.engine).toBe('localai');
    expect((await look({ '/v1/models': [200, localModels('m')] }, { engine: 'localai' })).found.status).toBe('pending');
    expect((await look({ '/v1/models': [401], '/readyz': [503] })).found.status).toBe('pending');
  });

  it.each([
    [{ '/readyz': [404] as [number] }, 'healthy'],
    [{ '/readyz': [503] as [number] }, 'pending'],
    [undefined, 'pending'],
  ])('listed workers need not have a health path (%j: %s)', async (answers, status) => {
    const { found } = await look(answers, { engine: 'localai', listed: true });
    expect(found.status).toBe(status);
    expect(found).not.toHaveProperty('listed');
  });

  it('keeps a worker as it was known when it wants a key and none can be read', async () => {
    const { ask } = worker({ '/health': [401], '/v1/models': [401] });
    const options = { ask, apiKey: undefined, signal, known: healthy };
    const found = await examine({ ...target, engine: 'vllm' }, { ...options, isKeyless: true });
    expect(found).toEqual({ ...healthy, lastHeartbeat: undefined });
    expect((await examine({ ...target, engine: 'vllm' }, options)).status).toBe('unhealthy');
    const gone = worker(undefined).ask;
    const dead = await examine({ ...target, engine: 'vllm' }, { ...options, ask: gone, isKeyless: true });
    expect(dead.status).toBe('unhealthy');
  });

  it('does not route to a vLLM that sleeps, and marks a llama.cpp that does so by itself', async () => {
    const asleep: [number, string] = [200, '{"is_sleeping":true}'];
    const awake: [number, string] = [200, '{"is_sleeping":false}'];
    const vllm = (sleep: [number, string]) =>
      look({ '/health': [200], '/v1/models': [200, models('m')], '/is_sleeping': sleep }, { engine: 'vllm' }, healthy);
    expect((await vllm(asleep)).found).toMatchObject({ status: 'pending', isAsleep: true, models: ['m'] });
    expect((await vllm(awake)).found).toMatchObject({ status: 'healthy' });
    expect((await vllm(awake)).found).not.toHaveProperty('isAsleep');
    const llama = (sleep: [number, string], known?: FleetWorker) =>
      look({ '/health': [200], '/v1/models': [200, models('m')], '/props': sleep }, { engine: 'llamacpp' }, known);
    const { found } = await llama(asleep);
    expect(found).toMatchObject({ status: 'healthy', sleepsByItself: true });
    expect((await llama(awake, found)).found).toMatchObject({ status: 'healthy', sleepsByItself: true });
    expect((await llama(awake)).found).not.toHaveProperty('sleepsByItself');
  });

  it("adds the worker's own list to `*`, and keeps what its record says it serves", async () => {
    const answers: Record<string, [number, string?]> = { '/health': [200], '/v1/models': [200, models('m')] };
    const { found } = await look(answers, { engine: 'vllm', models: ['*'], serves: ['moderation'] });
    expect(found).toMatchObject({ models: ['*', 'm'], serves: ['moderation'] });
  });

  it('leaves a worker as it was known when time is up', async () => {
    const { ask } = worker(undefined);
    const options = { ask, apiKey: undefined, signal: AbortSignal.abort() };
    const found = await examine({ ...target, engine: 'vllm' }, { ...options, known: healthy });
    expect(found).toEqual({ ...healthy, lastHeartbeat: undefined });
    expect((await examine({ ...target, engine: 'vllm' }, { ...options, known: undefined })).status).toBe('pending');
  });
});

describe('unasked', () => {
  it('shows what is known about a worker on its way out', () => {
    expect(unasked(target, 'draining', healthy)).toMatchObject({
      status: 'draining',
      engine: 'vllm',
      models: ['old'],
      lastHeartbeat: healthy.lastHeartbeat,
    });
    expect(unasked(target, 'pending', undefined)).toMatchObject({ status: 'pending', engine: undefined });
  });
});
