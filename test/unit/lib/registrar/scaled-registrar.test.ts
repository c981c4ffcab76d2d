import { ECSClient } from '@aws-sdk/client-ecs';
import { SSMClient } from '@aws-sdk/client-ssm';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { POINTER_NAME } from '../../../../lib/discovery/fleet.ts';
import type { ScaledService } from '../../../../lib/discovery/scaled-service.ts';
import { createSsmSource } from '../../../../lib/discovery/ssm.ts';
import { createRegistrar } from '../../../../lib/registrar/registrar.ts';
import type { Clock } from '../../../../lib/time/clock.ts';
import type { Ask } from '../../../../lib/upstream/ask.ts';
import { ecsTask, type TaskOptions } from '../../../support/aws/container-service.ts';
import { type Aws, startAws } from '../../../support/aws.ts';

/** docs/contract.md 11, the registrar's part, with a clock that stands still while nobody sleeps. */
const prefix = '/gateway/test';
const wakeEvent = { 'detail-type': 'Parameter Store Change' };
const BUDGET_MS = 297_000;

let aws: Aws;
let clients: { ssm: SSMClient; ecs: ECSClient };
let logs: { event: string; fields: Record<string, unknown> | undefined }[];
let now: number;
/** What the one worker's engine has counted; `undefined`: it does not answer. */
let engine: { running: number; waiting: number; served: number; sleeps?: boolean } | undefined;
/** Called whenever the registrar waits, with the milliseconds that have passed. */
let meanwhile: () => void;
let posts: string[];

beforeEach(async () => {
  aws = await startAws();
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = aws.env;
  const sessionToken = aws.env.AWS_SESSION_TOKEN ?? '';
  const credentials = { accessKeyId, secretAccessKey, sessionToken };
  const options = { endpoint: aws.url, region: aws.env.AWS_REGION ?? '', credentials, maxAttempts: 1 };
  clients = { ssm: new SSMClient(options), ecs: new ECSClient(options) };
  logs = [];
  now = Date.now();
  engine = { running: 0, waiting: 0, served: 0 };
  meanwhile = () => {};
  posts = [];
});
afterEach(async () => {
  clients.ssm.destroy();
  clients.ecs.destroy();
  await aws.close();
});

const clock: Clock = {
  now: () => now,
  sleep: async (ms) => {
    now += ms;
    meanwhile();
  },
};
const answer = (body: string, status = 200) => ({ status, headers: {}, body });
/** A vLLM. */
const ask: Ask = async (_worker, path, { method = 'GET' }) => {
  if (!engine) return undefined;
  if (method === 'POST') {
    posts.push(path);
    engine.sleeps = false;
    return answer('');
  }
  if (path === '/health' || path === '/readyz') return answer('');
  if (path === '/v1/models') return answer('{"data":[{"id":"listed","owned_by":"vllm"}]}');
  if (path === '/is_sleeping')
    return engine.sleeps === undefined ? answer('', 404) : answer(`{"is_sleeping":${engine.sleeps}}`);
  if (path !== '/metrics') return answer('', 404);
  return answer(
    [
      `vllm:num_requests_running{model_name="m"} ${engine.running}`,
      `vllm:num_requests_waiting{model_name="m"} ${engine.waiting}`,
      `vllm:request_success_total{finished_reason="stop",model_name="m"} ${engine.served}`,
      `vllm:prompt_tokens_total{model_name="m"} ${engine.served * 10}`,
      `vllm:generation_tokens_total{model_name="m"} ${engine.served * 10}`,
    ].join('\n'),
  );
};
const parts = () => ({
  prefix,
  ...clients,
  ask,
  clock,
  configTtlMs: 10_000,
  log: (_level: string, event: string, fields?: Record<string, unknown>) => void logs.push({ event, fields }),
});
const registrar = () => createRegistrar(parts());
const run = (one = registrar()) => one.run(wakeEvent, BUDGET_MS);

const describeService = (scale: object | undefined, more: object = {}) =>
  aws.ssm.put(
    `${prefix}/services/chat`,
    JSON.stringify({
      cluster: 'gpu',
      service: 'chat',
      port: 8000,
      engine: 'vllm',
      ...(scale && { scale: { min: 0, ...scale } }),
      ...more,
    }),
  );
const setTasks = (...tasks: Partial<TaskOptions>[]) =>
  aws.ecs.setTasks(
    'gpu',
    'chat',
    tasks.map((task) => ecsTask({ cluster: 'gpu', service: 'chat', ...task })),
  );
