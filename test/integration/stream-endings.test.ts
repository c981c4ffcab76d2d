import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { endingOf, errorIn } from '../support/endings.ts';
import { eventsOf } from '../support/frames.ts';
import { type Gateway, nodeIdOf, startGateway } from '../support/gateway.ts';
import { type Operation, operation, operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import {
  type Behaviour,
  combine,
  crlf,
  cut,
  endEarly,
  endingWith,
  firstEventError,
  inPiecesOf,
  raw,
  reply,
  stallAfter,
  withHeaders,
} from '../support/worker/behaviours.ts';

/** docs/contract.md section 6: a stream that breaks never looks like one that ended. */
const model = 'test-model';
const framed = operations.filter(({ streams }) => streams === 'sse' || streams === 'ndjson');
const binary = operations.filter(({ streams }) => streams === 'binary');
const buffered = operations.filter(({ name }) => !/image|inpainting/.test(name));
const each = <T extends { readonly name: string }>(all: readonly T[]) => all.map((one) => [one.name, one] as const);

let worker: StandIn;
let gateway: Gateway;
const pids = new Map<string, number>();
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
  gateway = await startGateway({
    workers: [worker],
    env: { GATEWAY_IDLE_TIMEOUT_SECONDS: '0.25', GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: '5' },
    timeoutSeconds: 8,
    limits: { maxEnvironments: 1 },
  });
  for (const { family, ...one } of operations) {
    if (!pids.has(family)) await gateway.fetch(pathOf({ family, ...one }, model), { body: one.body(model) });
    pids.set(family, gateway.environments(family)[0]?.pid ?? 0);
  }
});
beforeEach(() => worker.reset());
afterAll(async () => {
  try {
    for (const [family, pid] of pids) expect(gateway.environments(family).map((one) => one.pid)).toEqual([pid]);
  } finally {
    await Promise.all([gateway?.close(), worker?.close()]);
  }
});

const ask = async (one: Operation, behaviour: Behaviour, stream = true) => {
  worker.next(behaviour);
  const received = await gateway.fetch(pathOf(one, model), { body: one.body(model, stream) });
  expect(received.headers['x-localai-node']).toBe(nodeIdOf(worker));
  return received;
};
/** The worker's own whole events or lines stand unchanged at the beginning, and of what is half nothing. */
const beginsWithItsEvents = ({ streams }: Operation, body: Buffer): boolean => {
  const sent = worker.requests[0]?.sent() ?? Buffer.alloc(0);
  const ends = streams === 'ndjson' ? ['\n'] : ['\n\n', '\r\n\r\n'];
  const whole = Math.max(...ends.map((end) => (sent.includes(end) ? sent.lastIndexOf(end) + end.length : 0)));
  const rest = sent.subarray(whole).toString();
  const isTidy = /^$|\}[\r\n]*$/.test(rest) || !body.subarray(whole).toString().startsWith(rest);
  return whole > 0 && body.subarray(0, whole).equals(sent.subarray(0, whole)) && isTidy;
};
/** The worker's own bytes stand unchanged at the beginning. */
const beginsWithItsBytes = (body: Buffer): boolean => {
  const sent = worker.requests[0]?.sent() ?? Buffer.alloc(0);
  return sent.length > 0 && body.subarray(0, sent.length).equals(sent);
};

describe.each(each(framed))('%s', (_, one) => {
  test.each([
    ['a reset after two events', cut({ after: 2 })],
    [
      'a reset of what says that it is not encoded',
      combine(withHeaders({ 'content-encoding': 'identity' }), cut({ after: 2 })),
    ],
    ['a reset inside an event', cut({ midEvent: 2 })],
    ['a clean end before the marker', endEarly(3)],
    ['a clean end inside an event', combine(inPiecesOf(7), { change: cutInsideCharacter })],
    ['a clean end inside a character', { change: cutInsideCharacter }],
    ['CRLF, a clean end', combine(crlf, endEarly(3))],
    ['CRLF, a clean end between CR and LF', { change: cutBetweenCrAndLf }],
    ['a stall', stallAfter(3)],
  ] as [string, Behaviour][])("%s: the client's own error ending", async (what, behaviour) => {
    const received = await ask(one, behaviour);
    expect([received.status, endingOf(one, received)]).toEqual([200, 'error']);
    expect(errorIn(one, received).message).toMatch(/./);
    expect(received.text).not.toMatch(/127\.0\.0\.1|node-alpha|ECONNRESET/);
    // Whole events of the worker's, and no half of one.
    if (!what.includes('reset')) expect(beginsWithItsEvents(one, received.body)).toBe(true);
    if (what === 'a stall') expect(errorIn(one, received).message).toMatch(/stopped sending/);
    // Only this stream suffered.
    expect(endingOf(one, await ask(one, {}))).toBe('whole');
  });

  test('a stall closes the upstream connection', async () => {
    const received = await ask(one, stallAfter(3));
    expect(endingOf(one, received)).toBe('error');
    expect((await worker.requests[0]?.closed) ?? Number.NaN).toBeLessThan(performance.now() + 1000);
  });

  test.each([1, 3, 64, 1000])('in pieces of %d bytes: byte for byte, and whole', async (size) => {
    const received = await ask(one, inPiecesOf(size));
    expect(endingOf(one, received)).toBe('whole');
    expect(received.body.equals(worker.requests[0]?.sent() ?? Buffer.alloc(0))).toBe(true);
  });

  test('an end without any byte is no answer', async () => {
    const received = await ask(one, endEarly(0));
    expectErrorIn(one.dialect, received);
    expect(received.status).toBe(502);
  });
});

