import { afterEach, describe, expect, test } from '@jest/globals';
import type { GatewayRequest } from '../../../../lib/endpoints/gateway-request.ts';
import { TimeoutError } from '../../../../lib/errors.ts';
import type { Reply, WriteBody } from '../../../../lib/http/reply.ts';
import { renderError } from '../../../../lib/middleware/error-handler.ts';
import { createRoom, type Room } from '../../../../lib/server/room.ts';
import { createServer, type Server, type ServerOptions } from '../../../../lib/server/server.ts';
import { createDeferred } from '../../../support/deferred.ts';
import { type Dialled, dial } from '../../../support/dial.ts';
import { until } from '../../../support/until.ts';

/** The host alone, over sockets: what is behind it is told by each test. */
type Handle = (request: GatewayRequest) => Promise<Reply> | Reply;

const MAX_BYTES = 1000;
const opened: { readonly server: Server; readonly clients: Dialled[] }[] = [];

const start = async (handle: Handle, over: Partial<ServerOptions> = {}) => {
  const requests: GatewayRequest[] = [];
  const room: Room = createRoom(1500);
  const server: Server = createServer({
    run: async (request) => {
      requests.push(request);
      try {
        server.admit(request);
        return await handle(request);
      } catch (error) {
        return renderError(error, request);
      }
    },
    renderError,
    requestMs: 60_000,
    marginMs: 50,
    drainMs: 10_000,
    stallMs: 60_000,
    idleMs: 60_000,
    begin: () => () => {},
    room,
    ...over,
  });
  const { port } = await server.listen(0, '127.0.0.1');
  const clients: Dialled[] = [];
  opened.push({ server, clients });
  const call = async (...said: readonly string[]): Promise<Dialled> => {
    const client = await dial(port);
    clients.push(client);
    for (const text of said) client.say(text);
    return client;
  };
  return { server, port, call, requests, room };
};
afterEach(async () => {
  for (const { server, clients } of opened.splice(0)) {
    for (const { leave } of clients) leave();
    await server.stop();
  }
});

/** Whether there is room for so much now; takes none of it. */
const canTake = (room: Room, bytes: number): boolean => {
  try {
    room.take(bytes);
    room.give(bytes);
    return true;
  } catch {
    return false;
  }
};

const get = (path = '/v1/models') => `GET ${path} HTTP/1.1\r\nhost: gateway.test\r\n\r\n`;
const post = (headers: readonly string[], body = '') =>
  `${['POST /v1/chat/completions HTTP/1.1', 'host: gateway.test', ...headers].join('\r\n')}\r\n\r\n${body}`;
const text = (body: string): Reply => ({ status: 200, headers: { 'content-type': 'text/plain' }, body });
const bodyOf = async (request: GatewayRequest): Promise<Reply> => {
  const length = await request.receive?.(MAX_BYTES);
  return text(`<${length} ${request.bytes().length}>`);
};
const streaming = (body: WriteBody): Reply => ({ status: 200, headers: { 'content-type': 'text/event-stream' }, body });
const statusOf = (heard: string) => heard.match(/HTTP\/1\.1 \d+/g)?.map((line) => Number(line.slice(9)));

