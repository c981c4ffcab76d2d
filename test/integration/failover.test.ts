import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { endingOf } from '../support/endings.ts';
import { type Gateway, nodeIdOf, standInServes, startGateway, type WorkerSetting } from '../support/gateway.ts';
import { type Operation, operation, operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import {
  type Behaviour,
  combine,
  cut,
  endEarly,
  firstEventError,
  inPiecesOf,
  modelLoading,
  raw,
  redirect,
  reply,
} from '../support/worker/behaviours.ts';

/** docs/contract.md sections 3.6 and 5: before the first byte a failing worker is replaced, and the header keeps up. */
const refused = 'refused';
const always: [string, Behaviour | typeof refused][] = [
  ['a refused connection', refused],
  ['a reset before the head', cut('before-head')],
  ['half a head', raw('HTTP/1.1 200 O')],
  ['no HTTP at all', raw('\x00\x01\x02\r\n\r\n')],
  ['a head and a reset', cut('after-head')],
  ['a head too large', raw(`HTTP/1.1 200 OK\r\nx-big: ${'x'.repeat(70_000)}\r\n\r\n`)],
  ['two lengths', raw('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}')],
  [
    'a length beside chunks',
    raw('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'),
  ],
  ['a header name that is none', raw('HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}')],
  ['a coding of the transfer that stays on', raw('HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n{}')],
  ['a status that is none', raw('HTTP/1.1 600 Odd\r\ncontent-length: 0\r\n\r\n')],
  ['429', reply(429, { error: 'busy' }, { 'retry-after': '30' })],
  ['502', reply(502, 'bad gateway')],
  ['503', reply(503, { error: 'not now' })],
  ['504', reply(504, '')],
  ['a loading model', modelLoading('any', 'inner-node')],
];
const ofStreams: [string, Behaviour][] = [['an end without any byte', endEarly(0)]];
const ofSse: [string, Behaviour][] = [
  ...[429, 502, 503, 504, undefined].map((code): [string, Behaviour] => [
    `a first event that is an error, code ${code}`,
    firstEventError({ error: { message: 'no', ...(code && { code }) } }),
  ]),
  ['a first error in pieces', combine(firstEventError({ error: { message: 'no', code: 503 } }), inPiecesOf(3))],
  ['half a first error', combine(firstEventError({ error: { message: 'no' } }), cut({ midEvent: 0 }))],
];
/** One variable of a process holds 128 KB: what goes the very way of another operation is not tried as well. */
const sameWay = new Set([
  'tokenize',
  'detokenize',
  'moderation',
  'input tokens of a chat',
  'input tokens of a response',
  'image upscale',
  'detection',
  'video',
  'audio classification',
  'image variation',
  'engine embeddings',
]);
const tried = operations.filter(({ name }) => !sameWay.has(name));

const cases = tried.map((one) => ({
  one,
  faults: [
    ...always,
    ...(one.streams === 'sse' || one.streams === 'ndjson' ? ofStreams : []),
    ...(one.streams === 'sse' ? ofSse : []),
  ].map(([what, fault], index) => ({ what, fault, model: `${one.name.replaceAll(' ', '-')}-${index}` })),
}));

let bad: StandIn;
let good: StandIn;
let gateway: Gateway;
const kept: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(resource: T): T => {
  kept.push(resource);
  return resource;
};
/** As little as it takes: one variable of a process holds 128 KB. */
const standInFor = (model: string) => ({
  engine: 'localai',
  serves: standInServes.filter((operation) => model.replaceAll('-', '_').startsWith(operation)),
});

beforeAll(async () => {
  [bad, good] = [await startWorker({ name: 'bad', models: ['*'] }), await startWorker({ name: 'good', models: ['*'] })];
  const nowhere = await startWorker({ name: 'nowhere' });
  await nowhere.close();
  // Node ids of its own for every case: an environment remembers which ones failed.
  const workers = cases
    .flatMap(({ faults }) => faults)
    .flatMap(({ model, fault }): WorkerSetting[] => [
      { id: `bad-${model}`, url: fault === refused ? nowhere.url : bad.url, models: [model], ...standInFor(model) },
      { id: `good-${model}`, url: good.url, models: [model], ...standInFor(model) },
    ]);
  gateway = await startGateway({ workers, env: { GATEWAY_POLICY: 'random' }, limits: { maxEnvironments: 1 } });
});
afterAll(() => Promise.all([gateway?.close(), bad?.close(), good?.close()]));
afterEach(async () => {
  await Promise.all(kept.splice(0).map((resource) => resource[Symbol.asyncDispose]()));
});

describe.each(cases.map(({ one, faults }) => [one.name, one, faults] as const))('%s', (_, one, faults) => {
  test.each(faults.map((each) => [each.what, each] as const))('after %s another worker answers', async (__, each) => {
    const { fault, model } = each;
    bad.reset();
    good.reset();
    bad.behave(fault === refused ? {} : fault);
    const body = one.body(model, one.streams !== undefined);
    // By chance the good one may come first; each request that meets the bad one must be saved.
    for (let turn = 0; turn < 40 && (turn === 0 || bad.requests.length === 0); turn += 1) {
      const received = await gateway.fetch(pathOf(one, model), { body });
      expect([received.status, received.headers['x-localai-node']]).toEqual([200, `good-${model}`]);
      expect(endingOf(one, received)).toBe('whole');
      expect(received.headers['x-stand-in']).toBe('good');
      expect(received.body.equals(good.requests.at(-1)?.sent() ?? Buffer.alloc(0))).toBe(true);
      if (fault === refused && turn === 5) break;
    }
    const [before] = bad.requests;
    if (fault !== refused) {
      expect(before).toBeDefined();
      const after = good.requests.at(-1);
      expect(after?.path).toBe(before?.path);
      expect(after?.body.length).toBe(before?.body.length);
    }
    expect(gateway.environments(one.family)).toHaveLength(1);
  });
});

const model = 'test-model';
const chat = operation('chat');
const fleet = async (names: readonly string[], env: Record<string, string> = {}) => {
  const workers = await Promise.all(names.map((name) => startWorker({ name, models: [model] }).then(keep)));
  const functions = ['openai', 'anthropic', 'ollama', 'rerank'];
  const its = keep(await startGateway({ workers, functions, env, limits: { maxEnvironments: 1 } }));
  const ask = (one: Operation = chat, stream = false) =>
    its.fetch(pathOf(one, model), { body: one.body(model, stream) });
  const tried = () =>
    workers
      .flatMap(({ requests, name }) => requests.map(({ receivedAt }) => ({ receivedAt, name })))
      .sort((a, b) => a.receivedAt - b.receivedAt)
      .map(({ name }) => name);
  return { workers, ask, tried, gateway: its };
};

describe('when all of them fail', () => {
  test.each(['chat', 'messages', 'ollama chat', 'rerank'])('%s: 429 with the smallest Retry-After', async (name) => {
    const { workers, ask, tried } = await fleet(['a', 'b', 'c']);
    const waits = ['30', '5', new Date(Date.now() + 60_000).toUTCString()];
    for (const [at, worker] of workers.entries()) {
      worker.behave(reply(429, { error: `busy ${worker.name}` }, { 'retry-after': waits[at] ?? '' }));
    }
    const received = await ask(operation(name));
    expect([received.status, received.headers['retry-after']]).toEqual([429, '5']);
    const last = tried().at(-1) ?? '';
    expect(received.headers['x-localai-node']).toBe(nodeIdOf({ name: last }));
    expect(received.json()).toEqual({ error: `busy ${last}` });
    expect(new Set(tried())).toEqual(new Set(['a', 'b', 'c']));
  });

  test("the last worker's own 503 with its body and the smallest Retry-After", async () => {
    const { workers, ask, tried } = await fleet(['a', 'b', 'c']);
    for (const [at, worker] of workers.entries()) {
      worker.behave(modelLoading(model, `inner-${worker.name}`, [40, 9, 20][at]));
    }
    const received = await ask();
    const last = tried().at(-1) ?? '';
    expect([received.status, received.headers['retry-after']]).toEqual([503, '9']);
    expect(received.json()).toMatchObject({ loading: { node: `inner-${last}`, progress: 0.5 } });
    expect(received.headers['x-localai-node']).toBe(nodeIdOf({ name: last }));
  });

  test.each([
    ['502', reply(502, 'inner words'), 502],
    ['504', reply(504, 'inner words'), 502],
    ['503 without a byte', reply(503), 503],
    ['503 without a byte of JSON', reply(503, '', { 'content-type': 'application/json' }), 503],
    ['resets', cut('before-head'), 502],
    ['a first error with 429', firstEventError({ error: { message: 'queue full', code: 429 } }), 429],
    ['a first error with 503', firstEventError({ error: { message: 'queue full', code: 503 } }), 503],
  ] as [string, Behaviour, number][])('%s', async (_, behaviour, status) => {
    const { workers, ask, tried } = await fleet(['a', 'b']);
    for (const worker of workers) worker.behave(behaviour);
    const received = await ask(chat, true);
    expectErrorIn('openai', received);
    expect(received.status).toBe(status);
    expect(received.text).not.toContain('inner words');
    expect(received.headers['x-localai-node']).toBe(nodeIdOf({ name: tried().at(-1) ?? '' }));
    expect(tried()).toHaveLength(2);
  });
});

describe('GATEWAY_MAX_ATTEMPTS', () => {
  test.each([
    ['1', 1],
    ['2', 2],
    [undefined, 3],
    ['9', 4],
  ])('%s: %d workers are tried', async (value, count) => {
    const env: Record<string, string> = value === undefined ? {} : { GATEWAY_MAX_ATTEMPTS: value };
    const { workers, ask, tried } = await fleet(['a', 'b', 'c', 'd'], env);
    for (const worker of workers) worker.behave(reply(503));
    expect((await ask()).status).toBe(503);
    expect(tried()).toHaveLength(count);
    expect(new Set(tried()).size).toBe(count);
  });
});

describe('what is a worker’s word and no failure', () => {
  test.each([
    ['400', reply(400, { error: 'no' }), 400],
    ['501', reply(501, { error: 'no' }), 501],
    ['a first event with 400', firstEventError({ error: { message: 'no', code: 400 } }), 400],
    ['a first event with 500', firstEventError({ error: { message: 'no', code: 500 } }), 500],
    ['a redirect elsewhere', redirect('http://169.254.169.254/'), 502],
  ] as [string, Behaviour, number][])('%s is not tried elsewhere', async (_, behaviour, status) => {
    const { workers, ask, tried } = await fleet(['a', 'b']);
    for (const worker of workers) worker.behave(behaviour);
    expect((await ask(chat, true)).status).toBe(status);
    expect(tried()).toHaveLength(1);
  });

  test.each([
    ['404', reply(404, { error: 'no' }), 404, 3],
    ['500', reply(500, { error: 'no' }), 500, 2],
  ] as [string, Behaviour, number, number][])('%s of all passes in the end', async (_, behaviour, status, count) => {
    const { workers, ask, tried } = await fleet(['a', 'b', 'c']);
    for (const worker of workers) worker.behave(behaviour);
    const received = await ask(chat, true);
    expect([received.status, received.json()]).toEqual([status, { error: 'no' }]);
    expect(tried()).toHaveLength(count);
    expect(received.headers['x-localai-node']).toBe(nodeIdOf({ name: tried().at(-1) ?? '' }));
  });

  test('once a byte is out there is no other worker', async () => {
    const { workers, ask, tried } = await fleet(['a', 'b']);
    for (const worker of workers) worker.behave(cut({ after: 1 }));
    const received = await ask(chat, true);
    expect([received.status, endingOf(chat, received)]).toEqual([200, 'error']);
    expect(received.headers['x-localai-node']).toBe(nodeIdOf({ name: tried()[0] ?? '' }));
    expect(tried()).toHaveLength(1);
  });
});

test('a worker that failed is left alone for a while, and taken when all failed', async () => {
  const { workers, ask, tried, gateway: its } = await fleet(['a', 'b'], { GATEWAY_POLICY: 'random' });
  const [a, b] = workers as [StandIn, StandIn];
  a.behave(cut('before-head'));
  for (let turn = 0; turn < 20; turn += 1) expect((await ask()).status).toBe(200);
  expect(a.requests).toHaveLength(1);
  expect(its.environments()).toHaveLength(1);
  a.behave(undefined);
  b.behave(cut('before-head'));
  expect((await ask()).headers['x-localai-node']).toBe(nodeIdOf(a));
  expect(tried().at(-1)).toBe('a');
});
