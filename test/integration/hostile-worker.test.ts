import type { Socket } from 'node:net';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { endingOf } from '../support/endings.ts';
import { type Gateway, nodeIdOf, startGateway } from '../support/gateway.ts';
import { type Operation, operation, pathOf } from '../support/operations.ts';
import { startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';
import { type Behaviour, combine, ordinary, reply, withHeaders } from '../support/worker/behaviours.ts';

/** What a worker must not be able to do on the wire: docs/contract.md 2 and 6, through the runtime client. */
const model = 'test-model';
const chat = operation('chat');
const kept: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(resource: T): T => {
  kept.push(resource);
  return resource;
};
afterEach(async () => {
  await Promise.all(kept.splice(0).map((resource) => resource[Symbol.asyncDispose]()));
});

const fleet = async (names: readonly string[], functions = ['openai']) => {
  const workers = await Promise.all(names.map((name) => startWorker({ name, models: [model] }).then(keep)));
  const gateway = keep(await startGateway({ workers, functions, limits: { maxEnvironments: 1 } }));
  const ask = (one: Operation = chat, stream = false) =>
    gateway.fetch(pathOf(one, model), { body: one.body(model, stream) });
  const tried = () => workers.flatMap(({ requests, name }) => requests.map(() => name));
  return { workers, gateway, ask, tried };
};
const first = <T>([one]: readonly T[]): T => one as T;
const pidOf = (gateway: Gateway) => gateway.environments().map(({ pid }) => pid);
const isFrozen = (gateway: Gateway) => until(() => gateway.environments().every(({ state }) => state === 'frozen'));

describe('a coding of the content that nobody knows', () => {
  test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty', 'gzip, constructor'])(
    '%s: the process lives, bytes and header pass as they are',
    async (encoding) => {
      const { workers, gateway, ask } = await fleet(['a']);
      const worker = first(workers);
      await ask();
      const pids = pidOf(gateway);
      for (const stream of [false, true]) {
        worker.next(withHeaders({ 'content-encoding': encoding }));
        const received = await ask(chat, stream);
        expect([received.status, received.complete, received.headers['content-encoding']]).toEqual([
          200,
          true,
          encoding,
        ]);
        expect(received.body.equals(worker.requests.at(-1)?.sent() ?? Buffer.alloc(0))).toBe(true);
      }
      // Cut, it ends as bytes do: nothing readable can be put behind it.
      worker.next(combine(withHeaders({ 'content-encoding': encoding }), cutInside));
      expect((await ask(chat, true)).complete).toBe(false);
      expect(endingOf(chat, await ask(chat, true))).toBe('whole');
      expect(pidOf(gateway)).toEqual(pids);
    },
  );
});

describe('a body without a byte is empty, in whatever coding', () => {
  test.each([
    ['400', 400, 'gzip'],
    ['204', 204, 'gzip'],
    ['304', 304, 'br'],
    ['200', 200, 'gzip, br'],
  ])('%s passes, and no worker is to blame', async (_, status, encoding) => {
    const { workers, ask, tried, gateway } = await fleet(['a', 'b']);
    for (const worker of workers) worker.behave(reply(status, '', { 'content-encoding': encoding }));
    const received = await ask();
    expect([received.status, received.text, received.complete]).toEqual([status, '', true]);
    expect(received.headers['x-localai-node']).toBe(nodeIdOf({ name: first(tried()) }));
    expect(received.headers).not.toHaveProperty('content-encoding');
    expect(tried()).toHaveLength(1);
    expect(gateway.logs.join()).not.toMatch(/"ejections":[1-9]/);
  });
});

test('codings on top of each other are taken off in turn, streamed too', async () => {
  const { workers, ask } = await fleet(['a']);
  const worker = first(workers);
  for (const stream of [false, true]) {
    const plain = await ask(chat, stream);
    worker.next({
      change: (answer) => ({
        ...answer,
        headers: { ...answer.headers, 'content-encoding': 'gzip, br' },
        parts: [brotliCompressSync(gzipSync(Buffer.concat(answer.parts)))],
      }),
    });
    const received = await ask(chat, stream);
    expect(received.body.equals(plain.body)).toBe(true);
    expect(received.headers).not.toHaveProperty('content-encoding');
  }
});

