import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import fc from 'fast-check';
import { anyStream } from '../../../../lib/dialects/any-stream.ts';
import { bytes } from '../../../../lib/dialects/bytes.ts';
import { completionStream } from '../../../../lib/dialects/completion-stream.ts';
import { messageStream } from '../../../../lib/dialects/message-stream.ts';
import { ollamaStream } from '../../../../lib/dialects/ollama-stream.ts';
import { transcriptStream } from '../../../../lib/dialects/transcript-stream.ts';
import { TimeoutError } from '../../../../lib/errors.ts';
import { type Ending, type RelayOptions, relay } from '../../../../lib/relay/relay.ts';
import { parseNdjson } from '../../../support/frames.ts';
import { type StreamKind, streamKinds } from '../streams.ts';
import { createBody } from './bodies.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);

const reset = () => Object.assign(new Error('aborted'), { code: 'ECONNRESET' });

/** Runs a relay to its end, or to its failure. */
const start = (first: readonly (Uint8Array | string)[], options: Partial<RelayOptions> = {}) => {
  const body = createBody();
  const abort = new AbortController();
  const out: Buffer[] = [];
  const endings: Ending[] = [];
  const run = async () => {
    const stream = relay(
      { first: first.map((chunk) => (typeof chunk === 'string' ? utf8(chunk) : chunk)), rest: body.rest },
      {
        format: completionStream,
        asked: {},
        scrub: undefined,
        correlationId: 'id-1',
        signal: abort.signal,
        idleMs: 60_000,
        keepAliveMs: 10_000,
        ended: (ending) => endings.push(ending),
        ...options,
      },
    );
    await stream({ write: (chunk) => out.push(Buffer.from(chunk)) > 0, drained: async () => {} });
  };
  const done = run().then(
    () => undefined,
    (error: unknown) => error,
  );
  return { ...body, abort, done, endings, text: () => Buffer.concat(out).toString(), out };
};

/** Events as a strict client reads them: those that a blank line has dispatched. */
const dispatched = (text: string): EventSourceMessage[] => {
  const events: EventSourceMessage[] = [];
  createParser({ onEvent: (event) => events.push(event) }).feed(text);
  return events;
};

const openaiError = {
  error: { message: expect.any(String), type: expect.any(String), code: expect.any(String), param: null },
};

/** Words that are the gateway's own. */
const BROKEN = 'Upstream connection error: ';

/** Whether what a client got ends like an operation that went well or was told to have failed; throws when neither. */
const endingOf = ({ name, dialect }: StreamKind, text: string, ownEnding: string): 'error' | 'normal' => {
  if (dialect === 'ollama') {
    // A half-written line may stand before the last one, each ended; the last is the dialect's word.
    expect(text.endsWith('\n')).toBe(true);
    const last = JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
    return ownEnding.includes(BROKEN) && 'error' in last ? 'error' : 'normal';
  }
  // After the marker a clean end may leave half an event, as the worker did; nothing of ours stands after it.
  if (ownEnding.includes(BROKEN)) expect(text).toMatch(/\n\n$/);
  const events = dispatched(text);
  if (dialect === 'anthropic') {
    expect(events.at(-1)?.event).toMatch(/^(message_stop|error)$/);
    if (!ownEnding.includes(BROKEN)) return 'normal';
    expect(JSON.parse(events.at(-1)?.data ?? '')).toEqual({
      type: 'error',
      error: { type: expect.any(String), message: expect.any(String) },
      request_id: 'id-1',
    });
    return 'error';
  }
  if (name === 'responses') {
    if (!ownEnding.includes(BROKEN)) return 'normal';
    const [failed, error] = events.slice(-2).map(({ data }) => JSON.parse(data) as Record<string, unknown>);
    expect(failed).toMatchObject({
      type: 'response.failed',
      response: { status: 'failed', error: { code: 'upstream_error' } },
    });
    expect(error).toMatchObject({ type: 'error', code: 'upstream_error', ...openaiError });
    return 'error';
  }
  if (!ownEnding.includes(BROKEN)) return 'normal';
  expect(events.at(-1)?.data).toBe('[DONE]');
  expect(JSON.parse(events.at(-2)?.data ?? '')).toEqual(openaiError);
  return 'error';
};