const task = { id: '1'.repeat(32), address: '10.0.0.1' };
const want = (at = now) => aws.ssm.put(`${prefix}/runtime/wake/chat`, new Date(at).toISOString());
/** A service that sleeps, as the registrar has seen it, and that somebody wants a second later. */
const wantedAsleep = async () => {
  aws.ecs.setDesired('gpu', 'chat', 0);
  await run();
  later(1_000);
  want();
};
const desired = () => aws.ecs.desired('gpu', 'chat');
const snapshot = () => {
  const settings = { exposeNodeHeader: false, apiKeys: [], adminKeys: [], ttlMs: 1_000 };
  return createSsmSource({ prefix, env: aws.env, log: () => {}, ...settings }).current();
};
const service = async (): Promise<ScaledService> => (await snapshot()).services?.[0] as ScaledService;
const record = () => JSON.parse(aws.ssm.get(`${prefix}/runtime/scale/chat`) ?? '{}');
/** ECS starts a task as soon as one is wanted, and stops it as soon as none is. */
const startsAfter = (ms: number) => {
  let at = Number.POSITIVE_INFINITY;
  aws.ecs.onUpdate((_service, count) => {
    at = count > 0 ? now + ms : Number.POSITIVE_INFINITY;
    if (count === 0) setTasks();
  });
  meanwhile = () => {
    if (now >= at) setTasks(task);
  };
};
const later = (ms: number) => {
  now += ms;
};
/** Runs a minute's schedule for so long. */
const minutes = async (count: number, one = registrar()) => {
  for (let n = 0; n < count; n += 1) {
    await run(one);
    now += 60_000;
    meanwhile();
  }
};

