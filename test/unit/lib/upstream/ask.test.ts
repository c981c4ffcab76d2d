import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAsk, createFetch } from '../../../../lib/upstream/ask.ts';
import { createUpstream } from '../../../../lib/upstream/client.ts';
import { until } from '../../../support/until.ts';

/** Small questions to a worker: never in the way of a request. */
let server: Server;
let url = '';
let open = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === '/hang') return;
    if (request.url === '/endless') {
      const more = () => void (response.destroyed || response.write('x'.repeat(65_536), more));
      more();
      return;
    }
    if (request.url === '/starve') {
      // Handed to the system; then nothing runs here until every limit is over.
      response.end('there', () => {
        for (const until = Date.now() + 300; Date.now() < until; );
      });
      return;
    }
    if (request.url === '/elsewhere') response.writeHead(302, { location: '/' });
    response.end(JSON.stringify(request.headers));
  });
  server.on('connection', (socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
});

const ask = createAsk(createUpstream({ connectTimeoutMs: 1000 }));

describe('a question', () => {
  test("is answered, with the worker's key", async () => {
    const answer = await ask({ url, apiKey: 'k' }, '/?x=1', { timeoutMs: 2000 });
    expect(answer?.status).toBe(200);
    expect(JSON.parse(answer?.body ?? '')).toMatchObject({ authorization: 'Bearer k' });
  });

  test('without a key carries none', async () => {
    expect(JSON.parse((await ask({ url }, '/', { timeoutMs: 2000 }))?.body ?? '')).not.toHaveProperty('authorization');
  });

  test('redirected stays where it is', async () => {
    expect((await ask({ url }, '/elsewhere', { timeoutMs: 2000 }))?.status).toBe(302);
  });

  test.each(['/hang', '/endless'])('to %s: undefined, and the connection is closed', async (path) => {
    expect(await until(() => open <= 1)).toBe(true);
    const before = open;
    expect(await ask({ url }, path, { timeoutMs: 300 })).toBeUndefined();
    expect(await until(() => open <= before)).toBe(true);
  });

  test('answered while the process was starved: what lies in the socket is read before the limit counts', async () => {
    const answer = ask({ url }, '/starve', { timeoutMs: 100 });
    expect((await answer)?.body).toBe('there');
  });

  test('to nobody: undefined', async () => {
    expect(await ask({ url: 'http://127.0.0.1:1' }, '/', { timeoutMs: 300 })).toBeUndefined();
  });

  test('ends with the invocation', async () => {
    const invocation = new AbortController();
    const answer = ask({ url }, '/hang', { timeoutMs: 60_000, signal: invocation.signal });
    invocation.abort();
    expect(await answer).toBeUndefined();
  });
});

test('more bytes than are wanted are an error, and the connection is closed', async () => {
  const fetch = createFetch(createUpstream({ connectTimeoutMs: 1000 }));
  const { signal } = new AbortController();
  await expect(fetch(`${url}/endless`, { headers: {}, signal, maxBytes: 100_000 })).rejects.toBeInstanceOf(RangeError);
  expect(await until(() => open <= 1)).toBe(true);
});
