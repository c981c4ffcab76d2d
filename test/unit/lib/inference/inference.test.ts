import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { parseConfig } from '../../../../lib/config.ts';
import type { Snapshot } from '../../../../lib/discovery/source.ts';
import type { GatewayRequest } from '../../../../lib/endpoints/gateway-request.ts';
import { TimeoutError } from '../../../../lib/errors.ts';
import { stampOf } from '../../../../lib/holder.ts';
import type { Reply } from '../../../../lib/http/reply.ts';
import { createInference } from '../../../../lib/inference/inference.ts';
import type { Ask } from '../../../../lib/upstream/ask.ts';
import { createDeferred } from '../../../support/deferred.ts';
import { eventsOf } from '../../../support/frames.ts';
import {
  abortOf,
  createFleet,
  endpointOf,
  type Fleet,
  failing,
  requestFor,
  response,
  type Script,
  silent,
  sse,
} from '../scripted-fleet.ts';

/** docs/contract.md section 6: silent workers, keep-alives, and the question whether there is still anybody. */
const chat = '/v1/chat/completions';
const settings = { GATEWAY_KEEPALIVE_SECONDS: '10', GATEWAY_IDLE_TIMEOUT_SECONDS: '60' };
const done = 'data: [DONE]\n\n';
const token = 'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\n\n';
const finish = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n';
const whole = token + finish + done;
const ping = ': keep-alive\n';

interface Started {
  readonly fleet: Fleet;
  readonly request: GatewayRequest;
  /** Ids of the workers whose health was asked. */
  readonly asked: string[];
  /** What left so far: the head, then bytes. */
  readonly head: () => Reply | undefined;
  readonly text: () => string;
  readonly done: Promise<unknown>;
}

const requests: GatewayRequest[] = [];

const start = async (
  scripts: Readonly<Record<string, Script>>,
  {
    path = chat,
    body = { model: 'm', stream: true, messages: [] } as object,
    health = (_id: string): boolean | Promise<boolean> => true,
    env = {} as Record<string, string>,
    isNamed = true,
  } = {},
): Promise<Started> => {
  const fleet = createFleet(scripts);
  const asked: string[] = [];
  const ask: Ask = async (worker, _path, { timeoutMs, signal }) => {
    const id = new URL(worker.url).hostname.replace('.test', '');
    asked.push(id);
    const silence = new Promise<undefined>((resolve) => setTimeout(resolve, timeoutMs, undefined));
    const given = Promise.resolve(health(id));
    const isHealthy = await Promise.race([given, silence, signal ? abortOf(signal).catch(() => undefined) : silence]);
    return isHealthy === undefined ? undefined : { status: isHealthy ? 200 : 503, headers: {}, body: '' };
  };
  const infer = createInference({
    config: parseConfig({ ...settings, ...env }),
    router: fleet.router,
    upstream: fleet.upstream,
    ask,
  });
  const request = await requestFor(path, { body });
  if (!isNamed) delete request.holder;
  requests.push(request);
  const snapshot: Snapshot = {
    workers: fleet.workers,
    exposeNodeHeader: true,
    apiKeys: [],
    adminKeys: [],
    aliases: {},
  };
  let head: Reply | undefined;
  const out: Buffer[] = [];
  const run = async () => {
    head = await infer({ endpoint: endpointOf(path), params: {} }, request, snapshot);
    const take = (chunk: string | Uint8Array) => out.push(Buffer.from(chunk as string)) > 0;
    if (typeof head.body === 'function') await head.body({ write: take, drained: async () => {} });
    else if (head.body !== undefined) take(head.body);
  };
  return {
    fleet,
    request,
    asked,
    head: () => head,
    text: () => Buffer.concat(out).toString(),
    done: run().catch((error) => error),
  };
};

/** Answers after a time. */
const delayed =
  (ms: number, script: Script): Script =>
  async (request) => {
    await Promise.race([new Promise((resolve) => setTimeout(resolve, ms)), abortOf(request.signal)]);
    return script(request);
  };

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  for (const { deadline } of requests.splice(0)) deadline.clear();
  jest.useRealTimers();
});

describe('a worker that answers before the first keep-alive is due', () => {
  test('passes with its own head, and nobody asks after its health', async () => {
    const started = await start({ a: delayed(9000, sse(whole)) });
    await jest.advanceTimersByTimeAsync(9100);
    expect(await started.done).toBeUndefined();
    expect([started.text(), started.asked]).toEqual([whole, []]);
    expect(started.fleet.succeeded).toEqual(['a']);
  });

  test('with an error passes that', async () => {
    const started = await start({ a: delayed(5000, response(400, ['{"error":{}}'])) });
    await jest.advanceTimersByTimeAsync(5100);
    await started.done;
    expect([started.head()?.status, started.text()]).toEqual([400, '{"error":{}}']);
  });
});