describe('registrar with scaled services', () => {
  it('shows a service that sleeps, and leaves it alone', async () => {
    describeService({}, { models: ['m'] });
    aws.ecs.setDesired('gpu', 'chat', 0);
    await run();
    expect(await service()).toMatchObject({
      name: 'chat',
      state: 'asleep',
      desired: 0,
      running: 0,
      healthy: 0,
      models: ['m'],
      min: 0,
      max: 1,
      idleMinutes: 15,
    });
    expect(aws.ecs.updates).toEqual([]);
    expect(logs.find(({ event }) => event === 'fleet')?.fields).toMatchObject({ asleep: 1, awake: 0, unserved: 0 });
  });

  it('wakes one that is wanted with one update, the record first, and goes on looking until it is awake', async () => {
    describeService({}, { models: ['m'] });
    aws.ecs.setDesired('gpu', 'chat', 0);
    startsAfter(61_000);
    await run();
    now += 30_000;
    want();
    const seen: string[] = [];
    const starts = meanwhile;
    meanwhile = () => {
      starts();
      seen.push(record().state);
    };
    aws.forgetCalls();
    await run();
    expect(aws.ecs.updates.map((one) => one.desired)).toEqual([1]);
    const order = aws.calls.filter(
      ({ operation, input }) => operation === 'UpdateService' || String(input.Name).includes('/scale/'),
    );
    expect(order.slice(0, 2).map(({ operation }) => operation)).toEqual(['PutParameter', 'UpdateService']);
    expect(seen.every((state) => state === 'waking')).toBe(true);
    expect(seen.length).toBeGreaterThan(25);
    expect(await service()).toMatchObject({
      state: 'awake',
      desired: 1,
      running: 1,
      healthy: 1,
      wake: { last: 62, typical: 62 },
    });
    const { workers } = await snapshot();
    expect(workers).toMatchObject([{ status: 'healthy', scaledBy: 'chat' }]);
  });

  it('writes nothing while a wake goes on: the snapshot changes with a state, a count or a measured time', async () => {
    describeService({}, { models: ['m'] });
    await wantedAsleep();
    startsAfter(1e9);
    const one = registrar();
    await one.run(wakeEvent, 6_000);
    const writes = aws.ssm.writes.length;
    await one.run(wakeEvent, 60_000);
    expect(aws.ssm.writes.slice(writes).map(({ name }) => name)).toEqual([]);
  });

  it('ends a run before its time is over, and the next one carries on', async () => {
    describeService({}, { models: ['m'] });
    await wantedAsleep();
    startsAfter(400_000);
    const start = now;
    await run();
    expect(now - start).toBeLessThanOrEqual(280_000);
    expect(now - start).toBeGreaterThan(270_000);
    expect(await service()).toMatchObject({ state: 'waking', desired: 1 });
    now += 30_000;
    await run();
    expect(await service()).toMatchObject({ state: 'awake', wake: { last: expect.any(Number) } });
    expect(aws.ecs.updates).toHaveLength(1);
  });

  const awake = async (scale: object = {}, more: object = { models: ['m'] }) => {
    describeService(scale, more);
    aws.ecs.setDesired('gpu', 'chat', 1);
    setTasks(task);
    startsAfter(0);
    await run();
  };

  it('puts an idle one to sleep: listed as draining first, four cache times later the count', async () => {
    await awake();
    await minutes(16);
    expect(await service()).toMatchObject({ state: 'draining', desired: 1 });
    expect((await snapshot()).workers).toMatchObject([{ status: 'draining' }]);
    expect(aws.ecs.updates).toEqual([]);
    await minutes(1);
    expect(aws.ecs.updates.map((one) => one.desired)).toEqual([0]);
    await minutes(1);
    expect(await service()).toMatchObject({ state: 'asleep', desired: 0, running: 0, models: ['m'] });
  });

  it('keeps what its workers listed and run, for whoever asks while it sleeps', async () => {
    await awake({}, {});
    await minutes(18);
    expect(await service()).toMatchObject({ state: 'asleep', models: ['listed'], engine: 'vllm' });
    expect((await snapshot()).sleepers).toMatchObject([{ models: ['listed'], engine: 'vllm', status: 'pending' }]);
  });

  it('does not put to sleep what works, by its own counters', async () => {
    await awake();
    const starts = meanwhile;
    meanwhile = () => {
      starts();
      if (engine) engine.served += 1;
    };
    await minutes(40);
    expect(aws.ecs.updates).toEqual([]);
    meanwhile = starts;
    engine = { running: 1, waiting: 0, served: 40 };
    await minutes(20);
    expect(await service()).toMatchObject({ state: 'awake' });
  });

  it('a registrar that starts anew each minute knows as much', async () => {
    await awake();
    for (let n = 0; n < 14; n += 1) await minutes(1);
    expect(await service()).toMatchObject({ state: 'awake' });
    for (let n = 0; n < 4; n += 1) await minutes(1);
    expect(await service()).toMatchObject({ state: 'asleep', desired: 0 });
  });

  it('an engine without counters never sleeps, and says why', async () => {
    await awake({}, { engine: 'localai', models: ['m'] });
    await minutes(20);
    expect(await service()).toMatchObject({ state: 'awake', reason: expect.stringContaining('counters') });
  });

  it('a wake in the moment of going to sleep raises the count again', async () => {
    await awake();
    await minutes(16);
    aws.ecs.onUpdate((_service, count) => {
      if (count === 0) want(now);
    });
    now += 1_000;
    await minutes(1);
    expect(aws.ecs.updates.map((one) => one.desired)).toEqual([0, 1]);
    expect(desired()).toBe(1);
    expect(['waking', 'awake']).toContain((await service()).state);
  });

  it('sends nobody to a worker that was told to stop, though the count was raised again', async () => {
    await awake();
    await minutes(16);
    aws.ecs.onUpdate((_service, count) => {
      if (count === 0) want(now);
    });
    now += 1_000;
    // Time for one look: what it saw was before the count was touched.
    await registrar().run(wakeEvent, 1_500);
    expect(await service()).toMatchObject({ state: 'waking', desired: 1 });
    expect((await snapshot()).workers).toMatchObject([{ status: 'draining' }]);
    // Whom ECS has kept is there again.
    await run();
    expect(await service()).toMatchObject({ state: 'awake', healthy: 1 });
    expect((await snapshot()).workers).toMatchObject([{ status: 'healthy' }]);
  });

  it('work that began in the moment of going to sleep raises the count again', async () => {
    await awake();
    await minutes(16);
    aws.ecs.onUpdate((_service, count) => {
      if (count === 0 && engine) engine.running = 1;
    });
    await minutes(1);
    expect(aws.ecs.updates.map((one) => one.desired)).toEqual([0, 1]);
  });

  it('a wake while it drains takes it back without touching the count', async () => {
    await awake();
    await minutes(16);
    later(1_000);
    want();
    await run();
    expect(await service()).toMatchObject({ state: 'awake', healthy: 1 });
    expect((await snapshot()).workers).toMatchObject([{ status: 'healthy' }]);
    expect(aws.ecs.updates).toEqual([]);
  });

  it('honours a wake that came after the draining had begun, however late it is read', async () => {
    await awake();
    await minutes(16);
    const drainedAt = now - 30_000;
    await minutes(2);
    expect(desired()).toBe(0);
    want(drainedAt);
    startsAfter(4_000);
    await run();
    expect(desired()).toBe(1);
    expect(await service()).toMatchObject({ state: 'awake' });
  });

  it.each([
    [
      'ECS has no place',
      () =>
        aws.ecs.say(
          'gpu',
          'chat',
          '(service chat) was unable to place a task because no container instance met all of its requirements.',
          now,
        ),
      'unable to place',
    ],
    [
      'three tasks stopped',
      () =>
        setTasks(
          ...['2', '3', '4'].map((digit) => ({
            id: digit.repeat(32),
            address: '10.0.0.2',
            lastStatus: 'STOPPED',
            desiredStatus: 'STOPPED',
          })),
        ),
      '3 of its tasks',
    ],
    ['it is never healthy', () => {}, 'in time'],
  ])('gives up when %s, and tries again when it is wanted later', async (_what, happen, reason) => {
    describeService({ wakeMinutes: 4 }, { models: ['m'] });
    await wantedAsleep();
    let looks = 0;
    meanwhile = () => {
      looks += 1;
      if (looks === 3) happen();
    };
    await run();
    expect(await service()).toMatchObject({ state: 'failed', desired: 0, reason: expect.stringContaining(reason) });
    expect(aws.ecs.updates.map((one) => one.desired)).toEqual([1, 0]);
    await run();
    expect(aws.ecs.updates).toHaveLength(2);
    setTasks();
    later(301_000);
    want();
    startsAfter(4_000);
    await run();
    expect(await service()).toMatchObject({ state: 'awake', desired: 1 });
    expect((await service()).reason).toBeUndefined();
  });

  it('counts the tasks that a wake lost, beside those that had stopped before it', async () => {
    const stopped = (...digits: string[]) =>
      setTasks(...digits.map((digit) => ({ id: digit.repeat(32), lastStatus: 'STOPPED', desiredStatus: 'STOPPED' })));
    describeService({ wakeMinutes: 4 }, { models: ['m'] });
    aws.ecs.setDesired('gpu', 'chat', 0);
    stopped('1', '2', '3');
    await run();
    later(1_000);
    want();
    let looks = 0;
    let seenAtTwo: string | undefined;
    meanwhile = () => {
      looks += 1;
      if (looks === 3) stopped('1', '2', '3', '4', '5');
      if (looks === 6) {
        seenAtTwo = record().state;
        stopped('1', '2', '3', '4', '5', '6');
      }
    };
    await run();
    expect(seenAtTwo).toBe('waking');
    expect(await service()).toMatchObject({ state: 'failed', reason: expect.stringContaining('3 of its tasks') });
    expect(looks).toBeLessThan(12);
  });

  it('grows while requests wait at every worker, up to max', async () => {
    await awake({ max: 2 });
    aws.ecs.onUpdate(() => {});
    engine = { running: 4, waiting: 2, served: 9 };
    await minutes(5);
    expect(aws.ecs.updates.map((one) => one.desired)).toEqual([2]);
  });

  it('wakes an engine that sleeps by itself, and asks it for nothing else', async () => {
    await awake();
    engine = { running: 0, waiting: 0, served: 0, sleeps: true };
    await run();
    expect(await service()).toMatchObject({ state: 'asleep', desired: 1, running: 1, healthy: 0 });
    expect(posts).toEqual([]);
    later(1_000);
    want();
    await run();
    expect(posts).toEqual(['/wake_up']);
    expect(await service()).toMatchObject({ state: 'awake', healthy: 1 });
    expect(aws.ecs.updates).toEqual([]);
  });

  describe('however it is ended', () => {
    // Every call of a wake and of a sleep fails once, as if the registrar had been ended there.
    it.each(Array.from({ length: 14 }, (_, n) => n))(
      'a wake that broke off after %i calls is carried on',
      async (calls) => {
        describeService({}, { models: ['m'] });
        await wantedAsleep();
        startsAfter(4_000);
        for (const where of ['ssm', 'ecs']) aws.fault(where, undefined);
        const killed = registrarThatEndsAfter(countdown(calls));
        await killed().catch(() => {});
        await run();
        expect(await service()).toMatchObject({ state: 'awake', desired: 1, healthy: 1 });
        expect(desired()).toBe(1);
      },
    );

    it.each(Array.from({ length: 18 }, (_, n) => n))(
      'a sleep that broke off after %i calls is carried on',
      async (calls) => {
        await awake({ idleMinutes: 2 });
        await minutes(3);
        const killed = registrarThatEndsAfter(countdown(calls));
        await killed().catch(() => {});
        await minutes(6);
        expect(await service()).toMatchObject({ state: 'asleep', desired: 0, healthy: 0 });
        expect((await snapshot()).workers.filter(({ status }) => status === 'healthy')).toEqual([]);
      },
    );

    const countdown = (calls: number) => {
      let left = calls;
      return () => {
        left -= 1;
        return left < 0;
      };
    };
    /** All its calls fail from one on, and it comes to no other look. */
    const registrarThatEndsAfter = (isOver: () => boolean) => async () => {
      const ended = new Error('ended');
      const failing = <C extends { send: (...args: never[]) => unknown }>(client: C): C =>
        new Proxy(client, {
          get: (target, name) =>
            name === 'send'
              ? (...args: never[]) => (isOver() ? Promise.reject(ended) : target.send(...args))
              : Reflect.get(target, name),
        });
      // Its own memory ends with it.
      await createRegistrar({ ...parts(), ssm: failing(clients.ssm), ecs: failing(clients.ecs) }).run(wakeEvent, 1_900);
    };
  });

  it('two at once do no harm', async () => {
    describeService({}, { models: ['m'] });
    await wantedAsleep();
    startsAfter(4_000);
    await Promise.allSettled([run(), run()]);
    await run();
    expect(new Set(aws.ecs.updates.map((one) => one.desired))).toEqual(new Set([1]));
    expect(await service()).toMatchObject({ state: 'awake', desired: 1 });
    for (let n = 0; n < 20; n += 1) {
      await Promise.allSettled([run(), run()]);
      now += 60_000;
      meanwhile();
    }
    await run();
    expect(await service()).toMatchObject({ state: 'asleep', desired: 0 });
  });

  it('a gateway`s clock that is far ahead wakes nobody', async () => {
    describeService({}, { models: ['m'] });
    aws.ecs.setDesired('gpu', 'chat', 0);
    await run();
    want(now + 3_600_000);
    await run();
    expect(aws.ecs.updates).toEqual([]);
  });

  it('without `scale` makes the calls it always made, and no pointer speaks of services', async () => {
    describeService(undefined, { models: ['m'] });
    setTasks(task);
    await run();
    aws.forgetCalls();
    await run();
    const made = aws.calls.map(({ operation }) => operation);
    expect(made).toEqual(['GetParametersByPath', 'GetParameters', 'ListTasks', 'ListTasks', 'DescribeTasks']);
    expect(aws.ssm.get(`${prefix}/${POINTER_NAME}`)).not.toContain('services');
  });
});

