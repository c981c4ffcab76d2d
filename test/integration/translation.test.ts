import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startChatWorker } from '../support/chat-worker.ts';
import { type Gateway, nodeIdOf, settingOf, startGateway } from '../support/gateway.ts';
import type { Received } from '../support/http.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';
import {
  type Behaviour,
  cut,
  endEarly,
  endingWith,
  ordinary,
  paced,
  reply,
  stallAfter,
} from '../support/worker/behaviours.ts';

/** A fleet of one worker that speaks all dialects and one that speaks OpenAI's only. */
const model = 'm';
const asks = {
  messages: ['/v1/messages', { model, max_tokens: 9, messages: [{ role: 'user', content: 'Hi' }] }],
  'ollama chat': ['/api/chat', { model, messages: [{ role: 'user', content: 'Hi' }] }],
  responses: ['/v1/responses', { model, input: 'Hi' }],
} as const;
type Operation = keyof typeof asks;
const operations = Object.keys(asks) as Operation[];
/** How each dialect says in a stream that something went wrong. */
const errorEnding: Readonly<Record<Operation, RegExp>> = {
  messages: /\nevent: error\ndata: \{"type":"error",.*\}\n\n$/,
  'ollama chat': /\n\{"error":".+"\}\n$/,
  responses: /event: response\.failed\ndata: .*"status":"failed".*\n\nevent: error\ndata: .*\n\n/,
};

let native: StandIn;
let other: Awaited<ReturnType<typeof startChatWorker>>;
beforeAll(async () => {
  native = await startWorker({ name: 'native', models: [model], engine: 'localai' });
  other = await startChatWorker({ name: 'other', models: [model] });
});
afterAll(() => Promise.all([native?.close(), other?.close()]));
beforeEach(() => {
  native.reset();
  other.reset();
});

const nativeSetting = () => settingOf(native, { engine: 'localai' });
const otherSetting = (more = {}) => settingOf(other, { engine: 'openai', ...more });
const ask = (gateway: Gateway, operation: Operation, more: object = {}): Promise<Received> => {
  const [path, body] = asks[operation];
  return gateway.fetch(path, { body: { ...body, ...more } });
};
const requestLines = (gateway: Gateway) =>
  gateway.logs.filter((line) => line.includes('"request"')).map((line) => JSON.parse(line.slice(line.indexOf('{'))));
/** The log line of a request comes behind its answer. */
const lineOf = async (gateway: Gateway, { headers }: Received) => {
  const find = () => requestLines(gateway).find(({ correlation_id: id }) => id === headers['x-correlation-id']);
  await until(() => find() !== undefined);
  return find();
};

describe('with a native worker', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway({
      workers: [otherSetting(), nativeSetting()],
      functions: ['openai', 'anthropic', 'ollama'],
    });
  });
  afterAll(() => gateway?.close());

  test.each(operations)('%s goes there, its bytes unchanged', async (operation) => {
    for (let i = 0; i < 6; i += 1) {
      expect((await ask(gateway, operation, { stream: false })).headers['x-stand-in']).toBe('native');
    }
    expect(native.requests[0]?.body.toString()).toBe(JSON.stringify({ ...asks[operation][1], stream: false }));
    expect(other.requests).toHaveLength(0);
  });

  const failures: readonly [string, Behaviour][] = [
    ['dies', cut('before-head')],
    ['is busy', reply(503, { error: 'busy' })],
  ];
  test.each(operations.flatMap((operation) => failures.map(([what, behaviour]) => ({ operation, what, behaviour }))))(
    '$operation: a native worker that $what is followed by one that is translated to',
    async ({ operation, behaviour }) => {
      await using fresh = await startGateway({ workers: [otherSetting(), nativeSetting()] });
      native.behave(behaviour);
      const streamed = await ask(fresh, operation, { stream: true });
      expect([streamed.status, streamed.headers['x-localai-node']]).toEqual([200, nodeIdOf(other)]);
      expect(streamed.text).toContain('other');
      expect(native.requests).toHaveLength(1);
      expect(other.requests[0]?.path).toBe('/v1/chat/completions');
      expect(await lineOf(fresh, streamed)).toMatchObject({
        attempts: 2,
        node_id: nodeIdOf(other),
        translation: expect.stringMatching(/-chat$/),
      });
      // Out for a while: the next one is translated at once.
      native.behave(undefined);
      expect((await ask(fresh, operation, { stream: false })).headers['x-localai-node']).toBe(nodeIdOf(other));
      expect(native.requests).toHaveLength(1);
    },
  );

  test('what cannot be carried stays with the native workers, whatever comes of it', async () => {
    await using fresh = await startGateway({ workers: [otherSetting(), nativeSetting()], functions: ['ollama'] });
    native.behave(reply(503, { error: 'busy' }));
    const received = await fresh.fetch('/api/generate', { body: { model, prompt: 'x', raw: true } });
    expect([received.status, received.headers['x-localai-node']]).toEqual([503, nodeIdOf(native)]);
    expect(other.requests).toHaveLength(0);
  });
});

