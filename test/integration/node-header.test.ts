import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDeferred } from '../support/deferred.ts';
import { type Gateway, nodeIdOf, startGateway } from '../support/gateway.ts';
import type { Received } from '../support/http.ts';
import { operation, operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { cut, firstEventError, holdAt, modelLoading, reply, withHeaders } from '../support/worker/behaviours.ts';

/** docs/contract.md section 3 on the wire: the node header is exact, or absent. */
const model = 'test-model';
const header = 'x-localai-node';
const chat = operation('chat');
const kept: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(resource: T): T => {
  kept.push(resource);
  return resource;
};

let alpha: StandIn;
let beta: StandIn;
let workers: readonly StandIn[];
let on: Gateway;
let off: Gateway;
beforeAll(async () => {
  workers = await Promise.all(['alpha', 'beta'].map((name) => startWorker({ name, models: [model] })));
  [alpha, beta] = workers as [StandIn, StandIn];
  on = await startGateway({ workers });
  off = await startGateway({ workers, env: { LOCALAI_EXPOSE_NODE_HEADER: undefined } });
});
afterAll(() => Promise.all([on?.close(), off?.close(), ...(workers ?? []).map((worker) => worker.close())]));
beforeEach(() => {
  for (const worker of workers) worker.reset();
});
afterEach(async () => {
  await Promise.all(kept.splice(0).map((resource) => resource[Symbol.asyncDispose]()));
});

/** Random system prompts, so that no affinity pins the requests. */
const conversation = (stream: boolean) => ({
  model,
  stream,
  messages: [{ role: 'user', content: `${Math.random()}` }],
});
const ask = (gateway: Gateway, stream = false) => gateway.fetch('/v1/chat/completions', { body: conversation(stream) });
const answeredBy = ({ headers }: Received) => nodeIdOf({ name: String(headers['x-stand-in']) });

describe('switched on', () => {
  test.each(
    operations.flatMap((one) =>
      (one.streams ? [false, true] : [false]).map((stream) => [one.name, stream, one] as const),
    ),
  )('%s (streamed: %s): names the worker whose bytes these are', async (_, stream, one) => {
    const received = await on.fetch(pathOf(one, model), { body: one.body(model, stream) });
    expect(received.status).toBe(200);
    expect(received.headers[header]).toBe(answeredBy(received));
  });

  test('is the id in GET /api/nodes', async () => {
    const nodes = (await on.fetch('/api/nodes')).json() as { id: string }[];
    const received = await ask(on);
    expect(nodes.map(({ id }) => id)).toContain(received.headers[header]);
  });

  test('is not the address', async () => {
    const { headers } = await ask(on);
    expect(headers[header]).not.toMatch(/127\.0\.0\.1|localhost|:\d/);
  });

  test('20 over two workers: each header is its own', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => ask(on)));
    expect(all.map(({ headers }) => headers[header])).toEqual(all.map(answeredBy));
    expect(new Set(all.map(answeredBy)).size).toBe(2);
  });

  test('64 at a time, all in flight together: each header is its own, and so is the content', async () => {
    const release = createDeferred();
    for (const worker of workers) worker.behave(holdAt(2, release.promise));
    const replies = await Promise.all(
      Array.from({ length: 64 }, () => on.send('/v1/chat/completions', { body: conversation(true) })),
    );
    expect(alpha.requests.length + beta.requests.length).toBe(64);
    release.resolve();
    const all = await Promise.all(replies.map((one) => one.all()));
    expect(all.map(({ headers }) => headers[header])).toEqual(all.map(answeredBy));
    for (const { text, headers } of all) expect(text).toContain(`"content":" ${headers['x-stand-in']}"`);
    expect(new Set(all.map(answeredBy)).size).toBe(2);
  });

  test('is in the head, before any byte of the body', async () => {
    const release = createDeferred();
    for (const worker of workers) worker.behave(holdAt(1, release.promise));
    const streaming = await on.send('/v1/chat/completions', { body: conversation(true) });
    expect(streaming.headers[header]).toMatch(/^node-(alpha|beta)$/);
    release.resolve();
    expect((await streaming.all()).complete).toBe(true);
  });

  test.each([400, 404, 422, 500])("is on the worker's own %d", async (status) => {
    for (const worker of workers) worker.behave(reply(status, { error: { message: 'no', code: status } }));
    const received = await ask(on);
    expect([received.status, received.json()]).toEqual([status, { error: { message: 'no', code: status } }]);
    expect(received.headers[header]).toBe(answeredBy(received));
  });

  test('is on an error of the gateway after a worker was tried', async () => {
    for (const worker of workers) worker.behave(cut('before-head'));
    const received = await ask(on);
    expect(received.status).toBe(502);
    const tried = [alpha, beta].flatMap(({ requests, name }) =>
      requests.map(({ receivedAt }) => ({ receivedAt, name })),
    );
    const last = tried.sort((a, b) => a.receivedAt - b.receivedAt).at(-1);
    expect(received.headers[header]).toBe(nodeIdOf(last ?? { name: 'none was tried' }));
  });

  test.each([
    ['a reset', cut('before-head')],
    ['a head without a body', cut('after-head')],
    ['429', reply(429, { error: { message: 'busy' } }, { 'retry-after': '1' })],
    ['502', reply(502, 'bad gateway')],
    ['503', reply(503, 'unavailable')],
    ['504', reply(504, 'timeout')],
    ['a loading model', modelLoading(model, 'inner-node')],
    ['a first event that is an error', firstEventError({ error: { message: 'no', code: 503 } })],
  ])('after a failover from %s it names the one that answered', async (_, behaviour) => {
    // Environments of its own: those of the other tests have learnt to avoid a bad worker.
    const fresh = keep(await startGateway({ workers, functions: ['openai'] }));
    alpha.behave(behaviour);
    const all = await Promise.all(Array.from({ length: 8 }, () => ask(fresh, true)));
    expect(all.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(all.map(({ headers }) => headers[header])).toEqual(Array(8).fill(nodeIdOf(beta)));
    expect(alpha.requests.length).toBeGreaterThan(0);
  });

  test.each([
    ['unknown path', '/v1/nothing', { body: {} }, 404],
    ['wrong method', '/v1/chat/completions', { method: 'GET' }, 405],
    ['unknown model', '/v1/chat/completions', { body: chat.body('nobody-has-it') }, 404],
    ['malformed JSON', '/v1/chat/completions', { body: '{', headers: { 'content-type': 'application/json' } }, 400],
    ['model list', '/v1/models', {}, 200],
  ] as const)('is absent when no worker was contacted: %s', async (_, path, options, status) => {
    const received = await on.fetch(path, options);
    expect(received.status).toBe(status);
    expect(received.rawHeaders.join('\n').toLowerCase()).not.toContain(header);
  });

  test('is absent without a key, and with one there', async () => {
    const closed = keep(
      await startGateway({
        workers,
        functions: ['openai'],
        env: { GATEWAY_ALLOW_ANONYMOUS: 'false', LOCALAI_API_KEY: 'k' },
      }),
    );
    const refused = await ask(closed);
    expect([refused.status, refused.headers[header]]).toEqual([401, undefined]);
    const body = conversation(false);
    const received = await closed.fetch('/v1/chat/completions', { body, headers: { authorization: 'Bearer k' } });
    expect([received.status, received.headers[header]]).toEqual([200, answeredBy(received)]);
  });

  test('cannot be chosen, forged or influenced by the client or the worker', async () => {
    for (const worker of workers) worker.behave(withHeaders({ 'X-LocalAI-Node': 'forged-by-worker' }));
    const received = await on.fetch('/v1/chat/completions', {
      body: conversation(false),
      headers: ['X-LocalAI-Node', 'forged', 'x-localai-node', 'forged-too'],
    });
    expect(received.headers[header]).toBe(answeredBy(received));
    expect(received.rawHeaders.filter((name) => name.toLowerCase() === header)).toHaveLength(1);
    expect([...alpha.requests, ...beta.requests][0]?.headers).not.toHaveProperty(header);
  });
});