describe('an engine that sleeps by itself when nobody asks it anything', () => {
  /** llama.cpp: `/slots` and `/metrics` wake it, and count as being asked. */
  const llama = (idleMs: number) => {
    let askedAt = now;
    const isAsleep = () => now - askedAt >= idleMs;
    const ask: Ask = async (_worker, path) => {
      if (path === '/props') return answer(JSON.stringify({ is_sleeping: isAsleep() }));
      if (path === '/health') return answer('');
      if (path === '/v1/models') return answer('{"data":[{"id":"m","owned_by":"llamacpp"}]}');
      askedAt = now;
      return path === '/slots' ? answer('[{"is_processing":false,"id_task":7}]') : answer('', 501);
    };
    return { isAsleep, ask };
  };

  it.each([
    [1, 13],
    [2, 5],
  ])(
    'with at most %i workers: one that sleeps after %i minutes comes to it, and its service after it',
    async (max, own) => {
      const { ask: asked, isAsleep } = llama(own * 60_000);
      describeService({ max }, { engine: 'llamacpp', models: ['m'] });
      aws.ecs.setDesired('gpu', 'chat', 1);
      setTasks(task);
      const one = createRegistrar({ ...parts(), ask: asked });
      let slept = false;
      for (let n = 0; n < 15; n += 1) {
        await minutes(1, one);
        // Once asleep, nothing the registrar asks wakes it.
        if (slept) expect(isAsleep()).toBe(true);
        slept = isAsleep();
      }
      expect(slept).toBe(true);
      expect(aws.ecs.updates).toEqual([]);
      await minutes(4, one);
      expect(aws.ecs.updates.map(({ desired: count }) => count)).toEqual([0]);
    },
  );

  it('what it did while it was not asked keeps its service awake', async () => {
    const { ask: asked } = llama(Number.POSITIVE_INFINITY);
    let lastTask = 7;
    const busy: Ask = async (worker, path, options) =>
      path === '/slots' ? answer(`[{"is_processing":false,"id_task":${lastTask}}]`) : asked(worker, path, options);
    describeService({}, { engine: 'llamacpp', models: ['m'] });
    aws.ecs.setDesired('gpu', 'chat', 1);
    setTasks(task);
    const one = createRegistrar({ ...parts(), ask: busy });
    await minutes(8, one);
    lastTask += 1;
    await minutes(14, one);
    expect(await service()).toMatchObject({ state: 'awake' });
    await minutes(20, one);
    expect(await service()).toMatchObject({ state: 'asleep' });
  });
});