describe('a request', () => {
  test('is handed over as Lambda would have delivered it', async () => {
    const { call, requests } = await start(() => text('ok'));
    const client = await call(
      'GET /v1/models/a%2Fb?x=%20&y HTTP/1.1\r\nHost: gateway.test\r\nX-One: 1\r\nx-one: 2\r\n\r\n',
    );
    await client.until('ok');
    expect(requests[0]).toMatchObject({
      method: 'GET',
      family: 'openai',
      path: '/v1/models/a%2Fb',
      query: 'x=%20&y',
      host: 'gateway.test',
      sourceIp: '127.0.0.1',
      headers: { 'x-one': '1, 2', 'x-forwarded-proto': 'http' },
    });
  });

  test.each([
    ['POST /v1/messages HTTP/1.1', 'anthropic'],
    ['POST /api/chat HTTP/1.1', 'ollama'],
    ['GET /api/nowhere HTTP/1.1', 'ollama'],
    ['POST /v1/rerank HTTP/1.1', 'rerank'],
    ['GET http://other.test/api/nodes HTTP/1.1', 'nodes'],
  ])('%s is of the family %s', async (line, family) => {
    const { call, requests } = await start(() => text('ok'));
    await (await call(`${line}\r\nhost: gateway.test\r\n\r\n`)).until('ok');
    expect(requests[0]?.family).toBe(family);
  });

  test('its body is read only when it is asked for, declared or chunked', async () => {
    const { call, requests } = await start(bodyOf);
    const client = await call(post(['content-length: 5'], 'hello'));
    expect(await client.until('<5 5>')).toContain('<5 5>');
    client.say(post(['transfer-encoding: chunked'], '3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n'));
    expect(await client.until('<7 7>')).toContain('<7 7>');
    client.say(post([]));
    expect(await client.until('<0 0>')).toContain('<0 0>');
    expect(requests.map(({ body }) => body)).toEqual(['hello', 'abcdefg', undefined]);
  });

  test('a client that asks is told to go on only when the body is read', async () => {
    const { call } = await start(({ headers }) => {
      if (headers['x-refuse']) throw new TimeoutError('no');
      return text('unread');
    });
    const refused = await call(post(['content-length: 5', 'expect: 100-continue', 'x-refuse: 1']));
    expect(statusOf(await refused.until('}'))).toEqual([504]);
    const { call: other } = await start(bodyOf);
    const asked = await other(post(['content-length: 5', 'expect: 100-continue']));
    await asked.until('100 Continue');
    asked.say('hello');
    expect(statusOf(await asked.until('<5 5>'))).toEqual([100, 200]);
  });

  test('an expectation that nobody knows need not be met', async () => {
    const { call } = await start(bodyOf);
    expect(await (await call(post(['content-length: 2', 'expect: wonders'], 'ab'))).until('<2 2>')).toContain('<2 2>');
  });
});

