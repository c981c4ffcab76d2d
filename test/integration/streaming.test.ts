import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDeferred } from '../support/deferred.ts';
import { door, type Gateway, nodeIdOf, startGateway } from '../support/gateway.ts';
import { operation, operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';
import { cut, holdAt, paced, stallAfter } from '../support/worker/behaviours.ts';

/** docs/contract.md section 6: streams flow as they come, connections end when they should. */
const model = 'test-model';
const streaming = operations.filter(({ streams }) => streams);
const kept: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(resource: T): T => {
  kept.push(resource);
  return resource;
};

let worker: StandIn;
let gateway: Gateway;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
  gateway = await startGateway({ workers: [worker] });
});
afterAll(() => Promise.all([gateway?.close(), worker?.close()]));
beforeEach(() => worker.reset());
afterEach(async () => {
  await Promise.all(kept.splice(0).map((resource) => resource[Symbol.asyncDispose]()));
});

describe('chunk by chunk', () => {
  test.each(streaming.map((one) => [one.name, one] as const))(
    '%s: head and first part are there before the worker has made its last',
    async (_, one) => {
      const release = createDeferred();
      worker.next(holdAt(1, release.promise));
      const reply = await gateway.send(pathOf(one, model), { body: one.body(model, true) });
      expect([reply.status, reply.headers['x-localai-node']]).toEqual([200, nodeIdOf(worker)]);
      const first = await reply.next();
      const [seen] = worker.requests;
      expect(first?.bytes.equals(seen?.sent() ?? Buffer.alloc(0))).toBe(true);
      release.resolve();
      const received = await reply.all();
      expect([received.complete, received.body.equals(seen?.sent() ?? Buffer.alloc(0))]).toEqual([true, true]);
    },
  );

  test('each part leaves as it is made', async () => {
    worker.next(paced(30));
    const one = operation('chat');
    const received = await (await gateway.send(pathOf(one, model), { body: one.body(model, true) })).all();
    const times = received.chunks.map(({ at }) => at);
    expect(times.length).toBeGreaterThanOrEqual(6);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(120);
  });
});

describe('a client that leaves', () => {
  test.each(operations.map((one) => [one.name, one] as const))(
    '%s: the upstream connection is closed within a second',
    async (_, one) => {
      worker.next(stallAfter(one.streams ? 1 : 0));
      const abort = new AbortController();
      const options = { body: one.body(model, true), signal: abort.signal };
      const reply = gateway.send(pathOf(one, model), options).catch((error: Error) => error);
      const seen = await worker.arrival();
      if (one.streams) await reply;
      const leftAt = performance.now();
      abort.abort();
      expect((await seen.closed) - leftAt).toBeLessThan(1000);
      await reply;
    },
  );

  test('before the worker said anything', async () => {
    const one = operation('chat');
    worker.next(stallAfter(-1));
    const abort = new AbortController();
    const reply = gateway.send(pathOf(one, model), { body: one.body(model), signal: abort.signal });
    const seen = await worker.arrival();
    const leftAt = performance.now();
    abort.abort();
    await expect(reply).rejects.toThrow();
    expect((await seen.closed) - leftAt).toBeLessThan(1000);
  });

  test('leaves the next one unharmed', async () => {
    const one = operation('chat');
    for (let turn = 0; turn < 5; turn += 1) {
      worker.next(stallAfter(2));
      const reply = await gateway.send(pathOf(one, model), { body: one.body(model, true) });
      await reply.next();
      reply.abort();
      expect((await gateway.fetch(pathOf(one, model), { body: one.body(model, true) })).complete).toBe(true);
    }
  });
});

describe('a cut on a connection that was used before', () => {
  test.each(['after-head', { after: 1 }, { midEvent: 1 }] as const)(
    '%j: is not repeated behind the head',
    async (point) => {
      const one = operation('chat');
      const warm = keep(
        await startGateway({ workers: [worker], functions: ['openai'], limits: { maxEnvironments: 1 } }),
      );
      const ask = () => warm.fetch(pathOf(one, model), { body: one.body(model, true) });
      await ask();
      worker.next(cut(point));
      await ask();
      expect(worker.requests.map(({ reusedSocket }) => reusedSocket)).toEqual([false, true]);
      // A repetition would have been sent, and have arrived, before this one.
      await ask();
      expect(worker.requests).toHaveLength(3);
    },
  );
});

describe('connections kept between requests', () => {
  const limits = { maxEnvironments: 1 };
  const ask = (of: Gateway) => {
    const one = operation('chat');
    return of.fetch(pathOf(one, model), { body: one.body(model) });
  };

  test('are reused', async () => {
    const warm = keep(await startGateway({ workers: [worker], functions: ['openai'], limits }));
    for (let turn = 0; turn < 4; turn += 1) expect((await ask(warm)).status).toBe(200);
    expect(warm.environments()).toHaveLength(1);
    expect(worker.requests.slice(1).every(({ reusedSocket }) => reusedSocket)).toBe(true);
  });

  test.each([
    ['closed', 60, 200],
    ['closed about now', 60, 60],
    ['closed much earlier', 30, 600],
  ])(
    '%s by the worker while the environment was frozen, or idle: no request fails',
    async (_, idleCloseMs, pauseMs) => {
      const impatient = keep(await startWorker({ name: 'beta', models: [model], idleCloseMs }));
      const frozen = keep(await startGateway({ workers: [impatient], functions: ['openai'], limits }));
      for (let turn = 0; turn < 8; turn += 1) {
        const received = await ask(frozen);
        expect([received.status, received.headers['x-localai-node']]).toEqual([200, nodeIdOf(impatient)]);
        if (door !== 'container') expect(await until(() => frozen.environments()[0]?.state === 'frozen')).toBe(true);
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
      expect(impatient.requests).toHaveLength(8);
      expect(frozen.environments()).toHaveLength(1);
    },
  );

  test('idle over four seconds are not used again', async () => {
    const warm = keep(await startGateway({ workers: [worker], functions: ['openai'], limits }));
    await ask(warm);
    await new Promise((resolve) => setTimeout(resolve, 4200));
    await ask(warm);
    expect(worker.requests.map(({ reusedSocket }) => reusedSocket)).toEqual([false, false]);
  });
});
