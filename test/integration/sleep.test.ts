import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ecsTask } from '../support/aws/container-service.ts';
import { type Aws, startAws } from '../support/aws.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { operation } from '../support/operations.ts';
import { type SleepingService, scheduleRegistrar, startSleepingService } from '../support/sleeping-service.ts';
import { type StandIn, type StandInOptions, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';

/** docs/contract.md 11, through the built functions: a service that sleeps, and requests that want it. */
const prefix = '/localai-gateway/test';
const model = 'sleepy-model';
const schedule = { 'detail-type': 'Scheduled Event' };

let aws: Aws;
let port: number;
const open: AsyncDisposable[] = [];
const closing = (close: () => void): AsyncDisposable => ({ [Symbol.asyncDispose]: async () => close() });
beforeEach(async () => {
  aws = await startAws();
  open.push(aws);
  // The port that all tasks of a service have is taken once, so that nobody else comes by it.
  const first = await startWorker({ name: 'port', host: '127.0.0.200' });
  port = first.port;
  open.push(first);
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

const put = (name: string, value: object | string) =>
  aws.ssm.put(`${prefix}/${name}`, typeof value === 'string' ? value : JSON.stringify(value));
const describeService = (more: object = {}) =>
  put('services/chat', {
    cluster: 'gpu',
    service: 'chat',
    port,
    engine: 'vllm',
    serves: ['ollama_chat'],
    models: [model],
    scale: { min: 0, max: 1, idleMinutes: 0.05 },
    ...more,
  });
const startGatewayWith = async (env: Readonly<Record<string, string>> = {}, functions = ['openai', 'nodes']) => {
  const gateway = await startGateway({
    functions: [...functions, 'registrar'],
    env: { ...aws.env, GATEWAY_SSM_PREFIX: prefix, GATEWAY_CONFIG_TTL_SECONDS: '1', ...env },
  });
  open.push(gateway);
  return gateway;
};
const workers: StandIn[] = [];
const service = (options: Partial<StandInOptions> = {}, launchMs = 300): SleepingService => {
  workers.length = 0;
  const launch = async (task: number) => {
    const worker = await startWorker({
      name: `task-${task}`,
      host: `127.0.0.${30 + task}`,
      port,
      engine: 'vllm',
      models: [model],
      ...options,
    });
    workers.push(worker);
    return { url: worker.url, stop: () => worker.close() };
  };
  const sleeping = startSleepingService({ aws, cluster: 'gpu', service: 'chat', launch, launchMs });
  open.push(sleeping);
  return sleeping;
};
const chat = operation('chat');
const ask = (gateway: Gateway, more: object = {}) =>
  gateway.fetch('/v1/chat/completions', { body: { ...(chat.body(model) as object), ...more } });
const nodes = async (gateway: Gateway) => (await gateway.fetch('/api/nodes')).json() as { id: string; name: string }[];
const services = async (gateway: Gateway) => (await gateway.fetch('/api/services')).json() as Record<string, unknown>[];
const wakes = () => aws.ssm.writes.filter(({ name }) => name.includes('/runtime/wake/'));
const ups = () => aws.ecs.updates.filter(({ desired }) => desired > 0);

describe('a service that sleeps', () => {
  test('is woken once by all who want it, answers them, and sleeps again', async () => {
    describeService();
    service();
    const gateway = await startGatewayWith({ GATEWAY_KEEPALIVE_SECONDS: '0.4' }, [
      'openai',
      'anthropic',
      'ollama',
      'nodes',
    ]);
    await gateway.invoke('registrar', schedule);
    expect((await gateway.fetch('/readyz')).status).toBe(200);
    const listed = (await gateway.fetch('/v1/models')).json() as { data: { id: string }[] };
    expect(listed.data.map(({ id }) => id)).toEqual([model]);
    const tags = (await gateway.fetch('/api/tags')).json() as { models: { name: string }[] };
    expect(tags.models.map(({ name }) => name)).toEqual([model]);
    expect((await gateway.fetch(`/api/models/${model}/load-status`)).status).toBe(404);
    expect(wakes()).toEqual([]);
    open.push(closing(scheduleRegistrar(aws, gateway, 1_000)));

    const message = { role: 'user', content: 'hello' };
    const [buffered, stream, messages, lines] = await Promise.all([
      ask(gateway),
      ask(gateway, { stream: true }),
      gateway.fetch('/v1/messages', { body: { model, max_tokens: 9, messages: [message], stream: true } }),
      gateway.fetch('/api/chat', { body: { model, messages: [message] } }),
    ]);
    expect([buffered, stream, messages, lines].map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(ups()).toHaveLength(1);
    expect(wakes().length).toBeLessThanOrEqual(3);
    const [node] = await nodes(gateway);
    // Whose head could wait names the worker; whose could not has a comment that does.
    expect(buffered.headers['x-localai-node']).toBe(node?.id);
    expect(lines.headers['x-localai-node']).toBe(node?.id);
    for (const { headers, text } of [stream, messages]) {
      expect(headers['x-localai-node']).toBeUndefined();
      const said = text.split(`: x-localai-node ${node?.id}\n`);
      expect(said).toHaveLength(2);
      expect(said[0]).toMatch(/^(?:: keep-alive\n|event: ping\ndata: .*\n\n)+$/);
      expect(said[1]).toMatch(/task-1/);
    }
    expect(stream.text).toMatch(/data: \[DONE\]\n\n$/);
    expect(messages.text).toContain('event: message_stop');
    expect(await services(gateway)).toMatchObject([
      {
        name: 'chat',
        state: 'awake',
        desired: 1,
        running: 1,
        healthy: 1,
        models: [model],
        engine: 'vllm',
        min: 0,
        max: 1,
      },
    ]);
    expect((await services(gateway))[0]).toMatchObject({
      idle_minutes: 0.05,
      wake_seconds: { last: expect.any(Number), typical: expect.any(Number) },
    });

    const isAsleep = async () => (await services(gateway))[0]?.state === 'asleep';
    expect(await until(isAsleep, 30_000)).toBe(true);
    expect(aws.ecs.updates.map(({ desired }) => desired)).toEqual([1, 0]);
    const again = await ask(gateway, { stream: true });
    expect(again.status).toBe(200);
    expect(again.text).toContain('task-2');
  }, 90_000);

  test('that is not awake in time is told of in the dialect, and nothing else wakes it', async () => {
    describeService();
    service({}, 1e9);
    const gateway = await startGatewayWith(
      { GATEWAY_WAKE_WAIT_SECONDS: '1', GATEWAY_WAKE_HOLD_SECONDS: '2', GATEWAY_KEEPALIVE_SECONDS: '0.5' },
      ['openai', 'anthropic', 'ollama', 'nodes'],
    );
    await gateway.invoke('registrar', schedule);
    const noModel = await gateway.fetch('/v1/chat/completions', { body: { messages: [] } });
    expect(noModel.status).toBe(503);
    expect((await ask(gateway, { model: 'unknown' })).status).toBe(404);
    expect((await gateway.fetch('/v1/rerank', { body: { model, query: 'q', documents: ['d'] } })).status).toBe(404);
    expect((await gateway.fetch('/api/show', { body: { model } })).status).toBe(200);
    expect(wakes()).toEqual([]);

    const buffered = await ask(gateway);
    expect(buffered.status).toBe(503);
    expect(buffered.headers['retry-after']).toBe('30');
    expect(buffered.headers['x-localai-node']).toBeUndefined();
    expect(buffered.json()).toEqual({
      error: { message: expect.stringContaining('loaded'), type: 'model_loading', code: 'model_loading', param: null },
      loading: { model, state: 'pending' },
    });
    expect(wakes()).toHaveLength(1);
    const status = await gateway.fetch(`/api/models/${model}/load-status`);
    expect([status.status, status.json()]).toEqual([200, { model, state: 'pending' }]);

    const message = { role: 'user', content: 'hello' };
    const stream = await ask(gateway, { stream: true });
    expect(stream.status).toBe(200);
    expect(stream.text).toMatch(
      /^(?:: keep-alive\n)+data: \{"error":\{.*"code":"model_loading".*\n\ndata: \[DONE\]\n\n$/,
    );
    const messages = await gateway.fetch('/v1/messages', { body: { model, max_tokens: 9, messages: [message] } });
    expect(messages.status).toBe(503);
    expect(messages.json()).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } });
    const lines = await gateway.fetch('/api/chat', { body: { model, messages: [message] } });
    expect([lines.status, lines.headers['retry-after']]).toEqual([503, '30']);
    expect(Object.keys(lines.json() as object)).toEqual(['error']);
    // One wish of less than 30 s is enough.
    expect(wakes()).toHaveLength(1);
  }, 60_000);

  test('that cannot wake is waited for by nobody; the endpoint wakes it all the same', async () => {
    describeService({ scale: { min: 0, wakeMinutes: 0.05 } });
    service({}, 1e9);
    const gateway = await startGatewayWith();
    await gateway.invoke('registrar', schedule);
    open.push(closing(scheduleRegistrar(aws, gateway, 1_000)));
    const first = ask(gateway, { stream: true });
    expect(await until(async () => (await services(gateway))[0]?.state === 'failed', 20_000)).toBe(true);
    expect((await first).text).toContain('cannot be loaded');
    const startedAt = Date.now();
    const refused = await ask(gateway);
    expect(Date.now() - startedAt).toBeLessThan(1_000);
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '300']);
    expect(refused.text).not.toMatch(/healthy|task/);
    expect((await services(gateway))[0]).toMatchObject({ state: 'failed', desired: 0, reason: expect.any(String) });

    const before = wakes().length;
    const woken = await gateway.fetch('/api/services/chat/wake', { method: 'POST' });
    expect([woken.status, woken.json()]).toMatchObject([202, { name: 'chat' }]);
    expect(wakes()).toHaveLength(before + 1);
    expect(await until(() => ups().length === 2, 10_000)).toBe(true);
    put('services/plain', { cluster: 'gpu', service: 'plain', port });
    expect((await gateway.fetch('/api/services/plain/wake', { method: 'POST' })).status).toBe(409);
    expect((await gateway.fetch('/api/services/nobody/wake', { method: 'POST' })).status).toBe(404);
  }, 60_000);

  test('comes before workers that merely may have the model, and is woken by a try that finds it gone', async () => {
    describeService();
    const any = await startWorker({ name: 'any', models: ['*'] });
    open.push(any);
    put('services/any', { workers: [{ id: 'any', url: any.url, models: ['*'] }] });
    const sleeping = service();
    const gateway = await startGatewayWith({ GATEWAY_CONFIG_TTL_SECONDS: '60' });
    await gateway.invoke('registrar', schedule);
    // Listed as healthy to an environment that has just read the fleet, and gone since.
    const gone = ecsTask({ cluster: 'gpu', service: 'chat', address: '127.0.0.77', id: 'a'.repeat(32) });
    const old = await startWorker({ name: 'old', host: '127.0.0.77', port, engine: 'vllm', models: [model] });
    aws.ecs.setDesired('gpu', 'chat', 1);
    aws.ecs.setTasks('gpu', 'chat', [gone]);
    await gateway.invoke('registrar', schedule);
    expect((await ask(gateway)).text).toContain('old');
    await old.close();
    aws.ecs.setDesired('gpu', 'chat', 0);
    aws.ecs.setTasks('gpu', 'chat', []);
    await gateway.invoke('registrar', schedule);
    open.push(closing(scheduleRegistrar(aws, gateway, 1_000)));
    const answer = await ask(gateway);
    expect([answer.status, answer.text]).toEqual([200, expect.stringContaining('task-1')]);
    expect(sleeping.started()).toBe(1);
    expect(any.requests).toEqual([]);
  }, 60_000);
});