describe('a worker that is silent', () => {
  test('and healthy: the head leaves with the first keep-alive, more follow, then the stream', async () => {
    const started = await start({ a: delayed(25_000, sse(whole)), b: sse(whole) });
    await jest.advanceTimersByTimeAsync(9900);
    expect(started.head()).toBeUndefined();
    await jest.advanceTimersByTimeAsync(200);
    expect(started.head()).toMatchObject({ status: 200 });
    expect(started.head()?.headers['content-type']).toMatch(/^text\/event-stream/);
    expect([started.asked, started.text()]).toEqual([['a'], ping]);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(started.text()).toBe(ping + ping);
    await jest.advanceTimersByTimeAsync(5000);
    await started.done;
    expect([started.text(), started.fleet.asked]).toEqual([ping + ping + whole, ['a']]);
    expect(stampOf(started.request.holder)).toBe('a');
  });

  test('and dead: another worker takes over, with its own head', async () => {
    const started = await start({ a: silent, b: sse(whole) }, { health: () => false });
    await jest.advanceTimersByTimeAsync(10_100);
    await started.done;
    expect([started.text(), started.fleet.asked, started.fleet.failed]).toEqual([whole, ['a', 'b'], ['a']]);
    expect(stampOf(started.request.holder)).toBe('b');
  });

  test('and does not say whether it lives: a second later another worker takes over', async () => {
    const started = await start({ a: silent, b: sse(whole) }, { health: () => new Promise<boolean>(() => {}) });
    await jest.advanceTimersByTimeAsync(10_900);
    expect(started.fleet.asked).toEqual(['a']);
    await jest.advanceTimersByTimeAsync(200);
    await started.done;
    expect([started.text(), started.fleet.asked]).toEqual([whole, ['a', 'b']]);
  });

  test('and dead with nobody else: keep-alives, until the first-byte limit ends the stream', async () => {
    const started = await start(
      { a: silent },
      { health: () => false, env: { GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: '25' } },
    );
    await jest.advanceTimersByTimeAsync(26_000);
    await started.done;
    expect(started.text().startsWith(ping)).toBe(true);
    expect(eventsOf(started.text())).toEqual([{ error: expect.objectContaining({ code: 'timeout' }) }, '[DONE]']);
  });

  test('in the buffered case hears nothing and is asked nothing', async () => {
    const started = await start({ a: delayed(30_000, response(200, ['{}'])) }, { body: { model: 'm', messages: [] } });
    await jest.advanceTimersByTimeAsync(30_100);
    await started.done;
    expect([started.text(), started.asked]).toEqual(['{}', []]);
  });

  test('in the NDJSON case as well', async () => {
    const lines = '{"done":true}\n';
    const script = delayed(30_000, response(200, [lines], { 'content-type': 'application/x-ndjson' }));
    const started = await start({ a: script }, { path: '/api/chat', body: { model: 'm', messages: [] } });
    await jest.advanceTimersByTimeAsync(30_100);
    await started.done;
    expect([started.text(), started.asked]).toEqual([lines, []]);
  });

  test('Anthropic: event ping', async () => {
    const stop = 'event: message_stop\ndata: {"type":"message_stop"}\n\n';
    const started = await start(
      { a: delayed(15_000, sse(stop)) },
      { path: '/v1/messages', body: { model: 'm', stream: true, messages: [] } },
    );
    await jest.advanceTimersByTimeAsync(16_000);
    await started.done;
    expect(started.text()).toBe(`event: ping\ndata: {"type": "ping"}\n\n${stop}`);
  });
});

describe('behind the first keep-alive there is no way back', () => {
  const late = async (script: Script, more = {}) => {
    const started = await start({ a: delayed(15_000, script), b: sse(whole) }, more);
    await jest.advanceTimersByTimeAsync(16_000);
    await started.done;
    expect(started.head()?.status).toBe(200);
    expect(started.fleet.asked).toEqual(['a']);
    return started.text();
  };

  test.each<[string, Script, string]>([
    ['an HTTP error', response(400, ['{"error":{"message":"bad prompt"}}']), 'bad prompt'],
    ['a 503', response(503, ['{"error":{"message":"loading"}}']), 'loading'],
    ['a page', response(500, ['<html>10.0.1.7</html>'], { 'content-type': 'text/html' }), 'error'],
    ['a reset', failing('reset'), 'No worker'],
    ['an error event', sse('data: {"error":{"message":"bad prompt","code":400}}\n\n'), 'bad prompt'],
    ['JSON where a stream was asked for', response(200, ['{"choices":[]}']), 'stream'],
  ])('%s is told in the stream, with [DONE]', async (_, script, words) => {
    const text = await late(script);
    const events = eventsOf(text) as { error: { message: string } }[];
    expect(events).toHaveLength(2);
    expect(events[0]?.error.message).toContain(words);
    expect(events[1]).toBe('[DONE]');
    expect(text).not.toContain('10.0.1.7');
  });

  test("an error keeps the worker's own fields, and its node's name stays here", async () => {
    const own = { type: 'exceed_context_size_error', code: 400, param: 'messages', n_ctx: 4096 };
    const error = { message: 'too long for gpu-7', ...own, loading: { node: 'gpu-7' } };
    const text = await late(response(400, [JSON.stringify({ error })]), { isNamed: false });
    expect(eventsOf(text)).toEqual([{ error: { message: 'too long for a worker', ...own, loading: {} } }, '[DONE]']);
  });

  test('JSON where a stream was asked for becomes one', async () => {
    const message = { role: 'assistant', content: 'Hello' };
    const answer = { id: 'c', object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }] };
    const text = await late(response(200, [JSON.stringify(answer)], { 'content-type': 'application/json' }));
    expect(eventsOf(text)).toMatchObject([
      { object: 'chat.completion.chunk', choices: [{ delta: message, finish_reason: null }] },
      { object: 'chat.completion.chunk', choices: [{ delta: {}, finish_reason: 'stop' }] },
      '[DONE]',
    ]);
  });

  test('a cut ends the stream with an error', async () => {
    const text = await late(sse(token, new Error('aborted')));
    expect(eventsOf(text).at(-1)).toBe('[DONE]');
    expect(eventsOf(text).at(-2)).toMatchObject({ error: { message: expect.any(String) } });
  });

  test('the deadline ends the stream with a timeout error, and the upstream call', async () => {
    const started = await start({ a: silent });
    await jest.advanceTimersByTimeAsync(12_000);
    started.request.deadline.abort(new TimeoutError('The time limit of this request was reached.'));
    await jest.advanceTimersByTimeAsync(1);
    await started.done;
    expect(eventsOf(started.text())).toEqual([{ error: expect.objectContaining({ code: 'timeout' }) }, '[DONE]']);
    expect(started.fleet.requests[0]?.signal.aborted).toBe(true);
  });
});

