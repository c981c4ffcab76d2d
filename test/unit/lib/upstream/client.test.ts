import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from 'node:net';
import { Worker as Thread } from 'node:worker_threads';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { builtin } from '../../../../lib/upstream/builtin.ts';
import { createChunkReader } from '../../../../lib/upstream/chunk-reader.ts';
import { createUpstream } from '../../../../lib/upstream/client.ts';
import type { UpstreamResponse } from '../../../../lib/upstream/exchange.ts';
import type { ExchangeError } from '../../../../lib/upstream/exchange-error.ts';
import { until } from '../../../support/until.ts';

/** Over real sockets: what docs/contract.md section 6 says of connections. */
const servers: (Server | TcpServer)[] = [];
const sockets = new Set<Socket>();

const listening = async <T extends Server | TcpServer>(server: T): Promise<string> => {
  servers.push(server);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** A worker that tells on which connection each request came. */
const startServer = async (listener: RequestListener) => {
  const connections: Socket[] = [];
  const seen: number[] = [];
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    if (!connections.includes(request.socket)) connections.push(request.socket);
    seen.push(connections.indexOf(request.socket));
    request.resume();
    request.once('end', () => listener(request, response));
  });
  return { url: await listening(server), seen, connections };
};

afterEach(async () => {
  jest.useRealTimers();
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

const never = new AbortController().signal;
const ask = (url: string, more: object = {}) => ({
  worker: { url },
  method: 'POST',
  path: '/v1/chat/completions',
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{}'),
  signal: never,
  ...more,
});

const textOf = async ({ body }: UpstreamResponse): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

const failureOf = (promise: Promise<unknown>): Promise<ExchangeError> =>
  promise.then(
    () => {
      throw new Error('it succeeded');
    },
    (error: ExchangeError) => error,
  );

describe('a request', () => {
  test('goes out as it is told, below the path of the base URL', async () => {
    let target = '';
    let length: string | undefined;
    const { url } = await startServer((request, response) => {
      target = request.url ?? '';
      length = request.headers['content-length'];
      response.end('ok');
    });
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    const path = '/v1/messages?beta=true&x=%2F';
    const response = await upstream.send(ask(`${url}/base`, { path, body: Buffer.from('Grüße') }));
    expect(await textOf(response)).toBe('ok');
    expect([target, length]).toEqual([`/base${path}`, '7']);
  });

  test('reuses the connection, also after an error status', async () => {
    const { url, seen } = await startServer((_, response) => {
      response.statusCode = 500;
      response.end('no');
    });
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    for (let turn = 0; turn < 3; turn += 1) await textOf(await upstream.send(ask(url)));
    expect(seen).toEqual([0, 0, 0]);
  });
});

describe('an idle connection', () => {
  const idle = async (ms: number) => {
    const { url, seen, connections } = await startServer((_, response) => response.end('ok'));
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    await textOf(await upstream.send(ask(url)));
    // Only the clock is made up: an environment that was frozen sees it jump.
    const now = Date.now();
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now + ms);
    try {
      await textOf(await upstream.send(ask(url)));
    } finally {
      clock.mockRestore();
    }
    return { seen, connections };
  };

  test('under 4 s is used again', async () => {
    expect((await idle(3900)).seen).toEqual([0, 0]);
  });

  test('over 4 s by the wall clock is not, and is closed', async () => {
    const { seen, connections } = await idle(4500);
    expect(seen).toEqual([0, 1]);
    expect(await until(() => connections[0]?.destroyed === true)).toBe(true);
  });
});

describe('bytes that nobody asked for, on an idle connection', () => {
  /** In a thread of its own: it goes on while this process stands still, as a worker does while an environment is frozen. */
  const startStray = async (stray: string) => {
    const thread = new Thread(
      `const { createServer } = require('node:net');
       const { parentPort, workerData } = require('node:worker_threads');
       let connections = 0;
       const server = createServer((socket) => {
         const isFirst = ++connections === 1;
         socket.on('error', () => {});
         socket.on('data', () => {
           socket.write('HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok');
           if (isFirst) setTimeout(() => socket.write(workerData), 50);
         });
       });
       server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`,
      { eval: true, workerData: stray },
    );
    const port = await new Promise((resolve) => thread.once('message', resolve));
    return { url: `http://127.0.0.1:${port}`, stop: () => thread.terminate() };
  };
  const stand = (ms: number) => {
    for (const until = Date.now() + ms; Date.now() < until; );
  };
  const timedOut = 'HTTP/1.1 408 Request Timeout\r\ncontent-length: 5\r\n\r\nstray';

  test.each([
    ['an answer', timedOut],
    ['half an answer', timedOut.slice(0, 20)],
    ['noise', '\0\0'],
  ])('%s: it is no answer to the next request, though it was sent while the process stood still', async (_, stray) => {
    const { url, stop } = await startStray(stray);
    try {
      const upstream = createUpstream({ connectTimeoutMs: 1000 });
      await textOf(await upstream.send(ask(url)));
      // Let it become idle, as it is when an environment freezes.
      await new Promise((resolve) => setImmediate(resolve));
      stand(200);
      const response = await upstream.send(ask(url));
      expect([response.status, await textOf(response)]).toEqual([200, 'ok']);
    } finally {
      await stop();
    }
  });

  test('seen while it is idle, the connection is closed at once', async () => {
    const { url, connections, seen } = await startServer((_, response) => response.end('ok'));
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    await textOf(await upstream.send(ask(url)));
    connections[0]?.write(timedOut);
    expect(await until(() => connections[0]?.destroyed === true)).toBe(true);
    expect(await textOf(await upstream.send(ask(url)))).toBe('ok');
    expect(seen).toEqual([0, 1]);
  });

  /** Answers, and says something else when its client has just read that, but on the first connection only. */
  const startHasty = async (stray: string) => {
    let connections = 0;
    const requests: number[] = [];
    const server = createTcpServer((socket) => {
      connections += 1;
      const number = connections;
      socket.on('data', () => {
        requests.push(number);
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
        if (number === 1) setImmediate(() => setImmediate(() => socket.write(stray)));
      });
    });
    return { url: await listening(server), requests };
  };

  test('right behind an answer, while others wait for its connection: it is looked at first', async () => {
    const { url, requests } = await startHasty('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray');
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    const { body } = await upstream.send(ask(url));
    const next = new Promise<UpstreamResponse>((resolve) => body.once('end', () => resolve(upstream.send(ask(url)))));
    body.resume();
    expect(await textOf(await next)).toBe('ok');
    expect(requests).toEqual([1, 2]);
  });
});

describe('a 408 on a reused connection', () => {
  /** The second request is answered with it after so long. */
  const startImpatient = (ms: number) => {
    let requests = 0;
    return startServer((_, response) => {
      requests += 1;
      const number = requests;
      const answer = () => response.writeHead(number === 2 ? 408 : 200).end(`answer ${number}`);
      setTimeout(answer, number === 2 ? ms : 0);
    });
  };
  const second = async (ms: number) => {
    const { url, seen } = await startImpatient(ms);
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    await textOf(await upstream.send(ask(url)));
    const response = await upstream.send(ask(url));
    return { status: response.status, text: await textOf(response), seen };
  };

  test('sooner than a worker can have waited: asked again over a new connection', async () => {
    expect(await second(0)).toEqual({ status: 200, text: 'answer 3', seen: [0, 0, 1] });
  });

  test('later it is the worker’s own word', async () => {
    expect(await second(1100)).toEqual({ status: 408, text: 'answer 2', seen: [0, 0] });
  });

  test('on a fresh connection too', async () => {
    const { url, seen } = await startServer((_, response) => response.writeHead(408).end('no'));
    const response = await createUpstream({ connectTimeoutMs: 1000 }).send(ask(url));
    expect([response.status, await textOf(response), seen]).toEqual([408, 'no', [0]]);
  });
});

describe('a reset on a reused connection', () => {
  test('before any response byte: repeated once on the same worker, over a new connection', async () => {
    let requests = 0;
    const { url, seen } = await startServer((request, response) => {
      requests += 1;
      if (requests === 2) request.socket.resetAndDestroy();
      else response.end(`answer ${requests}`);
    });
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    await textOf(await upstream.send(ask(url)));
    expect(await textOf(await upstream.send(ask(url)))).toBe('answer 3');
    expect(seen).toEqual([0, 0, 1]);
  });

  test('a FIN before the response counts as well', async () => {
    let requests = 0;
    const { url } = await startServer((request, response) => {
      requests += 1;
      if (requests === 2) request.socket.end();
      else response.end(`answer ${requests}`);
    });
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    await textOf(await upstream.send(ask(url)));
    expect(await textOf(await upstream.send(ask(url)))).toBe('answer 3');
  });

  test('twice: it is not repeated a second time', async () => {
    let requests = 0;
    const { url } = await startServer((request, response) => {
      requests += 1;
      if (requests > 1) request.socket.resetAndDestroy();
      else response.end('ok');
    });
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    await textOf(await upstream.send(ask(url)));
    expect(await failureOf(upstream.send(ask(url)))).toMatchObject({ kind: 'reset', sent: true });
    expect(requests).toBe(3);
  });

  test('behind the response head: the reader sees it, and the worker is not asked again', async () => {
    let requests = 0;
    let held: ServerResponse | undefined;
    const { url } = await startServer((_, response) => {
      requests += 1;
      if (requests === 1) return response.end('ok');
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: 1\n\n');
      held = response;
    });
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    await textOf(await upstream.send(ask(url)));
    const response = await upstream.send(ask(url));
    const reader = response.body[Symbol.asyncIterator]();
    expect((await reader.next()).value?.toString()).toBe('data: 1\n\n');
    held?.socket?.resetAndDestroy();
    await expect(reader.next()).rejects.toThrow();
    // Another request on its way would be at the worker before this one's answer.
    requests = 0;
    await textOf(await upstream.send(ask(url)));
    expect(requests).toBe(1);
  });

  test('later than a round trip: it is the engine that died, and it is not asked again', async () => {
    let requests = 0;
    const { url } = await startServer((request, response) => {
      requests += 1;
      if (requests === 1) response.end('ok');
      else setTimeout(() => request.socket.resetAndDestroy(), 200);
    });
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    await textOf(await upstream.send(ask(url)));
    expect(await failureOf(upstream.send(ask(url)))).toMatchObject({ kind: 'reset', sent: true });
    expect(requests).toBe(2);
  });

  test('behind half a head: it was seen, and is not asked again', async () => {
    let requests = 0;
    const { url } = await startServer((request, response) => {
      requests += 1;
      if (requests === 1) return response.end('ok');
      request.socket.write('HTTP/1.1 200 O', () => request.socket.resetAndDestroy());
    });
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    await textOf(await upstream.send(ask(url)));
    expect((await failureOf(upstream.send(ask(url)))).sent).toBe(true);
    expect(requests).toBe(2);
  });

  test('and then nobody is there: the request was sent all the same', async () => {
    let requests = 0;
    const server = createServer((request, response) => {
      requests += 1;
      if (requests === 1) return response.end('ok');
      server.close();
      request.socket.resetAndDestroy();
    });
    const url = await listening(server);
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    await textOf(await upstream.send(ask(url)));
    expect(await failureOf(upstream.send(ask(url)))).toMatchObject({ kind: 'reset', sent: true });
  });

  test('an abort meanwhile stays one', async () => {
    let requests = 0;
    const invocation = new AbortController();
    const { url } = await startServer((request, response) => {
      requests += 1;
      if (requests === 1) return response.end('ok');
      if (requests === 2) return request.socket.resetAndDestroy();
      invocation.abort();
    });
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    await textOf(await upstream.send(ask(url)));
    expect((await failureOf(upstream.send(ask(url, { signal: invocation.signal })))).kind).toBe('aborted');
  });

  test('on a fresh connection it is a failure at once', async () => {
    let requests = 0;
    const { url } = await startServer((request) => {
      requests += 1;
      request.socket.resetAndDestroy();
    });
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    expect(await failureOf(upstream.send(ask(url)))).toMatchObject({ kind: 'reset', sent: true });
    expect(requests).toBe(1);
  });
});

describe('a worker that cannot be reached', () => {
  test('refuses: unreachable, nothing sent', async () => {
    const server = createTcpServer();
    const url = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    expect(await failureOf(upstream.send(ask(url)))).toMatchObject({ kind: 'unreachable', sent: false });
  });

  test('never completes the connection: unreachable after the connect time limit', async () => {
    // A TLS hello that nobody answers: the connection opens, and stays unusable.
    const url = (await listening(createTcpServer(() => {}))).replace('http:', 'https:');
    const upstream = createUpstream({ connectTimeoutMs: 150 });
    const startedAt = performance.now();
    expect(await failureOf(upstream.send(ask(url)))).toMatchObject({ kind: 'unreachable', sent: false });
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  test('a slow answer is none of the connect limit', async () => {
    const { url } = await startServer((_, response) => setTimeout(() => response.end('late'), 200));
    const upstream = createUpstream({ connectTimeoutMs: 50 });
    expect(await textOf(await upstream.send(ask(url)))).toBe('late');
  });

  test('speaks no HTTP: a failure, not an answer', async () => {
    const url = await listening(createTcpServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n')));
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    expect(['unreachable', 'reset']).toContain((await failureOf(upstream.send(ask(url)))).kind);
  });
});

describe('an abort', () => {
  test('before the head closes the connection', async () => {
    const { url, connections } = await startServer(() => {});
    const controller = new AbortController();
    const failure = failureOf(createUpstream({ connectTimeoutMs: 1000 }).send(ask(url, { signal: controller.signal })));
    expect(await until(() => connections.length === 1)).toBe(true);
    controller.abort();
    expect(await failure).toMatchObject({ kind: 'aborted', sent: true });
    expect(await until(() => connections[0]?.destroyed === true)).toBe(true);
  });

  test('in the body closes the connection, and the reader learns of it', async () => {
    const { url, connections } = await startServer((_, response) => {
      response.write('data: 1\n\n');
    });
    const controller = new AbortController();
    const response = await createUpstream({ connectTimeoutMs: 1000 }).send(ask(url, { signal: controller.signal }));
    const reader = response.body[Symbol.asyncIterator]();
    await reader.next();
    const next = reader.next();
    controller.abort();
    await expect(next).rejects.toThrow();
    expect(await until(() => connections[0]?.destroyed === true)).toBe(true);
  });

  test('that came earlier: nothing is sent', async () => {
    const { url, seen } = await startServer((_, response) => response.end('ok'));
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    expect((await failureOf(upstream.send(ask(url, { signal: AbortSignal.abort() })))).kind).toBe('aborted');
    await textOf(await upstream.send(ask(url)));
    expect(seen).toHaveLength(1);
  });

  test.each(['discard', 'leave the loop'])('%s: the connection is closed', async (how) => {
    const { url, connections } = await startServer((_, response) => {
      response.write('data: 1\n\n');
    });
    const response = await createUpstream({ connectTimeoutMs: 1000 }).send(ask(url));
    if (how === 'discard') response.discard();
    else for await (const _ of response.body) break;
    expect(await until(() => connections[0]?.destroyed === true)).toBe(true);
  });
});

describe('a reply encoded although identity was asked for', () => {
  const text = 'data: Grüße 🦙\n\n'.repeat(100);

  test.each([
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['GZIP', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['br', brotliCompressSync(text)],
    ['zstd', zstdCompressSync(text)],
  ])('%s is decoded, and its headers say so', async (encoding, bytes) => {
    const { url } = await startServer((_, response) => {
      response.writeHead(200, { 'content-encoding': encoding, 'content-length': bytes.length });
      response.end(bytes);
    });
    const response = await createUpstream({ connectTimeoutMs: 1000 }).send(ask(url));
    expect(response.headers).not.toHaveProperty('content-encoding');
    expect(response.headers).not.toHaveProperty('content-length');
    expect(await textOf(response)).toBe(text);
  });

  test.each([
    ['gzip, br', brotliCompressSync(gzipSync(text)), undefined],
    ['gzip,identity, zstd ,', zstdCompressSync(gzipSync(text)), undefined],
    ['aes128gcm, gzip', gzipSync(text), 'aes128gcm'],
    ['identity', text, undefined],
    [' , identity', text, undefined],
    ['aes128gcm, identity', text, 'aes128gcm, identity'],
  ])('%s is decoded as far as it is known', async (encoding, bytes, left) => {
    const { url } = await startServer((_, response) => {
      response.writeHead(200, { 'content-encoding': encoding });
      response.end(bytes);
    });
    const response = await createUpstream({ connectTimeoutMs: 1000 }).send(ask(url));
    expect(response.headers['content-encoding']).toBe(left);
    expect(await textOf(response)).toBe(text);
  });

  test.each([
    'constructor',
    '__proto__',
    'toString',
    'compress',
    'gzip, constructor',
    'br, __proto__',
    'x'.repeat(4000),
  ])('%s is none that is known: bytes and header stay as they are', async (encoding) => {
    const { url } = await startServer((_, response) => {
      response.writeHead(200, { 'content-encoding': encoding, 'content-length': 5 });
      response.end('bytes');
    });
    const response = await createUpstream({ connectTimeoutMs: 1000 }).send(ask(url));
    expect(response.headers).toMatchObject({ 'content-encoding': encoding, 'content-length': '5' });
    expect(await textOf(response)).toBe('bytes');
  });

  test('a thousand times over is not unpacked without end', async () => {
    const encoding = Array.from({ length: 1000 }, () => 'gzip').join(', ');
    const { url } = await startServer((_, response) => {
      response.writeHead(200, { 'content-encoding': encoding });
      response.end(gzipSync(gzipSync('x')));
    });
    const response = await createUpstream({ connectTimeoutMs: 1000 }).send(ask(url));
    expect(response.headers['content-encoding']?.split(',')).toHaveLength(996);
    await expect(textOf(response)).rejects.toThrow();
  });

  const codings = ['gzip', 'deflate', 'br', 'zstd', 'gzip, br', 'constructor'];
  test.each(codings)('%s of nothing is nothing: an empty body, however it is framed', async (encoding) => {
    const { url } = await startServer((request, response) => {
      const status = Number(request.headers['x-status']);
      // Without a length it comes in no chunk at all, or until the connection's end.
      if (request.headers['x-framing'] === 'close') response.shouldKeepAlive = false;
      response.writeHead(status, {
        'content-encoding': encoding,
        ...(request.headers['x-framing'] === 'length' && { 'content-length': 0 }),
      });
      response.flushHeaders();
      response.end();
    });
    const upstream = createUpstream({ connectTimeoutMs: 1000 });
    for (const status of [200, 204, 304, 400]) {
      for (const framing of ['length', 'chunked', 'close']) {
        const headers = { 'x-status': String(status), 'x-framing': framing };
        const response = await upstream.send(ask(url, { headers }));
        expect([response.status, await textOf(response)]).toEqual([status, '']);
      }
    }
    const response = await upstream.send(ask(url, { method: 'HEAD', body: undefined, headers: { 'x-status': '200' } }));
    expect(await textOf(response)).toBe('');
  });

  test('what goes wrong while it is taken up is the end of the request, not of the process', async () => {
    const created = jest.spyOn(builtin, 'zlib').mockImplementation(() => {
      throw new Error('no memory');
    });
    try {
      const { url, connections } = await startServer((_, response) => {
        response.writeHead(200, { 'content-encoding': 'gzip' });
        response.write('x');
      });
      const failure = await failureOf(createUpstream({ connectTimeoutMs: 1000 }).send(ask(url)));
      expect(failure).toMatchObject({ kind: 'reset', sent: true, cause: { message: 'no memory' } });
      expect(await until(() => connections[0]?.destroyed === true)).toBe(true);
    } finally {
      created.mockRestore();
    }
  });

  test('cut inside: the reader sees an error, never a clean end', async () => {
    const bytes = gzipSync(text);
    const { url } = await startServer((request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      response.write(bytes.subarray(0, 20), () => request.socket.destroy());
    });
    const response = await createUpstream({ connectTimeoutMs: 1000 }).send(ask(url));
    await expect(textOf(response)).rejects.toThrow();
  });

  test('read to its end, nothing stays open behind it, though the worker sends more than was compressed', async () => {
    const { url, connections } = await startServer((_, response) => {
      response.writeHead(200, { 'content-encoding': 'deflate' });
      // No end: the connection is held.
      response.write(Buffer.concat([deflateSync(text), Buffer.alloc(2)]));
    });
    const response = await createUpstream({ connectTimeoutMs: 1000 }).send(ask(url));
    const reader = createChunkReader(response.body, response.discard);
    const chunks: Uint8Array[] = [];
    for (let chunk = await reader.read(); chunk; chunk = await reader.read()) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toBe(text);
    reader.stop();
    expect(await until(() => connections[0]?.destroyed === true)).toBe(true);
  });

  test('an abort in its middle closes the connection', async () => {
    const { url, connections } = await startServer((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' });
      response.write(gzipSync(text).subarray(0, 20));
    });
    const controller = new AbortController();
    const response = await createUpstream({ connectTimeoutMs: 1000 }).send(ask(url, { signal: controller.signal }));
    const read = textOf(response);
    controller.abort();
    await expect(read).rejects.toThrow();
    expect(await until(() => connections[0]?.destroyed === true)).toBe(true);
  });
});

describe('a head that is not quite HTTP', () => {
  const answering = (head: string) =>
    listening(
      createTcpServer((socket) => {
        socket.once('data', () => socket.end(Buffer.from(head, 'latin1')));
      }),
    );

  test('one odd byte in a header does not cost the answer', async () => {
    const url = await answering('HTTP/1.1 200 OK\r\nx-odd: a\u0001b\r\ncontent-length: 2\r\n\r\nok');
    expect(await textOf(await createUpstream({ connectTimeoutMs: 1000 }).send(ask(url)))).toBe('ok');
  });

  test.each(['content-length: 2\r\ntransfer-encoding: chunked', 'transfer-encoding: chunked\r\ncontent-length: 2'])(
    'two framings are none: %j',
    async (framing) => {
      const url = await answering(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n2\r\nok\r\n0\r\n\r\n`);
      expect((await failureOf(createUpstream({ connectTimeoutMs: 1000 }).send(ask(url)))).kind).toBe('reset');
    },
  );

  test.each([
    'Content-Length : 2',
    'Connection : close',
    'Transfer-Encoding : identity',
    'transfer-encoding: gzip',
    'transfer-encoding: xchunked',
  ])('what only looks like a header is none, and a coding that is not taken off is no body: %j', async (line) => {
    const url = await answering(`HTTP/1.1 200 OK\r\n${line}\r\n\r\nok`);
    expect((await failureOf(createUpstream({ connectTimeoutMs: 1000 }).send(ask(url)))).kind).toBe('reset');
  });

  test('names of every character that a name may have pass', async () => {
    const url = await answering("HTTP/1.1 200 OK\r\nX-a0!#$%&'*+-.^_`|~: 1\r\ncontent-length: 2\r\n\r\nok");
    const response = await createUpstream({ connectTimeoutMs: 1000 }).send(ask(url));
    expect(response.headers["x-a0!#$%&'*+-.^_`|~"]).toBe('1');
    expect(await textOf(response)).toBe('ok');
  });
});