describe('with none', () => {
  let gateway: Gateway;
  beforeAll(async () => {
    const env = { GATEWAY_KEEPALIVE_SECONDS: '0.2', GATEWAY_IDLE_TIMEOUT_SECONDS: '1' };
    gateway = await startGateway({ workers: [otherSetting()], functions: ['openai', 'anthropic', 'ollama'], env });
  });
  afterAll(() => gateway?.close());

  test.each(operations)('%s is translated, and the log says so', async (operation) => {
    const received = await ask(gateway, operation, { stream: false });
    expect([received.status, received.headers['x-localai-node']]).toEqual([200, nodeIdOf(other)]);
    expect(received.headers['content-type']).toBe('application/json');
    expect(received.text).toContain('Grüße from other 🦙 — done.');
    const pair = { messages: 'anthropic-chat', 'ollama chat': 'ollama-chat', responses: 'responses-chat' }[operation];
    expect(await lineOf(gateway, received)).toMatchObject({ translation: pair, attempts: 1 });
    expect(other.requests[0]?.headers['content-type']).toBe('application/json');
  });

  test.each(
    operations.flatMap((operation) => [
      { operation, behaviour: cut({ after: 3 }) },
      { operation, behaviour: cut({ midEvent: 3 }) },
      { operation, behaviour: endEarly(3) },
      { operation, behaviour: stallAfter(3) },
    ]),
  )(
    '$operation: a worker that breaks off gets the ending of the client’s dialect',
    async ({ operation, behaviour }) => {
      other.treat(behaviour);
      const received = await ask(gateway, operation, { stream: true });
      expect(received.status).toBe(200);
      expect(received.text).toContain('from');
      expect(received.text).toMatch(errorEnding[operation]);
    },
  );

  test.each(operations)(
    '%s: an error in the middle of the stream is told in the client’s dialect',
    async (operation) => {
      other.treat(
        endingWith(
          3,
          'data: {"error":{"message":"CUDA out of memory","type":"server_error","code":500}}\n\ndata: [DONE]\n\n',
        ),
      );
      const received = await ask(gateway, operation, { stream: true });
      expect(received.text).toMatch(errorEnding[operation]);
      expect(received.text).toContain('CUDA out of memory');
    },
  );

  test.each(operations)(
    '%s: a model goes by the name that its worker lists, and is answered under the one asked for',
    async (operation) => {
      const received = await ask(gateway, operation, { model: `${model}:latest`, stream: false });
      expect([received.status, received.json()]).toMatchObject([200, { model: `${model}:latest` }]);
      expect(other.requests.map(({ fields }) => fields.model)).toEqual([model]);
    },
  );

  test.each(operations)('%s: an error as the first event is one of HTTP', async (operation) => {
    other.treat(endingWith(0, 'data: {"error":{"message":"too much","type":"x","code":422}}\n\n'));
    const received = await ask(gateway, operation, { stream: true });
    expect(received.status).toBe(422);
    expect(received.text).toContain('too much');
    expect(received.headers['content-type']).toMatch(/^application\/json/);
  });

  test.each(operations)('%s: an answer that came whole becomes the stream that was asked for', async (operation) => {
    const body = {
      id: 'chatcmpl-1',
      choices: [{ index: 0, message: { role: 'assistant', content: 'whole' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 1 },
    };
    other.treat(reply(200, body));
    const received = await ask(gateway, operation, { stream: true });
    expect(received.headers['content-type']).toMatch(operation === 'ollama chat' ? /ndjson/ : /event-stream/);
    expect(received.text).toContain('whole');
    expect(received.text).toMatch(/message_stop|"done":true|response\.completed/);
  });

  test.each(['messages', 'responses'] as const)('%s: keep-alives between the client’s events', async (operation) => {
    other.treat(paced(350));
    const received = await ask(gateway, operation, { stream: true });
    expect(received.text).toMatch(operation === 'messages' ? /message_stop/ : /response\.completed/);
    const before = received.text.slice(0, received.text.indexOf('done.'));
    expect(before.match(operation === 'messages' ? /event: ping/g : /: keep-alive/g)?.length).toBeGreaterThan(1);
  });

  test.each(['messages', 'responses'] as const)(
    '%s: an error behind keep-alives is the stream’s',
    async (operation) => {
      const refusal = reply(400, { error: { message: 'own words', type: 'BadRequestError', code: 400 } });
      other.treat({
        ...refusal,
        deliver: async (exchange, answer) => {
          await setTimeout(700);
          await ordinary.deliver?.(exchange, answer);
        },
      });
      const received = await ask(gateway, operation, { stream: true });
      expect([received.status, received.headers['x-localai-node']]).toEqual([200, nodeIdOf(other)]);
      expect(received.text).toMatch(operation === 'messages' ? /^event: ping/ : /^: keep-alive/);
      expect(received.text).toMatch(errorEnding[operation]);
      expect(received.text).toContain('own words');
    },
  );

  test('a conversation that is too long is told in words that clients shorten it by', async () => {
    const message = "This model's maximum context length is 8 tokens. However, you requested 9 tokens.";
    other.treat(reply(400, { error: { message, type: 'BadRequestError', code: 400 } }));
    const received = await ask(gateway, 'messages');
    expect(received.json()).toMatchObject({
      error: { type: 'invalid_request_error', message: `prompt is too long: ${message}` },
    });
  });

  test('what cannot be carried is a 400 that names the field and no node', async () => {
    const received = await gateway.fetch('/v1/messages', { body: { ...asks.messages[1], container: 'c' } });
    expect(received.status).toBe(400);
    expect(received.json()).toMatchObject({
      type: 'error',
      error: { message: expect.stringContaining("'container'") },
    });
    expect(received.headers).not.toHaveProperty('x-localai-node');
    expect(other.requests).toHaveLength(0);
  });

  test('numbers beyond JavaScript’s keep their digits both ways', async () => {
    const body = `{"model":"${model}","prompt":"x","stream":false,"options":{"seed":12345678901234567890}}`;
    await gateway.fetch('/api/generate', { body, headers: { 'content-type': 'application/json' } });
    expect(other.requests[0]?.body.toString()).toContain('"seed":12345678901234567890');
  });

  test('/api/tags, /api/show and the 501 of a switch that is off', async () => {
    const names = async (from: Gateway) =>
      ((await from.fetch('/api/tags')).json() as { models: { name: string }[] }).models.map(({ name }) => name);
    expect(await names(gateway)).toEqual([model]);
    expect((await gateway.fetch('/api/show', { body: { model } })).json()).toMatchObject({
      capabilities: ['completion'],
    });
    await using off = await startGateway({ workers: [otherSetting()], env: { GATEWAY_TRANSLATE: 'false' } });
    expect(await names(off)).toEqual([]);
    expect((await off.fetch('/api/show', { body: { model } })).status).toBe(404);
    for (const operation of operations) {
      const received = await ask(off, operation);
      expect([received.status, received.headers['x-should-retry']]).toEqual([501, 'false']);
      expect(received.text).toContain('/v1/chat/completions');
    }
  });

  test('a node is not named while the header is off', async () => {
    await using off = await startGateway({ workers: [otherSetting()], env: { LOCALAI_EXPOSE_NODE_HEADER: 'false' } });
    const loading = {
      error: { message: 'm loads on gpu-seven', type: 'model_loading' },
      loading: { node: 'gpu-seven' },
    };
    other.treat(reply(503, loading, { 'retry-after': '7' }));
    const received = await ask(off, 'messages');
    expect([received.status, received.headers['retry-after']]).toEqual([503, '7']);
    expect(received.text).not.toContain('gpu-seven');
    other.treat(endingWith(3, `data: ${JSON.stringify(loading)}\n\n`));
    expect((await ask(off, 'messages', { stream: true })).text).not.toContain('gpu-seven');
  });
});

describe('servers that are older than what is known of their engine', () => {
  test.each(['vllm', 'llamacpp'] as const)('a %s without the path is asked in words that it knows', async (accent) => {
    await using old = await startChatWorker({ name: 'old', models: [model], accent, engine: accent });
    await using gateway = await startGateway({ workers: [settingOf(old, { engine: accent })] });
    const received = await ask(gateway, 'messages', { stream: true });
    expect([received.status, received.headers['x-localai-node']]).toEqual([200, nodeIdOf(old)]);
    expect(received.text).toContain('event: message_stop');
    expect(old.requests.map(({ path }) => path)).toEqual(['/v1/messages', '/v1/chat/completions']);
  });

  test('another 404 passes: the model is missing, not the path', async () => {
    await using gateway = await startGateway({ workers: [settingOf(native, { engine: 'vllm' })] });
    native.behave(reply(404, { type: 'error', error: { type: 'not_found_error', message: 'no such model' } }));
    const received = await ask(gateway, 'messages');
    expect([received.status, received.text]).toEqual([404, expect.stringContaining('no such model')]);
    expect(native.requests).toHaveLength(1);
  });
});

describe('tokens are counted', () => {
  test('through /tokenize of a vLLM without the path, as many as it counts for the same request', async () => {
    await using old = await startChatWorker({ name: 'old', models: [model], engine: 'vllm' });
    await using gateway = await startGateway({ workers: [settingOf(old, { engine: 'vllm' })] });
    const body = {
      model,
      system: 'Be brief.',
      messages: [{ role: 'user', content: 'How many tokens are these?' }],
      tools: [{ name: 'f', description: 'A tool.', input_schema: { type: 'object', properties: {} } }],
    };
    const counted = await gateway.fetch('/v1/messages/count_tokens', { body });
    const answered = await gateway.fetch('/v1/messages', { body: { ...body, max_tokens: 9 } });
    const { usage } = answered.json() as { usage: { input_tokens: number } };
    expect(counted.json()).toEqual({ input_tokens: usage.input_tokens });
    expect(old.requests.map(({ path }) => path)).toContain('/tokenize');
  });

  test('by an engine that can, and by no other: 501', async () => {
    await using gateway = await startGateway({ workers: [otherSetting({ serves: [] })], functions: ['anthropic'] });
    const body = { model, messages: [{ role: 'user', content: 'x' }] };
    const received = await gateway.fetch('/v1/messages/count_tokens', { body });
    expect([received.status, received.headers['x-should-retry']]).toEqual([501, 'false']);
  });
});
