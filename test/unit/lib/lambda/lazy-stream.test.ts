import { afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { GatewayRequest } from '../../../../lib/endpoints/gateway-request.ts';
import { GatewayError, UpstreamError } from '../../../../lib/errors.ts';
import type { Reply } from '../../../../lib/http/reply.ts';
import { createHandler } from '../../../../lib/lambda/handler.ts';
import { type InvokeOptions, installAwslambda, invokeStreaming } from '../../../support/awslambda.ts';
import { createDeferred } from '../../../support/deferred.ts';
import { until } from '../../../support/until.ts';
import { urlEvent } from '../in-process-gateway.ts';
import { written } from '../relay/bodies.ts';

/** The head leaves with the first chunk; the platform's sharp edges (no head without a write, write after end) are met. */
type Handler = (request: GatewayRequest) => Promise<Reply>;

beforeAll(() => installAwslambda());
afterEach(() => {
  jest.restoreAllMocks();
});

const invoke = async (handler: Handler, { method = 'GET', ...options }: InvokeOptions & { method?: string } = {}) => {
  const ended: string[] = [];
  const lambda = createHandler({
    family: 'openai',
    marginMs: 0,
    run: handler,
    renderError: (error) => ({
      status: error instanceof GatewayError ? error.status : 500,
      headers: { 'content-type': 'application/json' },
      body: '{"error":"rendered"}',
    }),
    settled: async () => {
      ended.push('end');
    },
  });
  return { ...invokeStreaming(lambda, await urlEvent('/', { method }), options), ended };
};

const run = async (handler: Handler, options?: InvokeOptions & { method?: string }) => {
  const { capture, done, ended } = await invoke(handler, options);
  await done;
  expect(capture.fatal).toBeUndefined();
  return { capture, ended };
};

const body = (...chunks: (string | Uint8Array)[]) =>
  written(async function* () {
    yield* chunks;
  });

describe('a reply', () => {
  test.each<[string, Reply['body'], string]>([
    ['text', 'hello', 'hello'],
    ['bytes', new Uint8Array([0x68, 0x69]), 'hi'],
    ['bits', body('a', new Uint8Array([0x62]), 'c'), 'abc'],
    ['empty text', '', ''],
    ['nothing', undefined, ''],
    ['no bits', body(), ''],
    ['a bit of nothing', body(''), ''],
  ])('of %s: head, body, end', async (_, given, expected) => {
    const { capture } = await run(async () => ({ status: 201, headers: { 'x-a': 'b' }, body: given }));
    expect(capture.prelude).toMatchObject({ statusCode: 201, headers: { 'x-a': 'b' } });
    expect([capture.body.toString(), capture.ended, capture.failure]).toEqual([expected, true, undefined]);
  });

  test('without a status is a 200', async () => {
    const { capture } = await run(async () => ({ headers: {}, body: 'x' }));
    expect(capture.prelude?.statusCode).toBe(200);
  });

  test('to HEAD has a head and no body', async () => {
    const { capture } = await run(async () => ({ status: 200, headers: { 'content-type': 'a/b' }, body: 'hello' }), {
      method: 'HEAD',
    });
    expect(capture.prelude).toMatchObject({ statusCode: 200, headers: { 'content-type': 'a/b' } });
    expect([capture.body.length, capture.ended]).toEqual([0, true]);
  });
});

describe('the head', () => {
  test('is not written before the first chunk is there, and leaves with it', async () => {
    const first = createDeferred<string>();
    const rest = createDeferred<string>();
    const { capture, done } = await invoke(async () => ({
      headers: {},
      body: written(async function* () {
        yield await first.promise;
        yield await rest.promise;
      }),
    }));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(capture.chunks).toHaveLength(0);
    first.resolve('one');
    expect(await until(() => capture.body.toString() === 'one')).toBe(true);
    expect(capture.prelude?.statusCode).toBe(200);
    rest.resolve('two');
    await done;
    expect(capture.body.toString()).toBe('onetwo');
  });

  test('is completed by the hooks, in order, when the first chunk is there', async () => {
    const seen: string[] = [];
    const { capture } = await run(async (request) => {
      request.onHead.push(
        ({ headers }) => {
          seen.push('hook');
          headers['x-order'] = 'first';
        },
        (head) => {
          head.headers['x-order'] += ', second';
        },
      );
      return {
        headers: {},
        body: written(async function* () {
          seen.push('chunk');
          yield 'x';
        }),
      };
    });
    expect(seen).toEqual(['chunk', 'hook']);
    expect(capture.prelude?.headers['x-order']).toBe('first, second');
  });

  test('larger than the platform carries loses its largest headers, and nothing else', async () => {
    const headers = { 'x-large': 'x'.repeat(20_000), 'x-small': 'y', 'content-type': 'text/plain' };
    const { capture } = await run(async () => ({ headers, body: 'ok' }));
    expect(capture.prelude?.headers).toEqual({ 'x-small': 'y', 'content-type': 'text/plain' });
    expect(capture.body.toString()).toBe('ok');
  });

  test('with headers full of quotes still fits, escapes included', async () => {
    const headers = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`x-${at}`, '"'.repeat(400)]));
    const { capture } = await run(async () => ({ headers, body: 'ok' }));
    expect(capture.prelude?.statusCode).toBe(200);
    expect(capture.body.toString()).toBe('ok');
  });
});

