import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { performance } from 'node:perf_hooks';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { POINTER_NAME } from '../../lib/discovery/fleet.ts';
import { createSsmSource } from '../../lib/discovery/ssm.ts';
import type { Report } from '../../lib/registrar/report.ts';
import { ecsTask, type TaskOptions, type WireTask } from '../support/aws/container-service.ts';
import type { Fault } from '../support/aws/fault.ts';
import { type Aws, startAws } from '../support/aws.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../support/gateway.ts';
import { operation } from '../support/operations.ts';
import { type StandIn, type StandInOptions, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';

/** Issue "Discovery from SSM and ECS", through the built functions, the registrar among them. */
const prefix = '/localai-gateway/test';
const model = 'test-model';
const schedule = { 'detail-type': 'Scheduled Event', source: 'aws.events' };

let aws: Aws;
const open: AsyncDisposable[] = [];
beforeEach(async () => {
  aws = await startAws();
  open.push(aws);
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

const gatewayWith = async (ttlSeconds: number, options: GatewayOptions = {}): Promise<Gateway> => {
  const env = {
    ...aws.env,
    GATEWAY_SSM_PREFIX: prefix,
    GATEWAY_CONFIG_TTL_SECONDS: String(ttlSeconds),
    GATEWAY_POLICY: 'random',
    ...options.env,
  };
  const gateway = await startGateway({ functions: ['openai', 'nodes', 'registrar'], ...options, env });
  open.push(gateway);
  return gateway;
};

/** Tasks differ in address only, as those of one service do: the first worker takes any port, the others the same. */
const startWorkers = async (count: number, options: Partial<StandInOptions> = {}): Promise<StandIn[]> => {
  const workers: StandIn[] = [];
  for (let n = 1; n <= count; n += 1) {
    const worker = await startWorker({
      name: `w${n}`,
      host: `127.0.0.${n + 10}`,
      models: [model],
      port: workers[0]?.port ?? 0,
      ...options,
    });
    workers.push(worker);
    open.push(worker);
  }
  return workers;
};
const put = (name: string, value: object | string) =>
  aws.ssm.put(`${prefix}/${name}`, typeof value === 'string' ? value : JSON.stringify(value));
const describeService = (workers: readonly StandIn[], more: object = {}) =>
  put('services/chat', { cluster: 'gpu', service: 'chat', port: workers[0]?.port, ...more });
const taskOf = (worker: StandIn, more: Partial<TaskOptions> = {}): WireTask =>
  ecsTask({
    cluster: 'gpu',
    service: 'chat',
    address: new URL(worker.url).hostname,
    id: worker.name.padStart(32, '0').replace('w', 'f'),
    ...more,
  });
const setTasks = (...tasks: WireTask[]) => aws.ecs.setTasks('gpu', 'chat', tasks);
const register = async (gateway: Gateway) => (await gateway.invoke('registrar', schedule)) as Report;

const chat = operation('chat');
const ask = (gateway: Gateway) => gateway.fetch('/v1/chat/completions', { body: chat.body(model) });
/** Sends requests one after another. @returns the stand-ins that answered; a failed request is `status 5xx`. */
const answerers = async (gateway: Gateway, count = 24): Promise<string[]> => {
  const seen = new Set<string>();
  for (let n = 0; n < count; n += 1) {
    const { status, headers } = await ask(gateway);
    seen.add(status === 200 ? String(headers['x-localai-node'] ?? 'no header') : `status ${status}`);
  }
  return [...seen].sort();
};
/**
 * Sends requests none of which is answered before all have arrived, so that each has an environment of its own.
 * @returns their statuses
 */
const askTogether = async (gateway: Gateway, workers: readonly StandIn[], count: number): Promise<number[]> => {
  let arrived = 0;
  let release = () => {};
  const all = new Promise<void>((resolve) => {
    release = resolve;
  });
  for (const worker of workers) {
    worker.behave({
      deliver: async ({ response }) => {
        arrived += 1;
        if (arrived === count) release();
        await all;
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"choices":[]}');
      },
    });
  }
  const statuses = await Promise.all(
    Array.from({ length: count }, async () => {
      const { status } = await ask(gateway);
      // One that fails must not leave the others waiting for it.
      if (status !== 200) release();
      return status;
    }),
  );
  for (const worker of workers) worker.behave(undefined);
  return statuses;
};
/**
 * Starts environments that have read no configuration: health needs none. On Lambda each has a processor of its own;
 * here they are held until all are there, and then start a few at a time.
 */
const startEnvironments = async (gateway: Gateway, count: number): Promise<void> => {
  const environments = () => gateway.environments('openai');
  const held = new Set<number>();
  const answers = Promise.all(Array.from({ length: count }, () => gateway.fetch('/healthz')));
  const areAllHeld = () => {
    for (const { pid, state } of environments()) {
      if (state !== 'starting' || held.has(pid)) continue;
      process.kill(pid, 'SIGSTOP');
      held.add(pid);
    }
    return environments().length === count;
  };
  expect(await until(areAllHeld, 60_000)).toBe(true);
  const waiting = [...held];
  while (waiting.length > 0) {
    const few = new Set(waiting.splice(0, 8));
    for (const pid of few) process.kill(pid, 'SIGCONT');
    const areUp = () => environments().every(({ pid, state }) => !few.has(pid) || state === 'frozen');
    expect(await until(areUp, 60_000)).toBe(true);
  }
  expect((await answers).filter(({ status }) => status !== 200)).toEqual([]);
};
interface Node {
  readonly id: string;
  readonly address: string;
  readonly status: string;
}
const nodesOf = async (gateway: Gateway) => (await gateway.fetch('/api/nodes')).json() as Node[];
const statuses = async (gateway: Gateway) =>
  Object.fromEntries((await nodesOf(gateway)).map(({ address, status }) => [address.split(':')[0], status]).sort());
const idsAt = async (gateway: Gateway, ...workers: StandIn[]) =>
  (await nodesOf(gateway))
    .filter(({ address }) => workers.some(({ url }) => new URL(url).host === address))
    .map(({ id }) => id)
    .sort();

describe('tasks', () => {
  test('traffic follows those that come, stop and fall ill, within the cache time after a registrar run', async () => {
    const ttl = 0.4;
    const workers = (await startWorkers(3)) as [StandIn, StandIn, StandIn];
    const [first, second, third] = workers;
    describeService(workers);
    const gateway = await gatewayWith(ttl);

    // The registrar's run is the start of the clock; a request may still meet the old fleet for three cache times.
    const expectTraffic = async (expected: Record<string, string>, ...targets: StandIn[]) => {
      expect(await register(gateway)).toMatchObject({ outcome: 'written' });
      const since = performance.now();
      expect(await until(async () => JSON.stringify(await statuses(gateway)) === JSON.stringify(expected))).toBe(true);
      // Another environment of `nodes` may answer, one that has not read the new fleet yet.
      let ids: string[] = [];
      const areAllListed = async () => {
        ids = await idsAt(gateway, ...targets);
        return ids.length === targets.length;
      };
      expect(await until(areAllListed)).toBe(true);
      let took = 0;
      const follows = async () => {
        took = performance.now() - since;
        return JSON.stringify(await answerers(gateway)) === JSON.stringify(ids);
      };
      expect(await until(follows)).toBe(true);
      expect(took).toBeLessThan(3 * ttl * 1_000 + 1_500);
      for (const worker of workers) worker.reset();
      expect(await answerers(gateway)).toEqual(ids);
      expect(workers.filter(({ requests }) => requests.length > 0)).toEqual(targets);
    };

    setTasks(taskOf(first), taskOf(second));
    await expectTraffic({ '127.0.0.11': 'healthy', '127.0.0.12': 'healthy' }, first, second);
    setTasks(taskOf(first), taskOf(second), taskOf(third));
    await expectTraffic({ '127.0.0.11': 'healthy', '127.0.0.12': 'healthy', '127.0.0.13': 'healthy' }, ...workers);
    setTasks(taskOf(first, { desiredStatus: 'STOPPED' }), taskOf(second), taskOf(third));
    await expectTraffic({ '127.0.0.11': 'draining', '127.0.0.12': 'healthy', '127.0.0.13': 'healthy' }, second, third);
    setTasks(taskOf(second, { healthStatus: 'UNHEALTHY' }), taskOf(third));
    await expectTraffic({ '127.0.0.12': 'unhealthy', '127.0.0.13': 'healthy' }, third);
    second.report({ healthy: true });
    third.report({ healthy: false });
    setTasks(taskOf(second), taskOf(third));
    await expectTraffic({ '127.0.0.12': 'healthy', '127.0.0.13': 'unhealthy' }, second);
  });

  test('a worker is pending until its health path has answered', async () => {
    const workers = (await startWorkers(1, { engine: 'vllm' })) as [StandIn];
    workers[0].report({ healthy: false });
    describeService(workers, { engine: 'vllm' });
    setTasks(taskOf(workers[0]));
    const gateway = await gatewayWith(0.2);
    await register(gateway);
    expect(await statuses(gateway)).toEqual({ '127.0.0.11': 'pending' });
    expect((await ask(gateway)).status).toBe(503);
    workers[0].report(undefined);
    await register(gateway);
    expect(await until(async () => (await ask(gateway)).status === 200)).toBe(true);
  });
});

describe('the registrar', () => {
  test('finds out engines and models, and sends the key of the service', async () => {
    const [worker] = (await startWorkers(1, { engine: 'ollama', models: ['b', 'a'] })) as [StandIn];
    describeService([worker]);
    aws.ssm.put(`${prefix}/runtime/worker-keys`, '{"chat":"worker-secret"}', 'SecureString');
    setTasks(taskOf(worker));
    const gateway = await gatewayWith(0.2);
    await register(gateway);
    expect(await nodesOf(gateway)).toEqual([
      expect.objectContaining({
        engine: 'ollama',
        models: ['a:latest', 'b:latest'],
        status: 'healthy',
        node_type: 'backend',
      }),
    ]);
    expect(new Set(worker.probes.map(({ headers }) => headers.authorization))).toEqual(
      new Set(['Bearer worker-secret']),
    );
    const received = await gateway.fetch('/v1/chat/completions', { body: chat.body('a') });
    expect(received.status).toBe(200);
    expect(worker.requests[0]?.headers.authorization).toBe('Bearer worker-secret');
  });

  const callsByOperation = () =>
    [...new Set(aws.calls.map(({ operation }) => operation))].map((name) => `${name} ${aws.count(name)}`);

  test('1,000 tasks in 10 services: in time, in whole, in few calls', async () => {
    const servers: Server[] = [];
    const answer = JSON.stringify({ object: 'list', data: [{ id: model, object: 'model', owned_by: 'vllm' }] });
    const listen = (host: string, port: number) =>
      new Promise<number>((resolve, reject) => {
        const server = createServer((_, response) => void response.end(answer)).once('error', reject);
        server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
        servers.push(server);
      });
    open.push({
      async [Symbol.asyncDispose]() {
        for (const server of servers) server.closeAllConnections();
        await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
      },
    });
    const port = await listen('127.0.1.1', 0);
    for (let service = 1; service <= 10; service += 1) {
      const addresses = Array.from({ length: 100 }, (_, n) => `127.0.${service}.${n + 1}`);
      await Promise.all(addresses.filter((address) => address !== '127.0.1.1').map((host) => listen(host, port)));
      const name = `service-${service}`;
      put(`services/${name}`, { cluster: 'gpu', service: name, port });
      aws.ecs.setTasks(
        'gpu',
        name,
        addresses.map((address) => ecsTask({ cluster: 'gpu', service: name, address })),
      );
    }
    const gateway = await gatewayWith(60);
    // As SSM limits `PutParameter` in every account.
    aws.fault('PutParameter', { kind: 'throttled', perSecond: 3 });

    const report = await register(gateway);
    expect(report).toMatchObject({ outcome: 'written', services: 10, workers: 1_000, healthy: 1_000 });
    expect(report.milliseconds).toBeLessThan(30_000);
    const { count } = JSON.parse(aws.ssm.get(`${prefix}/${POINTER_NAME}`) ?? '') as { count: number };
    expect(aws.ssm.writes.map(({ name }) => name).at(-1)).toBe(`${prefix}/${POINTER_NAME}`);
    expect(aws.ssm.writes).toHaveLength(count + 1);
    expect(Math.max(...aws.ssm.writes.map(({ value }) => value.length))).toBeLessThanOrEqual(4_096);
    expect(aws.count('ListTasks') + aws.count('DescribeTasks')).toBeLessThanOrEqual(30);
    const sizes = aws.ssm.writes.map(({ value }) => value.length);
    const figures = [`${report.milliseconds} ms`, ...callsByOperation(), `${count} shards`, `bytes ${sizes.join(' ')}`];

    aws.forgetCalls();
    const again = await register(gateway);
    expect(again).toMatchObject({ outcome: 'unchanged' });
    expect(aws.count('PutParameter')).toBe(0);
    figures.push(`unchanged: ${again.milliseconds} ms`, ...callsByOperation());

    aws.forgetCalls();
    expect(await ask(gateway)).toMatchObject({ status: 200 });
    expect(aws.count()).toBe(1 + Math.ceil((count - 2) / 10));
    expect(aws.count('GetParameters')).toBe(aws.count());
    process.stdout.write(`1,000 tasks: ${figures.join(', ')}; cold start: ${aws.count()} calls\n`);
    expect(await nodesOf(gateway)).toHaveLength(1_000);
  }, 120_000);
});

describe('an AWS that fails', () => {
  const faults: Fault[] = [
    { kind: 'hanging' },
    { kind: 'denied' },
    { kind: 'throttled', perSecond: 0.01, burst: 0 },
    { kind: 'malformed' },
    { kind: 'reset' },
  ];

  test('SSM and ECS down after a good start: none of 1,000 requests fails', async () => {
    const workers = (await startWorkers(2)) as [StandIn, StandIn];
    describeService(workers);
    setTasks(...workers.map((worker) => taskOf(worker)));
    const gateway = await gatewayWith(0.4, { limits: { maxEnvironments: 4 } });
    await register(gateway);
    expect(await askTogether(gateway, workers, 4)).toEqual([200, 200, 200, 200]);

    const failed: number[] = [];
    const runs: Promise<unknown>[] = [];
    for (const fault of faults) {
      aws.fault('ssm', fault);
      aws.fault('ecs', fault);
      // A malformed or empty answer of a registrar must not empty the fleet either.
      runs.push(register(gateway).catch((error: unknown) => error));
      const client = async () => {
        for (let n = 0; n < 50; n += 1) {
          const { status } = await ask(gateway);
          if (status !== 200) failed.push(status);
        }
      };
      await Promise.all(Array.from({ length: 4 }, client));
    }
    expect(failed).toEqual([]);
    expect(gateway.environments('openai')).toHaveLength(4);
    aws.fault('ssm', undefined);
    aws.fault('ecs', undefined);
    await Promise.all(runs);
    put('runtime/expose-node-header', 'false');
    expect(await until(async () => (await ask(gateway)).headers['x-localai-node'] === undefined)).toBe(true);
  }, 120_000);

  test('SSM down at a cold start: 503 in time, then recovery without a restart', async () => {
    const workers = (await startWorkers(1)) as [StandIn];
    describeService(workers);
    setTasks(taskOf(workers[0]));
    const gateway = await gatewayWith(10, { limits: { maxEnvironments: 1 } });
    await register(gateway);
    aws.fault('GetParameters', { kind: 'denied' });
    const began = performance.now();
    const received = await ask(gateway);
    const took = performance.now() - began;
    expect(received.status).toBe(503);
    expect(Number(received.headers['retry-after'])).toBeGreaterThan(0);
    expect(took).toBeGreaterThan(6_500);
    expect(took).toBeLessThan(11_000);
    const [before] = gateway.environments('openai');
    aws.fault('GetParameters', undefined);
    expect(await until(async () => (await ask(gateway)).status === 200)).toBe(true);
    expect(gateway.environments('openai').map(({ pid }) => pid)).toEqual([before?.pid]);
  }, 60_000);

  test('no fleet yet: not ready, and ready with an empty one', async () => {
    const gateway = await gatewayWith(0.2);
    expect((await gateway.fetch('/readyz')).status).toBe(503);
    expect((await gateway.fetch('/healthz')).status).toBe(200);
    await register(gateway);
    expect(await until(async () => (await gateway.fetch('/readyz')).status === 200)).toBe(true);
    expect((await ask(gateway)).status).toBe(503);
  });

  test('200 sources that start together against an SSM limited to 40 calls a second: all serve', async () => {
    const gateway = await gatewayWith(10);
    await register(gateway);
    aws.fault('ssm', { kind: 'throttled', perSecond: 40 });
    aws.forgetCalls();
    const settings = { exposeNodeHeader: false, apiKeys: [], adminKeys: [], ttlMs: 10_000, log: () => {} };
    const sources = Array.from({ length: 200 }, () => createSsmSource({ prefix, env: aws.env, ...settings }));
    const results = await Promise.allSettled(sources.map((source) => source.current()));
    expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
    expect(aws.calls.filter(({ outcome }) => outcome === 'ThrottlingException').length).toBeGreaterThan(200);
  }, 60_000);

  // As many for each call that is allowed, and so for as long, as in the test above: a process each costs much.
  test('40 environments that read their first configuration together, 8 calls a second: no 5xx', async () => {
    const [worker] = (await startWorkers(1)) as [StandIn];
    describeService([worker]);
    setTasks(taskOf(worker));
    const count = 40;
    const gateway = await gatewayWith(10, { limits: { maxEnvironments: count, queueSeconds: 120 } });
    await register(gateway);
    aws.forgetCalls();
    await startEnvironments(gateway, count);
    expect(aws.count()).toBe(0);

    aws.fault('ssm', { kind: 'throttled', perSecond: 8 });
    const received = await askTogether(gateway, [worker], count);
    expect(received.filter((status) => status !== 200)).toEqual([]);
    expect(gateway.environments('openai')).toHaveLength(count);
    // How many were throttled is the machine's matter: a busy one sends them late. The test above sees to that.
    const reads = aws.calls.filter(({ outcome }) => outcome === 'ok');
    expect(reads).toHaveLength(count);
    const [first = 0, last = 0] = [reads.at(0)?.at, reads.at(-1)?.at];
    process.stdout.write(`${count} first reads: ${aws.calls.length} calls, the last served after ${last - first} ms\n`);
  }, 300_000);
});

describe('expose-node-header', () => {
  const arrange = async (ttl: number) => {
    const workers = (await startWorkers(1)) as [StandIn];
    describeService(workers);
    setTasks(taskOf(workers[0]));
    const gateway = await gatewayWith(ttl, { limits: { maxEnvironments: 1 } });
    await register(gateway);
    const node = async () => {
      const { status, headers } = await ask(gateway);
      expect(status).toBe(200);
      return headers['x-localai-node'];
    };
    return { gateway, node };
  };

  test('flips both ways in a running gateway, within three cache times', async () => {
    const ttl = 1;
    const { node } = await arrange(ttl);
    const took: number[] = [];
    expect(await node()).toMatch(/^[0-9a-f-]{36}$/);
    for (const value of ['false', 'true', 'nonsense', 'true', ' false\n']) {
      const expected = value === 'true';
      put('runtime/expose-node-header', value);
      const since = performance.now();
      expect(await until(async () => ((await node()) !== undefined) === expected)).toBe(true);
      took.push(Math.round(performance.now() - since));
    }
    process.stdout.write(`flips in a running gateway, cache time ${ttl} s: ${took.join(', ')} ms\n`);
    expect(Math.max(...took)).toBeLessThan(3_000 * ttl);
  });

  test('is right on the very first request of an environment frozen for ten cache times', async () => {
    const ttl = 0.25;
    const { gateway, node } = await arrange(ttl);
    expect(await node()).toBeDefined();
    for (const value of ['false', 'true']) {
      expect(await until(() => gateway.environments('openai')[0]?.state === 'frozen')).toBe(true);
      const [before] = gateway.environments('openai');
      put('runtime/expose-node-header', value);
      const frozenAt = performance.now();
      await until(() => performance.now() - frozenAt > 10_000 * ttl);
      expect(gateway.environments('openai')).toEqual([before]);
      const since = performance.now();
      expect((await node()) !== undefined).toBe(value === 'true');
      const took = performance.now() - since;
      process.stdout.write(`flip in a frozen environment: right on its first request, after ${took.toFixed(0)} ms\n`);
      expect(took).toBeLessThan(600);
      expect(gateway.environments('openai')[0]?.pid).toBe(before?.pid);
    }
  });

  test('a frozen environment waits no longer than half a second for an SSM that hangs', async () => {
    const { gateway, node } = await arrange(0.25);
    expect(await node()).toBeDefined();
    put('runtime/expose-node-header', 'false');
    aws.fault('ssm', { kind: 'hanging' });
    const frozenAt = performance.now();
    await until(() => performance.now() - frozenAt > 2_500);
    const since = performance.now();
    expect(await node()).toBeDefined();
    expect(performance.now() - since).toBeGreaterThan(400);
    expect(performance.now() - since).toBeLessThan(2_000);
    expect(gateway.logs.join('\n')).toContain('configuration_stale');
  });
});