describe.each(each(framed.filter(({ streams }) => streams === 'sse')))('%s as SSE', (_, one) => {
  test('CRLF: byte for byte, and whole', async () => {
    const received = await ask(one, combine(crlf, inPiecesOf(5)));
    expect(endingOf(one, received)).toBe('whole');
    expect(received.body.equals(worker.requests[0]?.sent() ?? Buffer.alloc(0))).toBe(true);
  });

  test('a worker that holds the connection behind its marker does not hold the client', async () => {
    const received = await ask(one, stallAfter(100));
    expect(endingOf(one, received)).toBe('whole');
    expect(received.body.equals(worker.requests[0]?.sent() ?? Buffer.alloc(0))).toBe(true);
  });

  test.each([
    ['OpenAI', { error: { message: 'out of memory', type: 'server_error', code: 500 } }, undefined, 500],
    ['OpenAI without a code', { error: { message: 'out of memory' } }, undefined, 502],
    ['a code that is no status', { error: { message: 'out of memory', code: 'oom' } }, undefined, 502],
    ['a status as text', { error: { message: 'out of memory', code: '429' } }, undefined, 429],
    ['Anthropic', { type: 'error', error: { type: 'overloaded_error', message: 'out of memory' } }, 'error', 529],
    [
      'a type that is an invalid request',
      { error: { message: 'out of memory', type: 'invalid_request_error' } },
      undefined,
      400,
    ],
    ['vLLM', { object: 'error', message: 'out of memory', code: 400 }, undefined, 400],
    ['a client error', { error: { message: 'out of memory', code: 422 } }, undefined, 422],
  ])('a first event that is an error (%s) is an HTTP error', async (__, error, event, status) => {
    const received = await ask(one, firstEventError(error, event));
    expect(expectErrorIn(one.dialect, received)).toContain('out of memory');
    expect(received.status).toBe(status);
  });

  test('also when it comes in pieces, or CRLF', async () => {
    const error = firstEventError({ error: { message: 'out of memory', code: 400 } });
    expect((await ask(one, combine(error, inPiecesOf(2)))).status).toBe(400);
    expect((await ask(one, combine(error, crlf))).status).toBe(400);
  });

  test('a first event that only looks like an error passes', async () => {
    const bytes = `data: {"error": null, "choices": []}\n\n`;
    const received = await ask(one, endingWith(0, bytes));
    expect([received.status, received.text.startsWith(bytes)]).toEqual([200, true]);
  });

  test('an endless first error is not waited for beyond 4 KB', async () => {
    const bytes = `data: {"error": {"message": "${'x'.repeat(6000)}"}}\n\n`;
    const received = await ask(one, combine(endingWith(0, bytes), inPiecesOf(1500)));
    expect(received.status).toBe(200);
    expect(received.text.startsWith(bytes)).toBe(true);
  });
});