describe('limits', () => {
  test('a declared body that finds no room is refused before it is asked for, and room comes back', async () => {
    const held = createDeferred();
    const { call, room } = await start(async (request) => {
      const reply = await bodyOf(request);
      if (request.headers['x-hold']) await held.promise;
      return reply;
    });
    const first = await call(post(['content-length: 900', 'x-hold: 1'], 'x'.repeat(900)));
    expect(await until(() => canTake(room, 700) === false)).toBe(true);
    const second = await call(post(['content-length: 700', 'expect: 100-continue']));
    const refused = await second.until('}');
    expect([statusOf(refused), /retry-after: 5/i.test(refused)]).toEqual([[503], true]);
    held.resolve();
    await first.until('<900 900>');
    expect(await until(() => canTake(room, 1500))).toBe(true);
  });

  test.each([
    ['declares', post(['content-length: 1000'], 'x')],
    ['sends in chunks', post(['transfer-encoding: chunked'], `3e0\r\n${'x'.repeat(992)}\r\n`)],
  ])('who %s much and sends the rest too slowly makes way for others: 408', async (_, said) => {
    const { call, room } = await start(bodyOf, { graceMs: 100 });
    const slow = await call(said);
    expect(await until(() => !canTake(room, 600))).toBe(true);
    const other = async () => {
      const { until } = await call(post(['content-length: 600'], 'x'.repeat(600)));
      return statusOf(await Promise.race([until('}'), until('>')]))?.[0];
    };
    expect(await other()).toBe(503);
    expect(await until(async () => (await other()) === 200)).toBe(true);
    const heard = await slow.until('}');
    expect([statusOf(heard), /connection: close/i.test(heard)]).toEqual([[408], true]);
    expect(await until(() => canTake(room, 1500))).toBe(true);
  });

  test('a chunked body finds no room while it comes', async () => {
    const { call, room } = await start(bodyOf);
    room.take(1400);
    const client = await call(post(['transfer-encoding: chunked'], `c8\r\n${'x'.repeat(200)}\r\n`));
    expect(statusOf(await client.until('}'))).toEqual([503]);
    room.give(1400);
  });

  test('a chunked body is read no further than its limit, and its connection is not used again', async () => {
    const { call } = await start(bodyOf);
    const client = await call(post(['transfer-encoding: chunked'], `4b0\r\n${'x'.repeat(1200)}\r\n`));
    const heard = await client.until('<1200 0>');
    expect([statusOf(heard), /connection: close/i.test(heard)]).toEqual([[200], true]);
  });

  test('a body of which nothing comes any more: 408, while others are served', async () => {
    const { call } = await start(bodyOf, { silentMs: 100 });
    const slow = await call(post(['content-length: 10'], 'half'));
    const heard = await slow.until('}');
    expect(statusOf(heard)).toEqual([408]);
    expect(heard).toContain('"code":"request_timeout"');
    expect(statusOf(await (await call(post(['content-length: 2'], 'ab'))).until('<2 2>'))).toEqual([200]);
  });

  test('a body that is not here when the request’s time is over: 408, and no fault of a worker’s', async () => {
    const { call } = await start(bodyOf, { requestMs: 300 });
    const slow = await call(post(['content-length: 10'], 'half'));
    const heard = await slow.until('}');
    expect([statusOf(heard), /"code":"request_timeout"/.test(heard)]).toEqual([[408], true]);
  });

  test('a body that comes slowly but comes is waited for', async () => {
    const { call } = await start(bodyOf, { silentMs: 200 });
    const slow = await call(post(['content-length: 6']));
    for (const letter of 'slowly') {
      slow.say(letter);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    expect(statusOf(await slow.until('<6 6>'))).toEqual([200]);
  });

  test('a chunked body that is none: 400', async () => {
    const { call } = await start(bodyOf);
    const heard = await (await call(post(['transfer-encoding: chunked'], 'zz\r\n'))).closed;
    expect(statusOf(heard)).toEqual([400]);
    expect(heard).toContain('"code":"invalid_request"');
  });

  test('what is no request behind a whole one does not cost that one its answer', async () => {
    const more = Promise.withResolvers<void>();
    const { call, requests } = await start(({ path }) => {
      if (path === '/other') return text('other');
      return streaming(async (sink) => {
        sink.write('first');
        await more.promise;
        sink.write(' last');
      });
    });
    const client = await call(get());
    await client.until('first');
    client.say('no request\r\n\r\n');
    client.say('nor this\r\n\r\n');
    // What was said before it has been read by then.
    await (await call(get('/other'))).until('other');
    more.resolve();
    const heard = await client.closed;
    expect(statusOf(heard)).toEqual([200]);
    expect(heard).toMatch(/first.* last\r\n0\r\n\r\n$/s);
    expect(requests).toHaveLength(2);
  });

  test.each([
    ['that never ends', 'GET / HTTP/1.1\r\nhost: x\r\nx-slow: '],
    ['that never begins', ''],
  ])('a head %s: 408 in time, and the connection is closed', async (_, said) => {
    const { call, requests } = await start(() => text('ok'), { headMs: 200 });
    const client = await call(...(said ? [said] : []));
    expect(statusOf(await client.closed)).toEqual([408]);
    expect(requests).toHaveLength(0);
  });

  test.each([
    ['nonsense', 'BLURB\r\n\r\n', 400],
    ['two lengths', post(['content-length: 1', 'content-length: 2'], 'ab'), 400],
    ['a length and chunks', post(['content-length: 1', 'transfer-encoding: chunked'], '0\r\n\r\n'), 400],
    ['headers without end', `GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ])('%s is answered in JSON with a correlation id: %#', async (_, said, status) => {
    const { call } = await start(() => text('ok'));
    const heard = await (await call(said)).closed;
    expect(statusOf(heard)).toEqual([status]);
    expect(heard).toMatch(/x-correlation-id: [\w-]{36}/);
    expect(JSON.parse(heard.slice(heard.indexOf('{')))).toMatchObject({ error: { message: expect.any(String) } });
  });
});

describe('a client that leaves', () => {
  test.each<[string, (left: AbortSignal, begun: () => void) => Promise<Reply> | Reply]>([
    [
      'before the head',
      (left, begun) =>
        new Promise((_, reject) => {
          begun();
          left.addEventListener('abort', () => reject(left.reason));
        }),
    ],
    [
      'in the middle of a stream',
      (left, begun) =>
        streaming(async (sink) => {
          sink.write(Buffer.from('data: 1\n\n'));
          begun();
          await new Promise((resolve) => left.addEventListener('abort', resolve));
        }),
    ],
  ])('%s ends what runs for it at once', async (_, handle) => {
    const { promise: begun, resolve } = createDeferred();
    const { call, requests } = await start(({ deadline: { signal } }) => handle(signal, resolve));
    const client = await call(get());
    await begun;
    client.leave();
    expect(await until(() => requests[0]?.deadline.signal.aborted ?? false, 1000)).toBe(true);
    expect(requests[0]?.deadline.signal.reason).toMatchObject({ status: 499 });
  });

  test('while its body is read, and gives the room back', async () => {
    const { call, requests, room } = await start(bodyOf);
    const client = await call(post(['content-length: 900'], 'half'));
    expect(await until(() => canTake(room, 700) === false)).toBe(true);
    client.leave();
    expect(await until(() => canTake(room, 1500))).toBe(true);
    expect(requests[0]?.deadline.signal.aborted).toBe(true);
  });

  test('ends the requests in a row behind the first one too', async () => {
    const { call, requests, server } = await start(
      ({ deadline: { signal } }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    );
    const client = await call(get() + get());
    expect(await until(() => requests.length === 2)).toBe(true);
    client.leave();
    expect(await until(() => requests.every(({ deadline }) => deadline.signal.aborted), 1000)).toBe(true);
    const since = performance.now();
    await server.stop();
    expect(performance.now() - since).toBeLessThan(500);
  });

  test('having had its whole answer ends nothing', async () => {
    const { call, requests } = await start(() => text('ok'));
    const client = await call(get());
    await client.until('ok');
    client.leave();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(requests[0]?.deadline.signal.aborted).toBe(false);
  });
});

describe('a body that breaks behind its head', () => {
  const broken = () =>
    streaming(async (sink) => {
      sink.write(Buffer.from('data: 1\n\n'));
      throw new Error('broken');
    });

  test('closes the connection without its end', async () => {
    const { call } = await start(broken);
    const heard = await (await call(get())).closed;
    expect([heard.includes('data: 1'), heard.endsWith('0\r\n\r\n')]).toEqual([true, false]);
  });

  test('before its first byte it is an answer', async () => {
    const { call } = await start(() =>
      streaming(async () => {
        throw new TimeoutError('nothing came');
      }),
    );
    expect(statusOf(await (await call(get())).until('}'))).toEqual([504]);
  });
});

test('a client that reads nothing holds back who writes, and is left when it has taken nothing for too long', async () => {
  let written = 0;
  const { call, requests } = await start(
    ({ deadline: { signal } }) =>
      streaming(async (sink) => {
        const block = Buffer.alloc(65_536, 'x');
        while (!signal.aborted) {
          written += block.length;
          if (!sink.write(block)) await sink.drained();
        }
      }),
    { stallMs: 300 },
  );
  const client = await call();
  client.pause();
  client.say(get());
  expect(await until(() => requests[0]?.deadline.signal.aborted ?? false)).toBe(true);
  // What the kernel takes for both ends, and no more.
  expect(written).toBeLessThan(20 * 1024 * 1024);
});

describe('told to end', () => {
  test('what is under way is finished, new requests are refused on kept connections, new connections too', async () => {
    const going = createDeferred();
    const { call, server, port } = await start(
      async ({ path }) => {
        if (path === '/healthz') return text('alive');
        return streaming(async (sink) => {
          sink.write(Buffer.from('data: 1\n\n'));
          await going.promise;
          sink.write(Buffer.from('data: last\n\n'));
        });
      },
      { refuseAfterMs: 200 },
    );
    const [stream, kept] = [await call(get()), await call(get('/healthz'))];
    await stream.until('data: 1');
    await kept.until('alive');
    const drained = server.drain();
    // Still taken: the load balancer has not heard of it yet.
    const late = await call(get('/healthz'));
    expect(statusOf(await late.closed)).toEqual([200]);
    const notReady = await call(get('/readyz'));
    expect(statusOf(await notReady.closed)).toEqual([503]);
    expect(
      await until(() =>
        dial(port).then(
          () => false,
          () => true,
        ),
      ),
    ).toBe(true);
    going.resolve();
    const heard = await stream.closed;
    expect([heard.includes('data: last'), heard.endsWith('0\r\n\r\n')]).toEqual([true, true]);
    await drained;
  });

  test('beyond its time, what is under way is ended, with time to say so', async () => {
    const { call, server } = await start(
      ({ deadline: { signal } }) =>
        streaming(async (sink) => {
          sink.write(Buffer.from('data: 1\n\n'));
          await new Promise((resolve) => signal.addEventListener('abort', resolve));
          sink.write(Buffer.from(`data: ${(signal.reason as Error).message}\n\n`));
        }),
      { drainMs: 100 },
    );
    const stream = await call(get());
    await stream.until('data: 1');
    await server.drain();
    const heard = await stream.closed;
    expect(heard).toContain('shut down');
    expect(heard.endsWith('0\r\n\r\n')).toBe(true);
  });
});

test('a fault of ours before there is a request costs that connection, and the next one is served as well or badly', async () => {
  // No number can be taken from it: making the request's deadline throws.
  const { call, requests } = await start(bodyOf, { requestMs: 1n as unknown as number });
  expect(await (await call(get())).closed).toBe('');
  expect(await (await call(get())).closed).toBe('');
  expect(requests).toEqual([]);
});

test('a port that is taken is an error', async () => {
  const { port, server } = await start(() => text('ok'));
  await expect(
    createServer({ ...({} as ServerOptions), drainMs: 0, marginMs: 0 }).listen(port, '127.0.0.1'),
  ).rejects.toMatchObject({ code: 'EADDRINUSE' });
  await server.stop();
});