/** How many bytes of a beginning are whole events or lines. */
const endOfWhole = ({ dialect }: StreamKind, bytes: Buffer): number => {
  const ends = dialect === 'ollama' ? ['\n'] : ['\n\n', '\r\n\r\n'];
  return Math.max(
    0,
    ...ends.map((end) => bytes.lastIndexOf(end)).map((at, n) => (at === -1 ? 0 : at + (ends[n] as string).length)),
  );
};

const chunksOf = (bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] => {
  const places = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  return places.map((end, at) => bytes.subarray(at === 0 ? 0 : places[at - 1], end)).filter(({ length }) => length > 0);
};

describe.each(streamKinds)('a stream of $name', (kind) => {
  test.each(['end', 'reset'] as const)(
    'cut anywhere by a clean end or a reset (%s): a prefix of the bytes, then a truthful, well-formed ending',
    async (how) => {
      await fc.assert(
        fc.asyncProperty(kind.stream, fc.nat(), fc.array(fc.nat(), { maxLength: 8 }), async (stream, place, cuts) => {
          const cut = place % (stream.bytes.length + 1);
          const prefix = stream.bytes.subarray(0, cut);
          const relayed = start([], { format: kind.format });
          relayed.feed(...chunksOf(prefix, cuts), how === 'end' ? 'end' : reset());
          expect(await relayed.done).toBeUndefined();
          const all = Buffer.concat(relayed.out);
          const passed = endOfWhole(kind, Buffer.from(prefix));
          expect(all.subarray(0, passed).equals(prefix.subarray(0, passed))).toBe(true);
          const ownEnding = all.subarray(passed).toString();
          const ending = endingOf(kind, all.toString(), ownEnding);
          if (cut < stream.openUntil) expect([cut, ending]).toEqual([cut, 'error']);
          if (cut >= stream.completeFrom) expect([cut, ending]).toEqual([cut, 'normal']);
          expect(relayed.endings).toEqual([ending === 'error' ? 'cut' : 'complete']);
        }),
        { numRuns: 300 },
      );
    },
  );

  test('whole: its bytes and no other', async () => {
    await fc.assert(
      fc.asyncProperty(kind.stream, fc.array(fc.nat(), { maxLength: 8 }), async ({ bytes }, cuts) => {
        const relayed = start([], { format: kind.format });
        relayed.feed(...chunksOf(bytes, cuts), 'end');
        await relayed.done;
        expect(Buffer.concat(relayed.out).equals(Buffer.from(bytes))).toBe(true);
        expect(relayed.endings).toEqual(['complete']);
      }),
    );
  });
});

const token = 'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\n\n';
const finish = 'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n';
const done = 'data: [DONE]\n\n';

