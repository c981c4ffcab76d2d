import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createDeferred } from '../support/deferred.ts';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { endingOf, errorIn } from '../support/endings.ts';
import { startFullListener } from '../support/full-listener.ts';
import { type Gateway, settingOf, startGateway } from '../support/gateway.ts';
import { type Operation, operation, operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';
import { holdAt, stallAfter } from '../support/worker/behaviours.ts';

/** docs/contract.md section 6: every time limit ends the request, tells the client and closes the upstream at once. */
const model = 'test-model';
const kept: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(resource: T): T => {
  kept.push(resource);
  return resource;
};
afterEach(async () => {
  await Promise.all(kept.splice(0).map((resource) => resource[Symbol.asyncDispose]()));
});
const chat = operation('chat');
const ask = (of: Gateway, one: Operation, stream = true) =>
  of.fetch(pathOf(one, model), { body: one.body(model, stream) });

describe('connect', () => {
  test('a worker whose port does not answer is passed over in time', async () => {
    await using full = await startFullListener();
    const worker = keep(await startWorker({ name: 'alpha', models: [model] }));
    const silent = { id: 'node-full', url: full.url, models: [model] };
    const env = { GATEWAY_CONNECT_TIMEOUT_MS: '200', GATEWAY_POLICY: 'random' };
    const gateway = keep(await startGateway({ workers: [silent, worker], functions: ['openai'], env }));
    await gateway.fetch('/v1/models');
    const times: number[] = [];
    for (let turn = 0; turn < 12; turn += 1) {
      const startedAt = performance.now();
      const received = await ask(gateway, chat);
      expect([received.status, received.headers['x-localai-node']]).toEqual([200, 'node-alpha']);
      times.push(performance.now() - startedAt);
    }
    // One of them met it; then it was out.
    expect(times.filter((time) => time >= 200)).toHaveLength(1);
    expect(Math.max(...times)).toBeLessThan(1500);
  });

  test('alone it is 502', async () => {
    await using full = await startFullListener();
    const gateway = keep(
      await startGateway({
        workers: [{ id: 'node-full', url: full.url, models: [model] }],
        functions: ['openai'],
        env: { GATEWAY_CONNECT_TIMEOUT_MS: '100' },
      }),
    );
    const received = await ask(gateway, chat);
    expectErrorIn('openai', received);
    expect([received.status, received.headers['x-localai-node']]).toEqual([502, 'node-full']);
  });
});

describe('first byte', () => {
  test.each([
    ['no head', -1],
    ['a head without a body', 0],
  ])('%s: at most one more worker, 504, connections closed', async (_, parts) => {
    const workers = await Promise.all(
      ['alpha', 'beta', 'gamma'].map((name) => startWorker({ name, models: [model] }).then(keep)),
    );
    const env = { GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: '0.6', GATEWAY_MAX_ATTEMPTS: '3' };
    const gateway = keep(await startGateway({ workers, functions: ['openai', 'ollama', 'rerank'], env }));
    for (const one of ['chat', 'ollama chat', 'rerank'].map(operation)) {
      for (const worker of workers) {
        worker.reset();
        worker.behave(stallAfter(parts));
      }
      const startedAt = performance.now();
      const received = await ask(gateway, one);
      const endedAt = performance.now();
      expectErrorIn(one.dialect, received);
      expect(received.status).toBe(504);
      expect(endedAt - startedAt).toBeGreaterThanOrEqual(1190);
      const seen = workers.flatMap(({ requests, name }) => requests.map((request) => ({ request, name })));
      expect(seen).toHaveLength(2);
      seen.sort((a, b) => a.request.receivedAt - b.request.receivedAt);
      expect(received.headers['x-localai-node']).toBe(`node-${seen[1]?.name}`);
      for (const { request } of seen) expect((await request.closed) - endedAt).toBeLessThan(500);
    }
  });

  test('a slow one is followed by a good one', async () => {
    const workers = await Promise.all(
      ['alpha', 'beta'].map((name) => startWorker({ name, models: [model] }).then(keep)),
    );
    const env = { GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: '0.6', GATEWAY_POLICY: 'random' };
    const gateway = keep(await startGateway({ workers, functions: ['openai'], env }));
    workers[0]?.behave(stallAfter(-1));
    for (let turn = 0; turn < 12; turn += 1) {
      const received = await ask(gateway, chat);
      expect([received.status, received.headers['x-localai-node']]).toEqual([200, 'node-beta']);
    }
    expect(workers[0]?.requests).toHaveLength(1);
  });
});

describe("Lambda's deadline", () => {
  const timeoutSeconds = 4;
  const marginMs = 2400;
  const limitMs = timeoutSeconds * 1000 - marginMs;
  let worker: StandIn;
  let gateway: Gateway;
  let pids: readonly number[];
  /** Every operation at a time; the correlation id tells which request is whose. */
  const askAll = (stream: boolean, round: string) =>
    Promise.all(
      operations.map(async (one) => {
        const id = `${round}-${one.name.replaceAll(' ', '-')}`;
        const startedAt = performance.now();
        const received = await gateway.fetch(pathOf(one, model), {
          body: one.body(model, stream && one.streams !== undefined),
          headers: { 'x-correlation-id': id },
        });
        const tookMs = performance.now() - startedAt;
        const closedAfterMs = async () => {
          const seen = worker.requests.find(({ headers }) => headers['x-correlation-id'] === id);
          return ((await seen?.closed) ?? Number.NaN) - startedAt;
        };
        return [one.name, { received, tookMs, closedAfterMs }] as const;
      }),
    ).then((all) => new Map(all));
  type Results = Awaited<ReturnType<typeof askAll>>;
  const rounds: { parts: number; results: Results }[] = [];

  beforeAll(async () => {
    worker = await startWorker({ name: 'alpha', models: [model] });
    gateway = await startGateway({
      workers: [settingOf(worker)],
      env: { GATEWAY_DEADLINE_MARGIN_MS: `${marginMs}`, GATEWAY_KEEPALIVE_SECONDS: '0.3' },
      timeoutSeconds,
    });
    const release = createDeferred();
    worker.behave(holdAt(0, release.promise));
    const warmUp = askAll(false, 'warm');
    // All in flight together, so that each has an environment of its own, started and warm.
    await until(() => worker.requests.length === operations.length, 20_000);
    release.resolve();
    await warmUp;
    pids = gateway.environments().map(({ pid }) => pid);
    for (const parts of [-1, 1]) {
      worker.behave(stallAfter(parts));
      rounds.push({ parts, results: await askAll(true, `parts${parts}`) });
    }
  });
  afterAll(() => Promise.all([gateway?.close(), worker?.close()]));

  test.each(operations.map((one) => [one.name, one] as const))('%s: told in time, upstream closed', async (_, one) => {
    for (const { parts, results } of rounds) {
      const { received, tookMs, closedAfterMs } = results.get(one.name) as NonNullable<ReturnType<Results['get']>>;
      expect(received.headers['x-localai-node']).toBe('node-alpha');
      if (one.streams === undefined && parts === 1) {
        expect(received.status).toBe(200);
        continue;
      }
      expect(tookMs).toBeGreaterThanOrEqual(limitMs - 50);
      expect(tookMs).toBeLessThan(limitMs + 1000);
      expect((await closedAfterMs()) - limitMs).toBeGreaterThan(-50);
      expect((await closedAfterMs()) - limitMs).toBeLessThan(1000);
      if (parts === -1 && one.streams !== 'sse') {
        expectErrorIn(one.dialect, received);
        expect(received.status).toBe(504);
      } else if (one.streams === 'binary') {
        expect([received.status, endingOf(one, received)]).toEqual([200, 'broken']);
      } else {
        expect([received.status, endingOf(one, received)]).toEqual([200, 'error']);
        expect(errorIn(one, received).message).toMatch(/time limit/);
        if (one.dialect === 'anthropic') expect(errorIn(one, received).type).toBe('timeout_error');
      }
    }
  });

  test('no environment suffered', () => {
    expect(gateway.environments().map(({ pid }) => pid)).toEqual(pids);
  });

  test('behind the terminal marker it is no error', async () => {
    worker.next(stallAfter(100));
    expect(endingOf(chat, await ask(gateway, chat))).toBe('whole');
  });
});
