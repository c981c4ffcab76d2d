import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { operation, pathOf } from '../../../support/operations.ts';
import { type StandIn, startWorker } from '../../../support/stand-in-worker.ts';
import { reply } from '../../../support/worker/behaviours.ts';
import { type Asking, createInProcessGateway, type InProcessGateway, keepLogs } from '../in-process-gateway.ts';

/** docs/contract.md section 4. */
keepLogs();
const model = 'test-model';
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const chat = operation('chat');

let worker: StandIn;
let openai: InProcessGateway;
let anthropic: InProcessGateway;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
  openai = createInProcessGateway('openai', [worker]);
  anthropic = createInProcessGateway('anthropic', [worker]);
});
afterAll(() => worker?.close());
beforeEach(() => worker.reset());

const idOf = async (headers: Record<string, string>) =>
  (await openai.ask('/healthz', { headers })).headers['x-correlation-id'];

describe('the id', () => {
  test('is the X-Correlation-Id of the client, when it is usable', async () => {
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^[A-Za-z0-9._:-]{1,128}$/), async (id) => {
        expect(await idOf({ 'x-correlation-id': id, 'x-request-id': 'other' })).toBe(id);
      }),
    );
  });

  test('else its x-request-id', async () => {
    expect(await idOf({ 'x-request-id': 'mine' })).toBe('mine');
    expect(await idOf({ 'x-correlation-id': 'not usable!', 'x-request-id': 'mine' })).toBe('mine');
  });

  test.each(['', 'x'.repeat(129), 'a b', 'a\nb', 'ä', 'a,b', '<script>', '{}'])(
    'else, and for %j, a new UUID',
    async (given) => {
      expect(await idOf({ 'x-correlation-id': given, 'x-request-id': given })).toMatch(uuid);
    },
  );

  test('is another one for every request', async () => {
    expect(await idOf({})).not.toBe(await idOf({}));
  });
});

describe('every response carries it twice, equal', () => {
  const cases: [string, string, Asking, number][] = [
    ['health', '/healthz', {}, 200],
    ['an unknown path', '/nowhere', {}, 404],
    ['a wrong method', '/v1/chat/completions', {}, 405],
    ['a malformed body', '/v1/chat/completions', { body: '{' }, 400],
    ['a model list', '/v1/models', {}, 200],
    ['an unknown model', '/v1/chat/completions', { body: { model: 'none', messages: [] } }, 404],
    ['an answer', pathOf(chat, model), { body: chat.body(model) }, 200],
    ['a stream', pathOf(chat, model), { body: chat.body(model, true) }, 200],
  ];

  test.each(cases)('%s', async (_, path, asking, status) => {
    const answer = await openai.ask(path, { ...asking, headers: { 'x-correlation-id': 'mine' } });
    expect([answer.status, answer.headers['x-correlation-id'], answer.headers['x-request-id']]).toEqual([
      status,
      'mine',
      'mine',
    ]);
  });

  test('a refusal without a key as well', async () => {
    const closed = createInProcessGateway('openai', [worker], { LOCALAI_API_KEY: 'k' });
    const answer = await closed.ask('/v1/models', { headers: { 'x-request-id': 'mine' } });
    expect([answer.status, answer.headers['x-correlation-id'], answer.headers['x-request-id']]).toEqual([
      401,
      'mine',
      'mine',
    ]);
  });

  test.each([
    ['health', '/healthz', {}, 200],
    ['an unknown path', '/v1/nowhere', {}, 404],
    ['a model list without a version', '/v1/models', {}, 200],
    ['an answer', '/v1/messages', { body: { model, max_tokens: 1, messages: [] } }, 200],
    ['an error', '/v1/messages', { body: '{' }, 400],
  ] as [string, string, Asking, number][])(
    'the anthropic family: request-id too (%s)',
    async (_, path, asking, status) => {
      const answer = await anthropic.ask(path, { ...asking, headers: { 'x-correlation-id': 'mine' } });
      expect([answer.status, answer.headers['request-id']]).toEqual([status, 'mine']);
    },
  );

  test("the worker's own ids do not pass", async () => {
    worker.next(reply(200, { ok: true }, { 'x-correlation-id': 'w', 'x-request-id': 'w', 'request-id': 'w' }));
    const answer = await openai.ask(pathOf(chat, model), {
      body: chat.body(model),
      headers: { 'x-request-id': 'mine' },
    });
    expect([answer.headers['x-correlation-id'], answer.headers['x-request-id'], answer.headers['request-id']]).toEqual([
      'mine',
      'mine',
      undefined,
    ]);
  });
});

describe('the worker gets', () => {
  const ask = async (headers: Record<string, string>) => {
    await openai.ask(pathOf(chat, model), { body: chat.body(model), headers });
    return worker.requests[0]?.headers ?? {};
  };

  test('the id under both names', async () => {
    expect(await ask({ 'x-request-id': 'mine' })).toMatchObject({ 'x-correlation-id': 'mine', 'x-request-id': 'mine' });
  });

  test('the traceparent of the client', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect((await ask({ traceparent })).traceparent).toBe(traceparent);
  });

  test('a new traceparent, when the client has none', async () => {
    const { traceparent } = await ask({});
    expect(traceparent).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]$/);
  });
});
