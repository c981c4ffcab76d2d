import { ECSClient } from '@aws-sdk/client-ecs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createSsmSource } from '../../../../lib/discovery/ssm.ts';
import { nodeId } from '../../../../lib/registrar/node-id.ts';
import { createRegistrar, type TaskEvent } from '../../../../lib/registrar/registrar.ts';
import type { Clock } from '../../../../lib/time/clock.ts';
import type { Ask } from '../../../../lib/upstream/ask.ts';
import { hasModel } from '../../../../lib/worker.ts';
import { ecsTask, type TaskOptions } from '../../../support/aws/container-service.ts';
import { type Aws, startAws } from '../../../support/aws.ts';

const prefix = '/gateway/test';
const schedule: TaskEvent = { 'detail-type': 'Scheduled Event' };
let aws: Aws;
let clients: { ssm: SSMClient; ecs: ECSClient };
let logs: { event: string; fields: Record<string, unknown> | undefined }[];
/** Addresses that answer nothing; and what was asked, by address. */
let silent: Set<string>;
let keys: Map<string, string | undefined>;
/** The key that workers want, and what they list, by address. */
let wanted: string | undefined;
let lists: Map<string, readonly string[]>;
let now: number;
let waited: number;

beforeEach(async () => {
  aws = await startAws();
  const {
    AWS_ACCESS_KEY_ID: accessKeyId = '',
    AWS_SECRET_ACCESS_KEY: secretAccessKey = '',
    AWS_SESSION_TOKEN,
  } = aws.env;
  const credentials = { accessKeyId, secretAccessKey, ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }) };
  const options = { endpoint: aws.url, region: aws.env.AWS_REGION ?? '', credentials, maxAttempts: 1 };
  clients = { ssm: new SSMClient(options), ecs: new ECSClient(options) };
  logs = [];
  silent = new Set();
  keys = new Map();
  wanted = undefined;
  lists = new Map();
  now = Date.parse('2026-11-23T12:00:00Z');
  waited = 0;
});
afterEach(async () => {
  clients.ssm.destroy();
  clients.ecs.destroy();
  await aws.close();
});

const clock: Clock = {
  now: () => now,
  sleep: async (ms) => {
    waited += ms;
    now += ms;
  },
};
const ask: Ask = async ({ url, apiKey }, path) => {
  const { hostname } = new URL(url);
  keys.set(hostname, apiKey);
  if (silent.has(hostname)) return undefined;
  if (wanted !== undefined && apiKey !== wanted) return { status: 401, headers: {}, body: '' };
  if (path === '/health') return { status: 200, headers: {}, body: '' };
  const ids = lists.get(hostname) ?? [`model-of-${hostname}`];
  const body = JSON.stringify({ data: ids.map((id) => ({ id, owned_by: 'vllm' })) });
  return path === '/v1/models' ? { status: 200, headers: {}, body } : { status: 404, headers: {}, body: '' };
};
const registrar = () =>
  createRegistrar({
    prefix,
    ...clients,
    ask,
    clock,
    log: (_level, event, fields) => void logs.push({ event, fields }),
  });
const run = (event = schedule, one = registrar()) => one.run(event, 29_999.5);

const describeService = (name: string, more: object = {}) =>
  aws.ssm.put(`${prefix}/services/${name}`, JSON.stringify({ cluster: 'gpu', service: name, port: 8080, ...more }));
const setTasks = (service: string, ...tasks: Partial<TaskOptions>[]) => {
  const made = tasks.map((task) => ecsTask({ cluster: 'gpu', service, ...task }));
  aws.ecs.setTasks('gpu', service, made);
  return made.map(({ taskArn }) => nodeId(taskArn));
};
/** The fleet as a gateway reads it. */
const fleet = async () => {
  const settings = { exposeNodeHeader: false, apiKeys: [], adminKeys: [], ttlMs: 1_000 };
  return (await createSsmSource({ prefix, env: aws.env, log: () => {}, ...settings }).current()).workers;
};
const statuses = async () =>
  Object.fromEntries((await fleet()).map(({ url, status }) => [new URL(url).hostname, status]));

