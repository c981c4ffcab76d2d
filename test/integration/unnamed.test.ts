import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDeferred } from '../support/deferred.ts';
import { endingOf } from '../support/endings.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { operation, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import {
  type Behaviour,
  combine,
  cut,
  endingWith,
  firstEventError,
  holdAt,
  inPiecesOf,
  reply,
} from '../support/worker/behaviours.ts';

/** docs/contract.md 3.5 and 3.6: what is different while the node header is off, as it is by default. */
const model = 'test-model';
const node = 'gpu-node-7';
const message = `model is loading on ${node}`;
const error = { message, type: 'model_loading', code: 'model_loading' };
const loading = { model, state: 'loading', node, eta_seconds: 7 };

let workers: [StandIn, StandIn];
let gateway: Gateway;
beforeAll(async () => {
  workers = [
    await startWorker({ name: 'alpha', models: [model] }),
    await startWorker({ name: 'beta', models: [model] }),
  ];
  gateway = await startGateway({
    workers,
    functions: ['openai', 'anthropic', 'ollama'],
    env: { LOCALAI_EXPOSE_NODE_HEADER: undefined, GATEWAY_KEEPALIVE_SECONDS: '0.1' },
  });
});
beforeEach(() => {
  for (const worker of workers) worker.reset();
});
afterAll(() => Promise.all([gateway?.close(), ...(workers ?? []).map((worker) => worker.close())]));

const ask = async (name: string, behaviour: Behaviour, stream = true) => {
  for (const worker of workers) worker.behave(behaviour);
  const one = operation(name);
  return gateway.fetch(pathOf(one, model), { body: one.body(model, stream) });
};
const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;

const events = { 'content-type': 'text/event-stream' };
const lines = { 'content-type': 'application/x-ndjson' };

describe('the name of a node that loads a model', () => {
  test.each<[string, string, Behaviour, boolean, number]>([
    ['503', 'chat', reply(503, { error, loading }), false, 503],
    ['another status', 'chat', reply(500, { error, loading }), false, 500],
    ['inside of the error', 'messages', reply(400, { type: 'error', error: { ...error, loading } }), false, 400],
    ['200', 'chat', reply(200, { error, loading }), false, 200],
    ['in pieces', 'chat', combine(reply(404, { error, loading }), inPiecesOf(3)), false, 404],
    ['a first event', 'chat', firstEventError({ error: { ...error, code: 503, loading } }), true, 503],
    ['a first event, beside the error', 'messages', firstEventError({ error, loading }), true, 502],
    ['a later event', 'chat', endingWith(2, data({ error, loading })), true, 200],
    ['a later event without its end', 'chat', endingWith(2, data({ error, loading }).trimEnd()), true, 200],
    [
      'an event of several lines',
      'chat',
      endingWith(2, data({ error, loading }).replace(',"', ',\ndata: "')),
      true,
      200,
    ],
    ['an event in another status', 'chat', reply(500, data({ error, loading }), events), false, 500],
    ['JSON that is called events', 'chat', reply(500, JSON.stringify({ error, loading }), events), false, 500],
    [
      'a line in another status',
      'ollama chat',
      reply(404, `{}\n${JSON.stringify({ error: message, loading })}\n`, lines),
      true,
      404,
    ],
    [
      'an event of an unknown kind, without its end',
      'embeddings',
      reply(200, data({ a: 1 }) + data({ error, loading }).trimEnd(), events),
      false,
      200,
    ],
    ['a line', 'ollama chat', endingWith(2, `${JSON.stringify({ error: message, loading })}\n`), true, 200],
  ])('is not told: %s', async (_, name, behaviour, stream, status) => {
    const received = await ask(name, behaviour, stream);
    expect(received.text).not.toContain(node);
    expect([received.status, received.headers['x-localai-node']]).toEqual([status, undefined]);
    if (status !== 502) expect(received.text).toContain('loading on a worker');
  });

  test.each<[string, Behaviour]>([
    ['chat', reply(500, { error, loading })],
    ['messages', reply(503, { error, loading })],
    ['responses', firstEventError({ error: { ...error, code: 400 }, loading })],
  ])('nor where it comes after a keep-alive: %s', async (name, behaviour) => {
    const release = createDeferred();
    for (const worker of workers) worker.behave(combine(behaviour, holdAt(0, release.promise)));
    const one = operation(name);
    const reply_ = await gateway.send(pathOf(one, model), { body: one.body(model, true) });
    await reply_.until(name === 'messages' ? 'event: ping' : ': keep-alive\n');
    release.resolve();
    const received = await reply_.all();
    expect([received.status, endingOf(one, received)]).toEqual([200, 'error']);
    expect(received.text).not.toContain(node);
    expect(received.text).toContain('loading on a worker');
  });
});

describe('a keep-alive ends nothing', () => {
  /** Whichever worker is asked first keeps silent, and then does this; the other one answers. */
  const firstDoes = (behaviour: Behaviour) => {
    const silent = createDeferred();
    let first: StandIn | undefined;
    for (const worker of workers) {
      worker.behave((request) => {
        if (request.method === 'GET') return undefined;
        first ??= worker;
        if (first !== worker) return undefined;
        return {
          ...behaviour,
          deliver: async (exchange, answer) => {
            await silent.promise;
            await (behaviour.deliver ?? holdAt(0, Promise.resolve()).deliver)?.(exchange, answer);
          },
        };
      });
    }
    return silent;
  };

  test.each<[string, Behaviour]>([
    ['dies', cut('before-head')],
    ['dies within its first event', combine(inPiecesOf(9), cut({ after: 2 }))],
    ['is too busy', reply(503, { error: { message: 'busy' } })],
    ['says so in its first event', firstEventError({ error: { message: 'busy', code: 503 } })],
  ])('a worker that %s after it is replaced', async (_, behaviour) => {
    const one = operation('chat');
    const silent = firstDoes(behaviour);
    const reply_ = await gateway.send(pathOf(one, model), { body: one.body(model, true) });
    await reply_.until(': keep-alive\n');
    silent.resolve();
    const received = await reply_.all();
    expect([received.status, endingOf(one, received)]).toEqual([200, 'whole']);
    expect(received.text).not.toContain('busy');
    expect(workers.map(({ requests }) => requests.length)).toEqual([1, 1]);
  });
});