describe('while the health is asked', () => {
  test('an answer that comes is taken, whatever the health says then', async () => {
    const health = createDeferred<boolean>();
    const started = await start({ a: delayed(10_500, sse(whole)), b: sse(whole) }, { health: () => health.promise });
    await jest.advanceTimersByTimeAsync(10_600);
    health.resolve(false);
    await jest.advanceTimersByTimeAsync(1000);
    expect(await started.done).toBeUndefined();
    expect([started.text(), started.fleet.asked, started.fleet.failed]).toEqual([whole, ['a'], []]);
  });

  test('an error that comes keeps its status: no keep-alive has been sent yet', async () => {
    const started = await start(
      { a: delayed(10_500, response(400, ['{"error":{}}'])) },
      { health: () => new Promise<boolean>((resolve) => setTimeout(resolve, 800, true)) },
    );
    await jest.advanceTimersByTimeAsync(11_500);
    await started.done;
    expect([started.head()?.status, started.text()]).toEqual([400, '{"error":{}}']);
  });

  test('a failure that moves the request on does not give the next worker up', async () => {
    const health = createDeferred<boolean>();
    const started = await start(
      { a: delayed(10_500, failing('reset')), b: delayed(3000, sse(whole)), c: sse('data: {"never":1}\n\n') },
      { health: (id) => (id === 'a' ? health.promise : true) },
    );
    await jest.advanceTimersByTimeAsync(10_600);
    health.resolve(false);
    await jest.advanceTimersByTimeAsync(5000);
    await started.done;
    expect([started.fleet.asked, started.fleet.failed]).toEqual([['a', 'b'], ['a']]);
    expect(started.text().replaceAll(ping, '')).toBe(whole);
  });
});

describe('how a body ends is told to the router', () => {
  const ending = async (script: Script, body: object = { model: 'm', stream: true, messages: [] }) => {
    const started = await start({ a: script }, { body });
    await jest.advanceTimersByTimeAsync(1);
    await started.done;
    return [started.fleet.succeeded, started.fleet.failed];
  };

  test('complete: it went well', async () => expect(await ending(sse(whole))).toEqual([['a'], []]));
  test('cut: it failed', async () => expect(await ending(sse(token, new Error('aborted')))).toEqual([[], ['a']]));
  test("the worker's own 400 is an answer", async () =>
    expect(await ending(response(400, ['{}']))).toEqual([['a'], []]));
  test('a buffered body that breaks: it failed', async () =>
    expect(await ending(response(200, ['{"a":', new Error('aborted')]), { model: 'm', messages: [] })).toEqual([
      [],
      ['a'],
    ]));
});

describe('a stream that is not what was asked for', () => {
  test('JSON in answer to stream: true passes as it is', async () => {
    const started = await start({ a: response(200, ['{"choices":[]}']) });
    await jest.advanceTimersByTimeAsync(1);
    await started.done;
    expect([started.head()?.headers['content-type'], started.text()]).toEqual(['application/json', '{"choices":[]}']);
  });

  test('SSE from an endpoint that streams nothing of its own: a clean end is an end', async () => {
    const started = await start(
      { a: sse('data: 1\n\n') },
      { path: '/v1/embeddings', body: { model: 'm', input: 'x' } },
    );
    await jest.advanceTimersByTimeAsync(1);
    await started.done;
    expect(started.text()).toBe('data: 1\n\n');
  });
});
