import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDeferred } from '../support/deferred.ts';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { endingOf, errorIn } from '../support/endings.ts';
import { type Gateway, nodeIdOf, startGateway } from '../support/gateway.ts';
import { type Operation, operation, operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';
import {
  type Behaviour,
  combine,
  cut,
  holdAt,
  inPiecesOf,
  modelLoading,
  reply,
  stallAfter,
} from '../support/worker/behaviours.ts';

/** docs/contract.md section 6: what a client hears while its worker is silent. */
const model = 'test-model';
const keepAliveMs = 100;
const sse = operations.filter(({ streams }) => streams === 'sse');
const ndjson = operations.filter(({ streams }) => streams === 'ndjson');
const each = <T extends { readonly name: string }>(all: readonly T[]) => all.map((one) => [one.name, one] as const);
const keepAliveOf = ({ dialect }: Operation) =>
  dialect === 'anthropic' ? 'event: ping\ndata: {"type": "ping"}\n\n' : ': keep-alive\n';
const isHealth = ({ path }: StandIn['requests'][number]) => path === '/readyz';

let workers: [StandIn, StandIn];
let gateway: Gateway;
beforeAll(async () => {
  workers = [
    await startWorker({ name: 'alpha', models: [model] }),
    await startWorker({ name: 'beta', models: [model] }),
  ];
  gateway = await startGateway({
    workers,
    env: { GATEWAY_KEEPALIVE_SECONDS: `${keepAliveMs / 1000}`, GATEWAY_IDLE_TIMEOUT_SECONDS: '1' },
  });
});
beforeEach(() => {
  for (const worker of workers) {
    worker.reset();
    worker.report(undefined);
  }
});
afterAll(() => Promise.all([gateway?.close(), ...(workers ?? []).map((worker) => worker.close())]));

/** Whichever worker is asked first behaves so; the other one does as it always does. */
const firstDoes = (behaviour: Behaviour, ofProbes?: Behaviour) => {
  let first: StandIn | undefined;
  for (const worker of workers) {
    worker.behave((request) => {
      if (request.method === 'GET') return first === worker ? ofProbes : undefined;
      first ??= worker;
      return first === worker ? behaviour : undefined;
    });
  }
  return {
    worker: () => first as StandIn,
    other: () => workers.find((worker) => worker !== first) as StandIn,
  };
};
const ask = (one: Operation, of = gateway) => of.send(pathOf(one, model), { body: one.body(model, true) });
const sentBy = (worker: StandIn) => worker.requests[0]?.sent() ?? Buffer.alloc(0);

describe.each(each(sse))('%s', (_, one) => {
  test('before the first byte: keep-alives, the head with the waited-for worker, then the stream', async () => {
    const release = createDeferred();
    const { worker, other } = firstDoes(holdAt(0, release.promise));
    const reply = await ask(one);
    expect(reply.status).toBe(200);
    expect(reply.headers['content-type']).toMatch(/^text\/event-stream/);
    expect(reply.headers['x-localai-node']).toBe(nodeIdOf(worker()));
    expect(worker().probes.filter(isHealth)).toHaveLength(1);
    await reply.until(keepAliveOf(one).repeat(3));
    release.resolve();
    const received = await reply.all();
    expect(endingOf(one, received)).toBe('whole');
    expect(received.text.replaceAll(keepAliveOf(one), '')).toBe(sentBy(worker()).toString());
    expect(other().requests).toHaveLength(0);
    expect(worker().probes.filter(isHealth)).toHaveLength(1);
  });

  test('between two events: keep-alives', async () => {
    const release = createDeferred();
    const { worker } = firstDoes(holdAt(2, release.promise));
    const reply = await ask(one);
    const so = await reply.until(keepAliveOf(one).repeat(2));
    // A busy test may find a third one there already.
    expect(so.replaceAll(keepAliveOf(one), '')).toBe(sentBy(worker()).toString());
    expect(so.endsWith(keepAliveOf(one).repeat(2))).toBe(true);
    release.resolve();
    const received = await reply.all();
    expect(endingOf(one, received)).toBe('whole');
    expect(received.text.replaceAll(keepAliveOf(one), '')).toBe(sentBy(worker()).toString());
  });

  test('inside an event, which nobody has seen yet: keep-alives', async () => {
    const release = createDeferred();
    const { worker } = firstDoes(combine(inPiecesOf(25), holdAt(1, release.promise)));
    const reply = await ask(one);
    await reply.until(keepAliveOf(one).repeat(2));
    release.resolve();
    const received = await reply.all();
    expect(received.text.replaceAll(keepAliveOf(one), '')).toBe(sentBy(worker()).toString());
    expect(endingOf(one, received)).toBe('whole');
  });

  test('a worker that is not healthy is replaced before anything is sent', async () => {
    const { worker, other } = firstDoes(stallAfter(-1), reply(503, 'dying'));
    const reply_ = await ask(one);
    const received = await reply_.all();
    expect(received.headers['x-localai-node']).toBe(nodeIdOf(other()));
    expect(endingOf(one, received)).toBe('whole');
    expect(received.body.equals(sentBy(other()))).toBe(true);
    expect(worker().requests).toHaveLength(1);
    // The one that was given up has heard of it.
    expect(await worker().requests[0]?.closed).toBeLessThan(performance.now());
  });

  test('behind the first keep-alive there is no other worker', async () => {
    const release = createDeferred();
    const { worker, other } = firstDoes({
      deliver: async (exchange, answer) => {
        await release.promise;
        await cut('before-head').deliver?.(exchange, answer);
      },
    });
    const reply_ = await ask(one);
    await reply_.until(keepAliveOf(one));
    release.resolve();
    const received = await reply_.all();
    expect([received.status, endingOf(one, received)]).toEqual([200, 'error']);
    expect(received.headers['x-localai-node']).toBe(nodeIdOf(worker()));
    expect(other().requests).toHaveLength(0);
  });

  test.each([
    ['busy', reply(429, { error: { message: 'too busy for this' } }), /too busy for this/],
    ['loading', modelLoading(model, 'inner-node'), /is loading/],
    ['an error page', reply(500, '<h1>at /srv/app.py:1:2</h1>', { 'content-type': 'text/html' }), /error/],
    ['JSON that is no answer', reply(200, { choices: [] }), /did not stream/],
    ['a redirect elsewhere', reply(302, '', { location: 'http://10.0.0.9/' }), /redirect/],
  ] as [string, Behaviour, RegExp][])('a late %s is told in the stream', async (__, behaviour, words) => {
    const release = createDeferred();
    firstDoes(combine(behaviour, holdAt(0, release.promise)));
    const reply_ = await ask(one);
    await reply_.until(keepAliveOf(one));
    release.resolve();
    const received = await reply_.all();
    expect([received.status, endingOf(one, received)]).toEqual([200, 'error']);
    expect(errorIn(one, received).message).toMatch(words);
    expect(received.text).not.toMatch(/app\.py|10\.0\.0\.9/);
  });
});

describe('the health question', () => {
  const one = operation('chat');

  test('is waited for one second at most', async () => {
    const { other } = firstDoes(stallAfter(-1), stallAfter(-1));
    const startedAt = performance.now();
    const received = await (await ask(one)).all();
    expect(received.headers['x-localai-node']).toBe(nodeIdOf(other()));
    expect(endingOf(one, received)).toBe('whole');
    expect(performance.now() - startedAt).toBeGreaterThan(1000);
    expect(performance.now() - startedAt).toBeLessThan(2500);
  });

  test('an answer that comes meanwhile is passed on with its own status', async () => {
    const asked = createDeferred();
    const answered = createDeferred();
    const { worker } = firstDoes(combine(reply(400, { error: { message: 'bad' } }), holdAt(0, asked.promise)), {
      deliver: async (exchange, answer) => {
        asked.resolve();
        await answered.promise;
        await holdAt(0, Promise.resolve()).deliver?.(exchange, answer);
      },
    });
    const reply_ = ask(one);
    await asked.promise;
    expect(await until(() => worker().requests[0]?.sent().length !== 0)).toBe(true);
    answered.resolve();
    const received = await (await reply_).all();
    expect([received.status, received.json()]).toEqual([400, { error: { message: 'bad' } }]);
  });

  test('a sick worker is waited for when there is no other', async () => {
    const [alpha] = workers;
    await using alone = await startGateway({
      workers: [alpha],
      functions: ['openai'],
      env: { GATEWAY_KEEPALIVE_SECONDS: '0.1' },
    });
    const release = createDeferred();
    alpha.report({ healthy: false });
    alpha.next(holdAt(0, release.promise));
    const reply_ = await ask(one, alone);
    await reply_.until(keepAliveOf(one));
    release.resolve();
    expect(endingOf(one, await reply_.all())).toBe('whole');
  });

  test('a buffered request gets no keep-alive and no question', async () => {
    const release = createDeferred();
    const { worker } = firstDoes(holdAt(0, release.promise));
    const reply_ = gateway.fetch(pathOf(one, model), { body: one.body(model) });
    await new Promise((resolve) => setTimeout(resolve, 3 * keepAliveMs));
    release.resolve();
    const received = await reply_;
    expect(received.body.equals(sentBy(worker()))).toBe(true);
    expect(worker().probes).toHaveLength(0);
  });
});

describe.each(each(ndjson))('%s', (_, one) => {
  test('gets none: byte for byte, however silent the worker', async () => {
    for (const parts of [0, 2]) {
      const release = createDeferred();
      const { worker } = firstDoes(holdAt(parts, release.promise));
      const reply_ = ask(one);
      await new Promise((resolve) => setTimeout(resolve, 3 * keepAliveMs));
      release.resolve();
      const received = await (await reply_).all();
      expect(received.body.equals(worker().requests.at(-1)?.sent() ?? Buffer.alloc(0))).toBe(true);
      expect(worker().probes).toHaveLength(0);
    }
  });
});

describe('a worker that never speaks', () => {
  test('is given up in time, and said so in the stream', async () => {
    await using strict = await startGateway({
      workers,
      functions: ['openai', 'anthropic'],
      env: { GATEWAY_KEEPALIVE_SECONDS: '0.1', GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: '0.5' },
    });
    for (const one of ['chat', 'messages'].map(operation)) {
      const { worker, other } = firstDoes(stallAfter(-1));
      const received = await (await ask(one, strict)).all();
      expect([received.status, endingOf(one, received)]).toEqual([200, 'error']);
      expect(errorIn(one, received).message).toMatch(/in time/);
      expect(received.headers['x-localai-node']).toBe(nodeIdOf(worker()));
      expect(other().requests).toHaveLength(0);
      expect(await worker().requests[0]?.closed).toBeLessThan(performance.now());
      for (const each of workers) each.reset();
    }
  });

  test('before a keep-alive time is over: one other worker, and a status of its own', async () => {
    await using strict = await startGateway({
      workers,
      functions: ['openai'],
      env: { GATEWAY_KEEPALIVE_SECONDS: '5', GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: '0.2' },
    });
    for (const worker of workers) worker.behave(stallAfter(-1));
    const received = await (await ask(operation('chat'), strict)).all();
    expectErrorIn('openai', received);
    expect(received.status).toBe(504);
    expect(workers.map(({ requests }) => requests.length)).toEqual([1, 1]);
  });
});
