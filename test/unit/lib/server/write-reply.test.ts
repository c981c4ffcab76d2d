import { once } from 'node:events';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { WriteBody } from '../../../../lib/http/reply.ts';
import { endReply, writeReply } from '../../../../lib/server/write-reply.ts';

const STALL_MS = 5000;
/** Thousands fit into the kernel's buffers. */
const MANY = 100_000;

let bodies: WriteBody[] = [];
const answer = async (message: IncomingMessage, response: ServerResponse<IncomingMessage>) => {
  const request = {
    method: message.method ?? '',
    onHead: [],
    deadline: { signal: new AbortController().signal },
  };
  const body = bodies.shift() ?? (async () => {});
  await writeReply(response, { headers: {}, body }, request, { stallMs: STALL_MS, isLast: false });
  await endReply(response, STALL_MS);
};
let server: ReturnType<typeof createServer>;
let port: number;
beforeEach(async () => {
  bodies = [];
  server = createServer((message, response) => void answer(message, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const read = async (): Promise<Buffer> => {
  const [response] = (await once(get({ port, agent: false }), 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};
const asking = (...heads: string[]): Socket => {
  const socket = connect(port, '127.0.0.1');
  socket.write(heads.map((head) => `${head}\r\nhost: a\r\n\r\n`).join(''));
  return socket;
};
const readAll = async (socket: Socket): Promise<string> => {
  let text = '';
  for await (const chunk of socket) text += (chunk as Buffer).toString('latin1');
  return text;
};

describe('a body that is written in chunks', () => {
  test('is the bytes that were written, whatever their sizes, and however many in one turn', async () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.integer({ min: 3990, max: 4010 }).map((size) => new Uint8Array(size).fill(120)),
      fc.constant(new Uint8Array(70_000)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(piece, fc.boolean())), async (pieces) => {
        bodies = [
          async (sink) => {
            for (const [chunk, waits] of pieces) {
              if (!sink.write(chunk)) await sink.drained();
              if (waits) await new Promise(setImmediate);
            }
          },
        ];
        expect((await read()).equals(Buffer.concat(pieces.map(([chunk]) => Buffer.from(chunk as Uint8Array))))).toBe(
          true,
        );
      }),
      { numRuns: 50 },
    );
  });

  test('waits for the answer in front of it on the same connection', async () => {
    const { promise: isFirstOver, resolve: endFirst } = Promise.withResolvers<void>();
    bodies = [
      async (sink) => {
        sink.write('first');
        await isFirstOver;
        sink.write(Buffer.from(' end'));
      },
      async (sink) => {
        for (const text of ['second', ' and', ' last']) sink.write(Buffer.from(text));
        endFirst();
      },
    ];
    const text = await readAll(asking('GET / HTTP/1.1', 'GET / HTTP/1.1\r\nconnection: close'));
    const [, first, second] = text.split(/HTTP\/1\.1 200 OK[\s\S]*?\r\n\r\n/);
    expect(first).toBe('5\r\nfirst\r\n4\r\n end\r\n0\r\n\r\n');
    expect(second).toBe('6\r\nsecond\r\n4\r\n and\r\n5\r\n last\r\n0\r\n\r\n');
  });

  test('has no framing for a client of HTTP/1.0, which knows none', async () => {
    bodies = [
      async (sink) => {
        for (const text of ['a', 'b', 'c']) sink.write(Buffer.from(text));
      },
    ];
    expect(await readAll(asking('GET / HTTP/1.0'))).toMatch(/\r\n\r\nabc$/);
  });

  test('waits for a client that does not read, and goes on when it does', async () => {
    const { promise: isFull, resolve: fill } = Promise.withResolvers<void>();
    const event = Buffer.alloc(1000, 'x');
    const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
    let written = 0;
    bodies = [
      async (sink) => {
        for (let isOpen = true; isOpen; ) {
          do written += 1;
          while (sink.write(event));
          const drained = sink.drained().then(() => true);
          // The kernel's buffers still grow: only when they are full nobody but the client can make room.
          isOpen = (await Promise.race([drained, pause().then(() => false)])) && written < MANY;
          if (isOpen) continue;
          fill();
          await drained;
        }
        sink.write(Buffer.from('went on'));
      },
    ];
    const socket = asking('GET / HTTP/1.1\r\nconnection: close').pause();
    await isFull;
    expect(written).toBeLessThan(MANY);
    const text = await readAll(socket);
    expect(text).toMatch(/\r\n7\r\nwent on\r\n0\r\n\r\n$/);
    expect(text.match(/x{1000}/g)).toHaveLength(written);
  });
});