describe("the worker's own endings pass untouched", () => {
  test.each([
    ['chat', 'data: {"error":{"message":"oom","code":500}}\n\ndata: [DONE]\n\n'],
    ['chat', 'data: {"choices":[{"delta":{},"finish_reason":"length"}]}\n\ndata: [DONE]\n\n'],
    ['chat', 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\r\n\r\ndata: [DONE]\r\n\r\n'],
    ['completions', 'data:[DONE]\n\n'],
    ['messages', 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'],
    ['messages', 'data: {"type": "message_stop"}\n\n'],
    ['messages', 'event: message_stop\r\ndata: {"type" : "message_stop"}\r\n\r\n'],
    ['messages', 'event: message_stop\rdata: {"type":"message_stop"}\r\r'],
    ['responses', 'data: {"type":"response\\u002ecompleted","response":{}}\n\n'],
    ['chat', 'data: {"choices":[{"index":0,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n: bye\n\n'],
    ['responses', 'event: response.failed\ndata: {"type":"response.failed","response":{}}\n\n'],
    ['responses', 'data: {"type":"response.incomplete","response":{}}\n\n'],
    ['responses', 'data: {"response":{},"type":"response.completed"}\n\n'],
    ['responses', 'event: error\ndata: {"type":"error","message":"oom"}\n\n'],
    ['transcription', 'data: {"type":"transcript.text.done","text":"a"}\n\n'],
    ['transcription', 'data: [DONE]\n\n'],
    ['ollama chat', '{"error":"llama runner process has terminated"}\n'],
    ['ollama generate', '{"response":"","done":true,"context":[1,2,3]}\n'],
  ])('%s: %j', async (name, bytes) => {
    const received = await ask(operation(name), endingWith(2, bytes));
    expect(received.text.endsWith(bytes)).toBe(true);
    expect(received.body.equals(worker.requests[0]?.sent() ?? Buffer.alloc(0))).toBe(true);
  });

  test.each([
    ['chat', 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n', 'data: [DONE]\n\n'],
    ['chat', 'data: {"choices":[{"delta":{},"finish_reason" : "stop"}]}\r\n\r\n', 'data: [DONE]\n\n'],
    ['chat', 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}', '\n\ndata: [DONE]\n\n'],
    ['completions', 'data: {"choices":[{"text":"","finish_reason":"length"}],"usage":{}}\n\n', 'data: [DONE]\n\n'],
    ['chat', 'data: {"error":{"message":"oom","code":500}}\n\n', 'data: [DONE]\n\n'],
    ['chat', 'data: [DONE]', '\n\n'],
    ['chat', 'data: [DONE]\n', '\n'],
    ['ollama chat', '{"message":{},"done":true}', '\n'],
    ['messages', 'event: message_stop\ndata: {"type":"message_stop"}', '\n\n'],
    ['messages', 'event: message_stop\ndata: {"type":"message_stop"}\n', '\n'],
    ['responses', 'event: response.completed\ndata: {"type":"response.completed","response":{}}', '\n\n'],
  ])('%s: %j is completed with %j', async (name, bytes, missing) => {
    const received = await ask(operation(name), endingWith(2, bytes));
    const sent = worker.requests[0]?.sent() ?? Buffer.alloc(0);
    expect(received.body.subarray(0, sent.length).equals(sent)).toBe(true);
    expect(received.text.slice(sent.toString().length).replace(/^\n*/, '')).toBe(missing.replace(/^\n*/, ''));
    expect(received.complete).toBe(true);
  });

  test('a reset behind the finish_reason is an end, too', async () => {
    const one = operation('chat');
    const whole = (await ask(one, {})).text.split('\n\n').length - 2;
    const received = await ask(one, cut({ after: whole }));
    expect(endingOf(one, received)).toBe('whole');
  });

  test.each([
    ['a half-written finish', 'data: {"choices":[{"delta":{},"finish_reason":"st'],
    ['a finish_reason in the text', `data: {"choices":[{"delta":{"content":"\\"finish_reason\\":\\"stop\\""}}]}\n\n`],
    ['a [DONE] in the text', 'data: {"choices":[{"delta":{"content":"data: [DONE]"}}]}\n\n'],
    ['an error in the text', 'data: {"choices":[{"delta":{"content":"data: {\\"error\\":1}"}}]}\n\n'],
    ['an open finish_reason', 'data: {"choices":[{"delta":{},"finish_reason":null}]}\n\n'],
    ['a finish_reason that is nested', 'data: {"choices":[{"delta":{"tool_calls":[{"finish_reason":"stop"}]}}]}\n\n'],
    ['a finish_reason that is echoed', 'data: {"metadata":{"finish_reason":"stop"},"choices":[]}\n\n'],
  ])('%s is none', async (_, bytes) => {
    const received = await ask(operation('chat'), endingWith(2, bytes));
    expect(endingOf(operation('chat'), received)).toBe('error');
  });

  test.each([
    ['responses', 'response.created', { response: { id: 'r', metadata: { type: 'error' }, error: null } }],
    ['responses', 'response.in_progress', { response: { metadata: { type: 'response.completed' } } }],
    ['responses', 'response.function_call_arguments.done', { arguments: '{"type":"response.completed"}' }],
    ['messages', 'content_block_start', { content_block: { type: 'tool_use', input: { type: 'message_stop' } } }],
    ['transcription', 'transcript.text.delta', { delta: '', metadata: { type: 'transcript.text.done' } }],
  ])('%s: what a %s says inside is none, and a reset after it is told', async (name, type, fields) => {
    const data = JSON.stringify({ type, sequence_number: 4, ...fields });
    for (const text of [data, data.replaceAll('":"', '" : "'), data.replaceAll('type', '\\u0074ype')]) {
      const one = operation(name);
      const received = await ask(one, combine(endingWith(0, `event: ${type}\ndata: ${text}\n\n`), cut({ after: 1 })));
      expect([received.status, endingOf(one, received)]).toEqual([200, 'error']);
      expect(received.body.indexOf(text)).toBeGreaterThan(-1);
    }
  });

  test('a broken response tells what is known of it, and its numbers go on', async () => {
    const one = operation('responses');
    const received = await ask(one, cut({ after: 4 }));
    const events = eventsOf(received.text) as Record<string, unknown>[];
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual([0, 1, 2, 3, 4, 5]);
    const { response: created } = events[0] as { response: object };
    const error = { code: 'upstream_error', message: expect.stringMatching(/^Upstream connection error: /) };
    expect(events.at(-2)).toMatchObject({ response: { ...created, status: 'failed', error } });
    expect(events.at(-1)).toMatchObject({
      type: 'error',
      param: null,
      ...error,
      error: { type: 'server_error', ...error },
    });
  });

  test.each([
    ['one of two choices', { n: 2 }, [0], 'error'],
    ['both of two choices', { n: 2 }, [0, 1], 'whole'],
    ['the same one twice', { n: 2 }, [1, 1], 'error'],
  ])('%s finished, then a reset: %j', async (_, more, finished, ending) => {
    const one = operation('chat');
    const events = finished.map(
      (index) => `data: {"choices":[{"index":${index},"delta":{},"finish_reason":"stop"}]}\n\n`,
    );
    worker.next(combine(endingWith(1, events.join('')), cut({ after: 2 })));
    const body = { ...(one.body(model, true) as object), ...more };
    expect(endingOf(one, await gateway.fetch(pathOf(one, model), { body }))).toBe(ending);
  });

  test('before its first event is whole another worker may be tried, and without one it is 502', async () => {
    for (const bytes of ['data: {"choices":[', ': hello\n\n', 'event: message_start\n', '{"message":']) {
      for (const one of [operation('chat'), operation('messages'), operation('ollama chat')]) {
        if ((one.streams === 'ndjson') !== bytes.startsWith('{')) continue;
        const received = await ask(one, endingWith(0, bytes));
        expectErrorIn(one.dialect, received);
        expect([bytes, received.status]).toEqual([bytes, 502]);
      }
    }
  });

  test('a later error event passes untouched, wherever it stands', async () => {
    const bytes = 'data: {"error":{"message":"tool failed","code":418}}\n\n';
    const one = operation('chat');
    const change: Behaviour['change'] = (answer) => ({
      ...answer,
      parts: [...answer.parts.slice(0, 2), Buffer.from(bytes), ...answer.parts.slice(2)],
    });
    const received = await ask(one, { change });
    expect([received.status, endingOf(one, received)]).toEqual([200, 'whole']);
    expect(received.body.equals(worker.requests[0]?.sent() ?? Buffer.alloc(0))).toBe(true);
    expect(eventsOf(received.text)).toContainEqual({ error: { message: 'tool failed', code: 418 } });
  });
});

describe('SSE of a kind nobody knows', () => {
  test('a clean end is an end, a reset is not', async () => {
    const one = operation('speech');
    const sse = { 'content-type': 'text/event-stream' };
    const events: Behaviour = {
      change: (answer) => ({
        ...answer,
        headers: sse,
        parts: ['data: 1\n\n', 'data: 2\n\n'].map((e) => Buffer.from(e)),
      }),
    };
    expect((await ask(one, events)).text).toBe('data: 1\n\ndata: 2\n\n');
    const broken = await ask(one, combine(events, cut({ after: 1 })));
    expect(endingOf(one, broken)).toBe('error');
  });
});

describe.each(each(binary))('%s, bytes', (_, one) => {
  test.each([
    ['a reset', cut({ after: 2 })],
    ['a stall', stallAfter(2)],
    [
      'a chunked body without its last chunk',
      raw('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nRIFF\r\n'),
    ],
    ['a shorter body than promised', raw('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nRIFF')],
  ] as [string, Behaviour][])('%s: the connection breaks', async (what, behaviour) => {
    const received = await ask(one, behaviour);
    expect([received.status, received.complete]).toEqual([200, false]);
    if (what === 'a stall') expect(beginsWithItsBytes(received.body)).toBe(true);
    expect((await ask(one, {})).complete).toBe(true);
  });

  test('a chunk of a size that is none breaks it, or is 502 when nothing was sent yet', async () => {
    const received = await ask(one, raw('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nRIFF\r\nxyz\r\n'));
    if (received.status === 502) expectErrorIn(one.dialect, received);
    else expect([received.status, received.complete]).toEqual([200, false]);
  });

  test('the same below a content coding, in the very segment of the head, does not cost the environment', async () => {
    const head = 'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n';
    const received = await ask(one, raw(`${head}zz\r\nxyz\r\n`));
    if (received.status === 502) expectErrorIn(one.dialect, received);
    else expect([received.status, received.complete]).toEqual([200, false]);
    expect((await ask(one, {})).complete).toBe(true);
  });

  test('a reset of a body that only the end of the connection delimits breaks it', async () => {
    const received = await ask(one, raw('HTTP/1.1 200 OK\r\ncontent-type: audio/wav\r\n\r\nRIFFxxxx', 'reset'));
    if (received.status === 502) expectErrorIn(one.dialect, received);
    else expect([received.status, received.complete]).toEqual([200, false]);
  });
});

describe.each(each(buffered))('%s, not streamed', (_, one) => {
  test.each([
    ['a reset', cut({ midEvent: 0 })],
    ['a stall', { change: inTwo, deliver: stallAfter(1).deliver }],
    [
      'a shorter body than promised',
      raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"a'),
    ],
  ] as [string, Behaviour][])('%s in the body: the connection breaks', async (__, behaviour) => {
    const received = await ask(one, behaviour, false);
    expect([received.status, received.complete]).toEqual([200, false]);
    expect((await ask(one, {}, false)).complete).toBe(true);
  });

  test.each([
    ['a reset before the head', cut('before-head')],
    ['a head and a reset', cut('after-head')],
    ['half a head', raw('HTTP/1.1 200 O', 'finish')],
    ['no HTTP at all', raw('\x16\x03\x01 hello\r\n\r\n', 'finish')],
    ['a status that is none', raw('HTTP/1.1 999 Strange\r\ncontent-length: 0\r\n\r\n', 'finish')],
    ['another protocol', raw('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n', 'open')],
    ['a head of 1 MB', raw(`HTTP/1.1 200 OK\r\nx-big: ${'x'.repeat(1_000_000)}\r\ncontent-length: 0\r\n\r\n`)],
  ] as [string, Behaviour][])('%s is 502', async (__, behaviour) => {
    worker.behave(behaviour);
    const received = await gateway.fetch(pathOf(one, model), { body: one.body(model) });
    expectErrorIn(one.dialect, received);
    expect(received.status).toBe(502);
    expect(received.headers['x-localai-node']).toBe(nodeIdOf(worker));
  });
});

describe('errors of the worker that are cut', () => {
  test.each([400, 500, 503])('%d: the connection breaks, or nothing was sent and it is 502', async (status) => {
    const received = await ask(operation('chat'), combine(reply(status, 'x'.repeat(100_000)), cut({ midEvent: 0 })));
    if (received.status === 502) expectErrorIn('openai', received);
    else expect([received.status, received.complete]).toEqual([status, false]);
  });
});

function cutInsideCharacter(answer: Parameters<NonNullable<Behaviour['change']>>[0]) {
  const body = Buffer.concat(answer.parts);
  // Past the first byte of a four-byte character.
  return { ...answer, parts: [body.subarray(0, body.indexOf(0xf0) + 2)] };
}

function cutBetweenCrAndLf(answer: Parameters<NonNullable<Behaviour['change']>>[0]) {
  const body = Buffer.from(Buffer.concat(answer.parts).toString().replaceAll('\n', '\r\n'));
  return { ...answer, parts: [body.subarray(0, body.lastIndexOf('\r\n', -60) + 1)] };
}

function inTwo(answer: Parameters<NonNullable<Behaviour['change']>>[0]) {
  const body = Buffer.concat(answer.parts);
  return { ...answer, parts: [body.subarray(0, 5), body.subarray(5)] };
}