describe('the end of a stream', () => {
  test('finish_reason without [DONE]: it is added', async () => {
    const relayed = start([token, finish]);
    relayed.feed('end');
    await relayed.done;
    expect(relayed.text()).toBe(token + finish + done);
  });

  test('usage behind finish_reason does not hide it', async () => {
    const usage = 'data: {"choices":[],"usage":{"total_tokens":3}}\n\n';
    const relayed = start([token, finish, usage]);
    relayed.feed('end');
    await relayed.done;
    expect(relayed.text()).toBe(token + finish + usage + done);
  });

  test('half an event with finish_reason is no marker', async () => {
    const half = 'data: {"choices":[{"delta":{},"finish_reason":"st';
    const relayed = start([token, half]);
    relayed.feed('end');
    await relayed.done;
    expect(relayed.text().slice(token.length)).toMatch(/^data: \{"error":.*\n\ndata: \[DONE\]\n\n$/);
    expect(relayed.endings).toEqual(['cut']);
  });

  test("half of a worker's own error is no ending either", async () => {
    const relayed = start([token, 'data: {"error":{"message":"out of mem']);
    relayed.feed('end');
    await relayed.done;
    expect(dispatched(relayed.text()).at(-2)?.data).toMatch(
      /^\{"error":\{"message":"Upstream connection error: The worker/,
    );
  });

  test("a worker's own error event ends the stream, with [DONE] added", async () => {
    const error = 'data: {"error":{"message":"out of memory","code":500}}\n\n';
    const relayed = start([token, error]);
    relayed.feed('end');
    await relayed.done;
    expect(relayed.text()).toBe(token + error + done);
  });

  test('a long last event whose text was cut behind the words [DONE] is no marker', async () => {
    const half = 'data: {"type":"transcript.text.done","text":"[DONE]';
    const relayed = start([half], { format: transcriptStream });
    relayed.feed(reset());
    await relayed.done;
    expect(relayed.text()).toMatch(/^data: \{"error":/);
  });

  test('finish_reason, then reset: the marker has gone by, [DONE] is added', async () => {
    const relayed = start([token, finish]);
    relayed.feed(reset());
    await relayed.done;
    expect([relayed.text(), relayed.endings]).toEqual([token + finish + done, ['complete']]);
  });

  test('terminated, then reset: a normal end', async () => {
    const relayed = start([token, finish, done]);
    relayed.feed(reset());
    await relayed.done;
    expect([relayed.text(), relayed.endings]).toEqual([token + finish + done, ['complete']]);
  });

  test('terminated without the blank line, then reset: closed so that a parser dispatches it', async () => {
    const relayed = start([token, 'data: [DONE]']);
    relayed.feed(reset());
    await relayed.done;
    expect(dispatched(relayed.text()).at(-1)?.data).toBe('[DONE]');
  });

  test('the last line of NDJSON without its newline, then reset: ended', async () => {
    const relayed = start(['{"done":false}\n', '{"done":true}'], { format: ollamaStream });
    relayed.feed(reset());
    await relayed.done;
    expect(parseNdjson(relayed.text())).toEqual([{ done: false }, { done: true }]);
  });

  test('SSE of unknown kind: a clean end is an end, a reset is not', async () => {
    const clean = start(['data: 1\n\n'], { format: anyStream });
    clean.feed('end');
    await clean.done;
    expect([clean.text(), clean.endings]).toEqual(['data: 1\n\n', ['complete']]);
    const broken = start(['data: 1\n\n'], { format: anyStream });
    broken.feed(reset());
    await broken.done;
    expect(dispatched(broken.text()).map(({ data }) => data.slice(0, 8))).toEqual(['1', '{"error"', '[DONE]']);
  });

  test('bytes without framing: a clean end is an end, a reset fails the invocation', async () => {
    const clean = start(['RIFF'], { format: bytes });
    clean.feed('end');
    expect(await clean.done).toBeUndefined();
    const broken = start(['RIFF'], { format: bytes });
    broken.feed(reset());
    expect(await broken.done).toMatchObject({ status: 502 });
    expect(broken.text()).toBe('RIFF');
  });

  test('the error in the stream carries no host, no stack, no cause', async () => {
    const relayed = start([token]);
    relayed.feed(Object.assign(new Error('connect ECONNREFUSED 10.0.1.7:8080'), { code: 'ECONNRESET' }));
    await relayed.done;
    expect(relayed.text()).not.toMatch(/10\.0\.1\.7|ECONN|at /);
  });

  describe('when nobody takes the bytes any more', () => {
    const leaving = (after: number) => {
      const body = createBody();
      const endings: Ending[] = [];
      let taken = 0;
      const write = () => {
        taken += 1;
        if (taken > after) throw new Error('write after end');
        return true;
      };
      const stream = relay(
        { first: [utf8(token)], rest: body.rest },
        {
          format: completionStream,
          asked: {},
          scrub: undefined,
          correlationId: 'id-1',
          signal: new AbortController().signal,
          idleMs: 5000,
          keepAliveMs: 10,
          ended: (ending) => endings.push(ending),
        },
      );
      return { ...body, endings, done: stream({ write, drained: async () => {} }) };
    };

    test('the connection is closed', async () => {
      const left = leaving(0);
      await expect(left.done).rejects.toThrow('write after end');
      expect([left.isClosed(), left.endings]).toEqual([true, ['client']]);
    });

    test('at a keep-alive: the same, and the process lives', async () => {
      const left = leaving(1);
      await expect(left.done).rejects.toThrow('write after end');
      expect([left.isClosed(), left.endings]).toEqual([true, ['client']]);
    });
  });

  test('a reader that is slow is waited for, chunk by chunk', async () => {
    const body = createBody();
    const taken: string[] = [];
    let drain = () => {};
    const stream = relay(
      { first: [utf8('a')], rest: body.rest },
      {
        format: bytes,
        asked: {},
        scrub: undefined,
        correlationId: 'id-1',
        signal: new AbortController().signal,
        idleMs: 1000,
        keepAliveMs: 1000,
        ended: () => {},
      },
    );
    const done = stream({
      write: (chunk) => {
        taken.push(Buffer.from(chunk).toString());
        return false;
      },
      drained: () =>
        new Promise((resolve) => {
          drain = resolve;
        }),
    });
    body.feed('b', 'end');
    await new Promise(setImmediate);
    expect(taken).toEqual(['a']);
    drain();
    await new Promise(setImmediate);
    expect(taken).toEqual(['a', 'b']);
    drain();
    await done;
  });
});

describe('silence', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('keep-alives, repeated, and then the worker goes on', async () => {
    const relayed = start([token], { keepAliveMs: 10_000 });
    await jest.advanceTimersByTimeAsync(9_900);
    expect(relayed.text()).toBe(token);
    await jest.advanceTimersByTimeAsync(200);
    expect(relayed.text()).toBe(`${token}: keep-alive\n`);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(relayed.text()).toBe(`${token}${': keep-alive\n'.repeat(2)}`);
    relayed.feed(finish, done, 'end');
    await relayed.done;
    expect(relayed.text()).toBe(`${token}${': keep-alive\n'.repeat(2)}${finish}${done}`);
  });

  test('a byte in between starts the wait anew', async () => {
    const relayed = start([token], { keepAliveMs: 10_000 });
    await jest.advanceTimersByTimeAsync(8_000);
    relayed.feed(token);
    await jest.advanceTimersByTimeAsync(8_000);
    expect(relayed.text()).toBe(token + token);
    relayed.feed('end');
    await relayed.done;
  });

  test.each(['data: {"choices"', 'data: {}', 'data: {}\n', 'data: {}\r\n\r'])(
    'inside an event, which the client has not seen: keep-alives all the same: %j',
    async (half) => {
      const relayed = start([token, half], { keepAliveMs: 1000, idleMs: 30_000 });
      await jest.advanceTimersByTimeAsync(2500);
      expect(relayed.text()).toBe(`${token}${': keep-alive\n'.repeat(2)}`);
      relayed.abort.abort();
      relayed.feed('end');
      await relayed.done;
    },
  );

  test('none inside an event that was too long to be held', async () => {
    const half = `data: "${'x'.repeat(70_000)}`;
    const relayed = start([token, half], { keepAliveMs: 1000, idleMs: 30_000 });
    await jest.advanceTimersByTimeAsync(29_000);
    expect(relayed.text()).toBe(token + half);
    await jest.advanceTimersByTimeAsync(2000);
    await relayed.done;
    expect(relayed.text().slice((token + half).length)).toMatch(/^\n\ndata: \{"error":.*\n\ndata: \[DONE\]\n\n$/);
  });

  test('a worker that speaks in pieces of which the client hears nothing does not put them off', async () => {
    const relayed = start([token], { keepAliveMs: 1000, idleMs: 30_000 });
    for (let piece = 0; piece < 8; piece += 1) {
      await jest.advanceTimersByTimeAsync(400);
      relayed.feed(piece === 0 ? 'data: "' : 'x');
    }
    await jest.advanceTimersByTimeAsync(1);
    expect(relayed.text()).toBe(`${token}${': keep-alive\n'.repeat(2)}`);
    relayed.feed('"\n\n', done, 'end');
    await relayed.done;
    expect(relayed.text()).toBe(`${token}${': keep-alive\n'.repeat(2)}data: "xxxxxxx"\n\n${done}`);
  });

  test('Anthropic: event ping', async () => {
    const relayed = start(['event: message_start\ndata: {}\n\n'], { format: messageStream, keepAliveMs: 1000 });
    await jest.advanceTimersByTimeAsync(1100);
    expect(dispatched(relayed.text()).at(-1)).toMatchObject({ event: 'ping', data: '{"type": "ping"}' });
    relayed.feed('end');
    await relayed.done;
  });

  test('NDJSON hears nothing', async () => {
    const relayed = start(['{"done":false}\n'], { format: ollamaStream, keepAliveMs: 1000, idleMs: 20_000 });
    await jest.advanceTimersByTimeAsync(19_000);
    expect(relayed.text()).toBe('{"done":false}\n');
    relayed.feed('{"done":true}\n', 'end');
    await relayed.done;
  });

  test('past the idle limit: the error ending, and the upstream is closed', async () => {
    const relayed = start([token], { idleMs: 25_000, keepAliveMs: 10_000 });
    await jest.advanceTimersByTimeAsync(26_000);
    await relayed.done;
    expect(relayed.text().replaceAll(': keep-alive\n', '')).toMatch(
      /^data: .*\n\ndata: \{"error":\{"message":"Timeout: .*"timeout".*\n\ndata: \[DONE\]\n\n$/,
    );
    expect([relayed.endings, relayed.isClosed()]).toEqual([['idle'], true]);
  });

  test('keep-alives do not put the idle limit off', async () => {
    const relayed = start([token], { idleMs: 25_000, keepAliveMs: 1000 });
    await jest.advanceTimersByTimeAsync(26_000);
    await relayed.done;
    expect(relayed.endings).toEqual(['idle']);
  });

  test('bytes without framing, past the idle limit: the invocation fails', async () => {
    const relayed = start(['RIFF'], { format: bytes, idleMs: 5000 });
    await jest.advanceTimersByTimeAsync(5100);
    expect(await relayed.done).toBeInstanceOf(TimeoutError);
  });

  test('behind the terminal marker nobody waits for the idle limit', async () => {
    const relayed = start([token, finish, done], { idleMs: 60_000 });
    await jest.advanceTimersByTimeAsync(5000);
    await relayed.done;
    expect([relayed.text(), relayed.endings, relayed.isClosed()]).toEqual([token + finish + done, ['complete'], true]);
  });

  test.each([
    ['after a pause', ollamaStream, ['{"done":false}\n'], ['{"done":true}\n']],
    ['after a keep-alive', completionStream, [token], [finish, done]],
  ])('nor %s in the stream', async (_, format, before, behind) => {
    const relayed = start(before, { format, idleMs: 60_000, keepAliveMs: 7000 });
    await jest.advanceTimersByTimeAsync(7500);
    relayed.feed(...behind);
    await jest.advanceTimersByTimeAsync(4100);
    await relayed.done;
    expect(relayed.endings).toEqual(['complete']);
  });

  test('a pause inside an event does not put the keep-alives off that come after it', async () => {
    const relayed = start([token.slice(0, 9)], { keepAliveMs: 1000, idleMs: 6000 });
    await jest.advanceTimersByTimeAsync(1200);
    relayed.feed(token.slice(9));
    await jest.advanceTimersByTimeAsync(2100);
    expect(relayed.text()).toBe(`: keep-alive\n${token}${': keep-alive\n'.repeat(2)}`);
    relayed.feed(done, 'end');
    await relayed.done;
  });

  test('no keep-alive goes ahead of the idle limit that falls on its beat', async () => {
    const relayed = start([token], { keepAliveMs: 1000, idleMs: 3000 });
    await jest.advanceTimersByTimeAsync(3100);
    await relayed.done;
    expect(relayed.text().split(': keep-alive')).toHaveLength(3);
  });

  test('usage that comes late behind finish_reason still passes', async () => {
    const usage = 'data: {"choices":[],"usage":{"total_tokens":3}}\n\n';
    const relayed = start([token, finish], { idleMs: 60_000 });
    await jest.advanceTimersByTimeAsync(8000);
    relayed.feed(usage, done, 'end');
    await relayed.done;
    expect(relayed.text()).toBe(token + finish + usage + done);
  });
});

describe('the deadline', () => {
  test.each([
    ['OpenAI', completionStream, token, /\n\ndata: \{"error":.*"timeout".*\n\ndata: \[DONE\]\n\n$/],
    [
      'Anthropic',
      messageStream,
      'event: message_start\ndata: {}\n\n',
      /\n\nevent: error\ndata: .*timeout_error.*\n\n$/,
    ],
    ['Ollama', ollamaStream, '{"done":false}\n', /\n\{"error":".*"\}\n$/],
  ])('%s: the stream ends with a timeout error', async (_, format, first, ending) => {
    const relayed = start([first], { format });
    relayed.abort.abort(new TimeoutError('The time limit of this request was reached.'));
    relayed.feed(reset());
    await relayed.done;
    expect(relayed.text()).toMatch(ending);
    expect(relayed.endings).toEqual(['deadline']);
  });

  test('behind the terminal marker it is no error', async () => {
    const relayed = start([token, done]);
    relayed.abort.abort(new TimeoutError('late'));
    relayed.feed(reset());
    await relayed.done;
    expect([relayed.text(), relayed.endings]).toEqual([token + done, ['complete']]);
  });

  test('bytes: the invocation fails', async () => {
    const relayed = start(['RIFF'], { format: bytes });
    relayed.abort.abort(new TimeoutError('late'));
    relayed.feed(reset());
    expect(await relayed.done).toMatchObject({ status: 504 });
  });
});