describe('a failure', () => {
  test('before the first byte becomes an error reply', async () => {
    const { capture } = await run(async () => ({
      status: 200,
      headers: { 'x-worker': 'a' },
      // biome-ignore lint/correctness/useYield: it fails before it has anything to yield.
      body: written(async function* () {
        throw new UpstreamError('gone');
      }),
    }));
    expect(capture.prelude).toMatchObject({ statusCode: 502, headers: { 'content-type': 'application/json' } });
    expect(capture.prelude?.headers).not.toHaveProperty('x-worker');
    expect([capture.body.toString(), capture.failure]).toEqual(['{"error":"rendered"}', undefined]);
  });

  test('behind the first byte fails the invocation, and nothing is written after it', async () => {
    jest.spyOn(console, 'error').mockImplementation(() => {});
    const { capture, ended } = await run(async () => ({
      headers: {},
      body: written(async function* () {
        yield 'RIFF';
        throw new UpstreamError('gone');
      }),
    }));
    expect([capture.prelude?.statusCode, capture.body.toString()]).toEqual([200, 'RIFF']);
    expect(capture.failure?.errorType).toBe('UpstreamError');
    expect(ended).toEqual(['end']);
  });

  test('behind an empty first chunk is behind the first byte as well: the head is out', async () => {
    jest.spyOn(console, 'error').mockImplementation(() => {});
    const { capture } = await run(async () => ({
      status: 206,
      headers: {},
      body: written(async function* () {
        yield '';
        throw new UpstreamError('gone');
      }),
    }));
    expect([capture.prelude?.statusCode, capture.body.length]).toEqual([206, 0]);
    expect(capture.failure?.errorType).toBe('UpstreamError');
  });

  test('of the handler itself reaches the platform, and the invocation is over', async () => {
    jest.spyOn(console, 'error').mockImplementation(() => {});
    const { capture, ended } = await run(async () => {
      throw new Error('a bug');
    });
    expect(capture.failure?.errorMessage).toBe('a bug');
    expect(ended).toEqual(['end']);
  });
});

describe('backpressure', () => {
  test('a client that does not read stops the reading; once it reads, all of it arrives', async () => {
    let produced = 0;
    const { capture, done } = await invoke(
      async () => ({
        headers: {},
        body: written(async function* () {
          for (; produced < 200; produced += 1) yield Buffer.alloc(1024, produced % 251);
        }),
      }),
      { highWaterMark: 4096 },
    );
    capture.pause();
    expect(await until(() => produced > 0)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(produced).toBeLessThan(12);
    capture.resume();
    await done;
    expect(capture.body.length).toBe(200 * 1024);
    expect(capture.body.every((byte, at) => byte === Math.floor(at / 1024) % 251)).toBe(true);
  });

  test('does not hold an invocation beyond its deadline', async () => {
    let request: GatewayRequest | undefined;
    const { capture, done } = await invoke(
      async (given) => {
        request = given;
        return {
          headers: {},
          body: written(async function* () {
            yield Buffer.alloc(8192);
            yield 'ending';
          }),
        };
      },
      { highWaterMark: 1024, remainingMs: 100 },
    );
    capture.pause();
    expect(await until(() => request?.deadline.signal.aborted === true)).toBe(true);
    capture.resume();
    await done;
    expect(capture.body.subarray(-6).toString()).toBe('ending');
  });
});

test('an invocation leaves no timer and no abort behind', async () => {
  let request: GatewayRequest | undefined;
  await run(
    async (given) => {
      request = given;
      return { headers: {}, body: 'x' };
    },
    { remainingMs: 50 },
  );
  await new Promise((resolve) => setTimeout(resolve, 80));
  expect(request?.deadline.signal.aborted).toBe(false);
});