describe('switched off', () => {
  const nothingOf = (received: Received, gateway: Gateway) => {
    const said = `${received.rawHeaders.join('\n')}\n${received.text}`;
    expect(said.toLowerCase()).not.toContain(header);
    for (const worker of workers) {
      expect(said).not.toContain(nodeIdOf(worker));
      expect(said).not.toContain(String(worker.port));
    }
    expect(said).not.toContain('inner-node');
    expect(gateway).toBe(off);
  };

  test.each([undefined, 'false', '0', ''])('by LOCALAI_EXPOSE_NODE_HEADER=%s', async (value) => {
    const gateway = keep(
      await startGateway({ workers, functions: ['openai'], env: { LOCALAI_EXPOSE_NODE_HEADER: value } }),
    );
    expect((await ask(gateway)).headers).not.toHaveProperty(header);
  });

  test.each(operations.map((one) => [one.name, one] as const))('%s: no trace', async (_, one) => {
    for (const worker of workers) worker.behave(withHeaders({ 'X-LocalAI-Node': 'inner-node' }));
    for (const stream of one.streams ? [false, true] : [false]) {
      nothingOf(await off.fetch(pathOf(one, model), { body: one.body(model, stream) }), off);
    }
  });

  test.each([
    ['a cut before the head', cut('before-head'), 502],
    ['a loading model', modelLoading(model, 'inner-node'), 503],
    ['busy', reply(429, { error: 'busy' }), 429],
    ['a first event that is an error', firstEventError({ error: { message: 'no', code: 500 } }), 500],
    ['a redirect elsewhere', reply(302, '', { location: 'http://10.0.0.9/inner-node' }), 502],
  ] as const)('no trace in the error after %s', async (_, behaviour, status) => {
    for (const worker of workers) worker.behave(behaviour);
    const received = await ask(off, true);
    expect(received.status).toBe(status);
    nothingOf(received, off);
  });

  test('no trace in a stream that is cut', async () => {
    for (const worker of workers) worker.behave(cut({ midEvent: 3 }));
    nothingOf(await ask(off, true), off);
  });

  test('loading.node is taken out of a model_loading body, the rest stays', async () => {
    for (const worker of workers) worker.behave(modelLoading(model, 'inner-node'));
    const received = await ask(off);
    const { error, loading } = received.json() as { error: object; loading: object };
    expect([received.status, received.headers['retry-after']]).toEqual([503, '7']);
    expect(error).toMatchObject({ code: 'model_loading' });
    expect(loading).toMatchObject({ model, progress: 0.5 });
    expect(loading).not.toHaveProperty('node');
  });
});