describe('a connection that was frozen', () => {
  /** Answers as usual and hands out the connection. */
  const handingOut = (take: (socket: Socket) => void): Behaviour => ({
    deliver: async (exchange, answer) => {
      const { socket } = exchange.response;
      await ordinary.deliver?.(exchange, answer);
      if (socket) take(socket);
    },
  });

  test.each([
    ['an answer', 'HTTP/1.1 408 Request Timeout\r\ncontent-length: 5\r\n\r\nstray'],
    ['an answer and its end', 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'],
    ['half an answer', 'HTTP/1.1 200 OK\r\ncontent-'],
  ])('and holds %s that nobody asked for: the next request gets its own', async (_, stray) => {
    const { workers, ask, tried, gateway } = await fleet(['a']);
    for (let turn = 0; turn < 5; turn += 1) {
      let idle: Socket | undefined;
      first(workers).next(
        handingOut((socket) => {
          idle = socket;
        }),
      );
      expect((await ask()).status).toBe(200);
      expect(await isFrozen(gateway)).toBe(true);
      await new Promise<void>((resolve) => idle?.write(stray, () => resolve()));
      if (/close/.test(stray)) idle?.end();
      const received = await ask();
      expect([received.status, endingOf(chat, received)]).toEqual([200, 'whole']);
    }
    // Each was asked once: nothing had to be repeated.
    expect(tried()).toHaveLength(10);
  });
});

describe('a reset on a connection that was used before', () => {
  const resetAfter = (ms: number): Behaviour => ({
    deliver: async ({ response }) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      response.socket?.resetAndDestroy();
    },
  });

  /** Each of them has a kept connection. */
  const connected = async (names: readonly string[]) => {
    const { workers, gateway, ask, tried } = await fleet(names);
    for (let turn = 0; turn < 60 && !workers.every(({ requests }) => requests.length > 0); turn += 1)
      await gateway.fetch(pathOf(chat, model), { body: chat.body(model), headers: { 'x-session-id': `${turn}` } });
    for (const worker of workers) worker.reset();
    return { workers, ask, tried };
  };

  test('at once: the connection was over, the same worker is asked again', async () => {
    const { workers, ask, tried } = await fleet(['a']);
    await ask();
    first(workers).next(resetAfter(0));
    expect((await ask()).status).toBe(200);
    expect(tried()).toHaveLength(3);
  });

  test('later: the engine died, and one other worker at most is asked', async () => {
    const { workers, ask, tried } = await connected(['a', 'b', 'c']);
    for (const worker of workers) worker.behave(resetAfter(200));
    const received = await ask();
    expect(received.status).toBe(502);
    expectErrorIn('openai', received);
    expect(tried()).toHaveLength(2);
    expect(new Set(tried()).size).toBe(2);
  });

  test('is none of the last chance: that one is taken over a new connection', async () => {
    const { workers, ask, tried } = await connected(['a', 'b']);
    const reused: boolean[] = [];
    for (const worker of workers) {
      worker.behave(({ reusedSocket, method }) => {
        if (method === 'POST') reused.push(reusedSocket);
        return reusedSocket ? resetAfter(200) : {};
      });
    }
    expect((await ask()).status).toBe(200);
    expect(reused).toEqual([true, false]);
    expect(new Set(tried()).size).toBe(2);
  });
});

const cutInside: Behaviour = {
  deliver: async (exchange, answer) => {
    exchange.response.writeHead(answer.status, answer.headers);
    await new Promise((resolve) => exchange.response.write(answer.parts[0], resolve));
    // Read by now, or not: an end without the end of its framing is a cut in any case.
    exchange.response.socket?.end();
  },
};