describe('registrar', () => {
  it('turns tasks and lists into a fleet a gateway reads', async () => {
    describeService('chat', { engine: 'vllm', labels: { gpu: 'l4' } });
    aws.ssm.put(`${prefix}/services/own`, '{"workers":[{"id":"mine","url":"http://10.9.9.9:1","models":["m"]}]}');
    aws.ssm.put(`${prefix}/runtime/worker-keys`, '{"chat":"worker-secret"}', 'SecureString');
    const [id] = setTasks('chat', { address: '10.0.0.1' });
    expect(await run()).toMatchObject({ outcome: 'written', services: 2, workers: 2, healthy: 2, generation: 1 });
    expect(await fleet()).toEqual([
      {
        id,
        name: `chat-${id?.slice(0, 8)}`,
        url: 'http://10.0.0.1:8080',
        status: 'healthy',
        engine: 'vllm',
        models: ['model-of-10.0.0.1'],
        about: [{ id: 'model-of-10.0.0.1', entry: { owned_by: 'vllm' } }],
        labels: { gpu: 'l4' },
        apiKey: 'worker-secret',
        lastHeartbeat: '2026-11-23T12:00:00.000Z',
      },
      expect.objectContaining({ id: 'mine', name: 'mine', engine: 'vllm', models: ['m'], status: 'healthy' }),
    ]);
    expect(keys.get('10.0.0.1')).toBe('worker-secret');
    for (const { value } of aws.ssm.writes) expect(value).not.toContain('worker-secret');
  });

  it('follows tasks that come, stop, fall ill and go, and has every status', async () => {
    describeService('chat');
    const ids = ['1', '2', '3', '4', '5'].map((digit) => digit.repeat(32)) as [string, string, string, string, string];
    setTasks('chat', { id: ids[0], address: '10.0.0.1' }, { id: ids[1], address: '10.0.0.2' });
    await run();
    silent.add('10.0.0.5');
    setTasks(
      'chat',
      { id: ids[0], address: '10.0.0.1', healthStatus: 'UNHEALTHY' },
      { id: ids[1], address: '10.0.0.2', desiredStatus: 'STOPPED' },
      { id: ids[2], address: '10.0.0.3' },
      { id: ids[3], address: '10.0.0.4', lastStatus: 'ACTIVATING' },
      { id: ids[4], address: '10.0.0.5' },
    );
    await run();
    expect(await statuses()).toEqual({
      '10.0.0.1': 'unhealthy',
      '10.0.0.2': 'draining',
      '10.0.0.3': 'healthy',
      '10.0.0.4': 'pending',
      '10.0.0.5': 'pending',
    });
    setTasks('chat', { id: ids[1], address: '10.0.0.2', desiredStatus: 'STOPPED', lastStatus: 'STOPPED' });
    await run();
    expect(await fleet()).toEqual([]);
  });

  it('writes an empty fleet when there is nothing, so that gateways are ready', async () => {
    expect(await run()).toMatchObject({ outcome: 'written', workers: 0 });
    expect(await fleet()).toEqual([]);
  });

  it('skips and logs tasks without an address', async () => {
    describeService('chat');
    setTasks('chat', {}, { address: '10.0.0.1' });
    expect(await run()).toMatchObject({ workers: 1 });
    expect(logs).toContainEqual({ event: 'tasks_without_address', fields: { service: 'chat', tasks: 1, running: 1 } });
  });

  it('writes nothing while nothing changes but the time, and then only the pointer', async () => {
    describeService('chat');
    setTasks('chat', { address: '10.0.0.1' });
    await run();
    const written = aws.ssm.writes.length;
    now += 60_000;
    expect(await run()).toMatchObject({ outcome: 'unchanged', generation: 1 });
    expect(aws.ssm.writes).toHaveLength(written);
    now += 4 * 60_000;
    expect(await run()).toMatchObject({ outcome: 'confirmed', generation: 1 });
    expect(aws.ssm.writes.slice(written).map(({ name }) => name)).toEqual([`${prefix}/runtime/fleet/0`]);
    expect((await fleet())[0]?.lastHeartbeat).toBe(new Date(now).toISOString());
  });

  it('keeps the workers of a service that fails, malformed or refused, says so, and serves the others', async () => {
    describeService('chat');
    describeService('speech');
    setTasks('chat', { address: '10.0.0.1' });
    setTasks('speech', { address: '10.0.1.1' });
    await run();
    aws.ecs.removeService('gpu', 'speech');
    setTasks('chat', { address: '10.0.0.2' });
    await run();
    expect(Object.keys(await statuses())).toEqual(['10.0.0.2', '10.0.1.1']);
    expect(logs).toContainEqual({
      event: 'service_kept',
      fields: { service: 'speech', workers: 1, reason: expect.stringContaining('ServiceNotFoundException') },
    });
    aws.ssm.put(`${prefix}/services/chat`, 'oops');
    await run();
    expect(Object.keys(await statuses())).toEqual(['10.0.0.2', '10.0.1.1']);
    aws.ssm.delete(`${prefix}/services/chat`);
    await run();
    expect(Object.keys(await statuses())).toEqual(['10.0.1.1']);
  });

  it.each(['denied', 'broken', 'malformed', 'reset'] as const)('changes nothing when ECS is %s', async (kind) => {
    describeService('chat');
    setTasks('chat', { address: '10.0.0.1' });
    await run();
    aws.fault('ecs', { kind });
    now += 3_600_000;
    expect(await run()).toMatchObject({ outcome: 'unchanged', workers: 1, healthy: 1 });
  });

  it('keeps only what ECS could not describe', async () => {
    describeService('chat');
    const tasks = ['10.0.0.1', '10.0.0.2'].map((address) => ecsTask({ cluster: 'gpu', service: 'chat', address }));
    aws.ecs.setTasks('gpu', 'chat', tasks);
    await run();
    aws.ecs.vanish(tasks[0]?.taskArn ?? '');
    await run();
    expect(await statuses()).toEqual({ '10.0.0.2': 'healthy' });
  });

  it('fails, with nothing changed for readers, when SSM stops half way through a write; the next run repairs it', async () => {
    describeService('chat');
    setTasks('chat', { address: '10.0.0.1' });
    await run();
    const long = { 'a-label': 'x'.repeat(2_000) };
    const random = Array.from({ length: 60 }, (_, n) => nodeId(String(n))).join('');
    describeService('chat', { labels: { ...long, random, more: Array.from(random).reverse().join('') } });
    setTasks('chat', { address: '10.0.0.1' }, { address: '10.0.0.2' });
    for (const calls of [0, 1]) {
      aws.fault('PutParameter', { kind: 'broken-after', calls });
      await expect(run()).rejects.toMatchObject({ name: 'InternalServerError' });
      expect(Object.keys(await statuses())).toEqual(['10.0.0.1']);
    }
    aws.fault('PutParameter', undefined);
    expect(await run()).toMatchObject({ outcome: 'written', generation: 2 });
    expect(Object.keys(await statuses())).toHaveLength(2);
  });

  it('gives way to another registrar that wrote meanwhile', async () => {
    describeService('chat');
    setTasks('chat', { address: '10.0.0.1' });
    await run();
    setTasks('chat', { address: '10.0.0.2' });
    let other: Promise<unknown> | undefined;
    const interrupted = createRegistrar({
      prefix,
      ...clients,
      clock,
      log: () => {},
      ask: async (worker, path, options) => {
        other ??= run();
        await other;
        return ask(worker, path, options);
      },
    });
    setTasks('chat', { address: '10.0.0.3' });
    await expect(run(schedule, interrupted)).rejects.toMatchObject({ name: 'ConflictError' });
    expect(await statuses()).toEqual({ '10.0.0.3': 'healthy' });
  });

  describe('a typo in worker-keys', () => {
    beforeEach(async () => {
      wanted = 'worker-secret';
      aws.ssm.put(`${prefix}/runtime/worker-keys`, '{"chat":"worker-secret"}', 'SecureString');
      describeService('chat', { engine: 'vllm' });
      setTasks('chat', { id: '1'.repeat(32), address: '10.0.0.1' });
    });
    const typos = ['{"chat":"worker-secret"', '{"chat":12345678}', '{"chat":"worker-secret\\n"}', '{"chat":""}'];

    it.each(typos)('%s: the keys read last count on, and the log names the parameter alone', async (typo) => {
      const one = registrar();
      await run(schedule, one);
      aws.ssm.put(`${prefix}/runtime/worker-keys`, typo, 'SecureString');
      now += 60_000;
      expect(await run(schedule, one)).toMatchObject({ outcome: 'unchanged', healthy: 1 });
      expect(logs).toContainEqual({
        event: 'parameter_malformed',
        fields: { parameter: `${prefix}/runtime/worker-keys` },
      });
      expect(JSON.stringify(logs)).not.toMatch(/secret|12345678/);
    });

    it('on a cold start: who wants a key stays as known, who is gone does not', async () => {
      await run();
      aws.ssm.put(`${prefix}/runtime/worker-keys`, typos[0] ?? '', 'SecureString');
      now += 60_000;
      expect(await run()).toMatchObject({ outcome: 'unchanged', healthy: 1 });
      silent.add('10.0.0.1');
      expect(await run()).toMatchObject({ outcome: 'written', healthy: 0 });
    });

    it('is none when the parameter is gone: then there are no keys', async () => {
      const one = registrar();
      await run(schedule, one);
      aws.ssm.delete(`${prefix}/runtime/worker-keys`);
      expect(await run(schedule, one)).toMatchObject({ outcome: 'written', healthy: 0 });
    });
  });

  it('cuts a list that no run could write, says so, and keeps the others and every model in reach', async () => {
    describeService('chat', { engine: 'vllm' });
    setTasks('chat', { id: '1'.repeat(32), address: '10.0.0.1' }, { id: '2'.repeat(32), address: '10.0.0.2' });
    const long = Array.from({ length: 15_000 }, (_, n) => `${nodeId(String(n))}${nodeId(`${n}x`)}`.slice(0, 64)).sort();
    lists.set('10.0.0.1', long);
    expect(await run()).toMatchObject({ outcome: 'written', healthy: 2 });
    expect(aws.count('PutParameter')).toBeLessThan(20);
    const [cut, kept] = [...(await fleet())].sort((a, b) => (a.url < b.url ? -1 : 1));
    expect(kept?.models).toEqual(['model-of-10.0.0.2']);
    expect(cut?.models?.slice(0, 100)).toEqual(long.slice(0, 100));
    expect(cut?.models?.at(-1)).toBe('*');
    expect(cut && hasModel(cut, long.at(-1) ?? '')).toBe(true);
    expect(logs).toContainEqual({
      event: 'model_list_cut',
      fields: { worker: cut?.id, service: 'chat', models: 15_000 },
    });
    now += 60_000;
    expect(await run()).toMatchObject({ outcome: 'unchanged' });
  });

  it('shortens the lists of all where the whole fleet has long ones', async () => {
    describeService('chat', { engine: 'vllm' });
    const addresses = Array.from({ length: 40 }, (_, n) => `10.0.0.${n}`);
    setTasks('chat', ...addresses.map((address) => ({ address })));
    for (const address of addresses) {
      lists.set(
        address,
        Array.from({ length: 600 }, (_, n) => nodeId(`${address}-${n}`)),
      );
    }
    expect(await run()).toMatchObject({ outcome: 'written', healthy: 40 });
    expect(aws.count('PutParameter')).toBeLessThan(62);
    for (const { models } of await fleet()) expect(models?.length).toBeGreaterThan(10);
  });

  it('and another at once, each with a fleet of its own: whatever a reader meets is whole', async () => {
    describeService('chat', { engine: 'vllm' });
    setTasks('chat', { id: '0'.repeat(32), address: '10.0.0.1' });
    await run();
    const fleetOf = (name: string) => Array.from({ length: 300 }, (_, n) => nodeId(`${name}-${n}`)).sort();
    const another = (name: string, delays: readonly number[]) => {
      let puts = 0;
      return createRegistrar({
        prefix,
        ecs: clients.ecs,
        ssm: clients.ssm,
        log: () => {},
        clock: {
          now: () => now,
          sleep: () => new Promise((resolve) => setTimeout(resolve, delays[puts++ % delays.length])),
        },
        ask: async (worker, path, options) => {
          if (path !== '/v1/models') return ask(worker, path, options);
          const data = fleetOf(name).map((id) => ({ id }));
          return { status: 200, headers: {}, body: JSON.stringify({ data }) };
        },
      });
    };
    const read = async () => (await fleet())[0]?.models;
    const whole = [['model-of-10.0.0.1'], fleetOf('a'), fleetOf('b')];
    for (const [first, second] of [
      [
        [0, 3],
        [2, 1],
      ],
      [[1], [4, 0, 0]],
      [
        [5, 0],
        [0, 5],
      ],
    ] as const) {
      const runs = Promise.allSettled([run(schedule, another('a', first)), run(schedule, another('b', second))]);
      let isOver = false;
      runs.then(() => {
        isOver = true;
      });
      while (!isOver) expect(whole).toContainEqual(await read());
      const settled = await runs;
      for (const one of settled) {
        if (one.status === 'rejected') expect(one.reason).toMatchObject({ name: 'ConflictError' });
      }
      expect(whole).toContainEqual(await read());
      await run(schedule, another('c', [0]));
      whole.push(fleetOf('c'));
      expect(await read()).toEqual(fleetOf('c'));
    }
  });

  it('replaces a damaged fleet', async () => {
    describeService('chat');
    setTasks('chat', { address: '10.0.0.1' });
    await run();
    aws.ssm.put(`${prefix}/runtime/fleet/2`, 'damaged');
    expect(await run()).toMatchObject({ outcome: 'written', generation: 2 });
    expect(logs.map(({ event }) => event)).toContain('fleet_unreadable');
    aws.ssm.put(`${prefix}/runtime/fleet/0`, 'damaged');
    expect(await run()).toMatchObject({ outcome: 'written' });
    expect(await statuses()).toEqual({ '10.0.0.1': 'healthy' });
  });

  it("ignores task events of services that are nobody's", async () => {
    describeService('chat');
    setTasks('chat', { address: '10.0.0.1' });
    const event = (cluster: string, group: string): TaskEvent => ({
      'detail-type': 'ECS Task State Change',
      detail: { clusterArn: `arn:aws:ecs:eu-central-1:123456789012:cluster/${cluster}`, group },
    });
    expect(await run(event('gpu', 'service:other'))).toMatchObject({ outcome: 'ignored' });
    expect(await run(event('web', 'service:chat'))).toMatchObject({ outcome: 'ignored' });
    expect(aws.count('ListTasks')).toBe(0);
    expect(await run(event('gpu', 'service:chat'))).toMatchObject({ outcome: 'written' });
  });

  it('lists a task of two services once', async () => {
    describeService('chat');
    aws.ssm.put(`${prefix}/services/again`, '{"cluster":"gpu","service":"chat","port":9090}');
    setTasks('chat', { address: '10.0.0.1' });
    expect(await run()).toMatchObject({ workers: 1 });
    expect(logs.map(({ event }) => event)).toContain('worker_listed_twice');
  });

  it('writes 1,000 workers slowly enough for SSM, and reads at most ten names a call', async () => {
    for (let service = 0; service < 10; service += 1) {
      describeService(`service-${service}`);
      const tasks = Array.from({ length: 100 }, (_, n) => ({ address: `10.0.${service}.${n}` }));
      setTasks(`service-${service}`, ...tasks);
    }
    expect(await run()).toMatchObject({ workers: 1_000, healthy: 1_000 });
    const puts = aws.count('PutParameter');
    expect(waited).toBeGreaterThanOrEqual(((puts - 1) * 1_000) / 3 - 50);
    expect(Math.max(...aws.ssm.writes.map(({ value }) => value.length))).toBeLessThanOrEqual(4_096);
    expect(await fleet()).toHaveLength(1_000);
    expect(aws.count('ListTasks') + aws.count('DescribeTasks')).toBeLessThanOrEqual(30);
  });
});
