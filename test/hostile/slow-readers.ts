import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { operation, pathOf } from '../support/operations.ts';
import { until } from '../support/until.ts';
import { sseFrame } from '../support/worker/answer.ts';
import { bigBody } from '../support/worker/behaviours.ts';
import { type House, type Report, unharmed } from './house.ts';

const model = 'test-model';
const event = sseFrame({ data: { id: 'chatcmpl-1', choices: [{ index: 0, delta: { content: 'x'.repeat(200) } }] } });
/** Half of them read events, half of them bytes. */
const kinds = [
  { one: operation('chat'), stream: bigBody(1e9, 'text/event-stream', Buffer.from(event.repeat(200))) },
  { one: operation('speech'), stream: bigBody(1e9, 'audio/wav') },
];
/** What sockets, grown by the kernel as it likes, hold between the worker and one client. */
const UNDERWAY_BYTES = 24_000_000;
/** Chunks on their way, and those that V8 has not collected yet; no more of them the longer it goes on. */
const MOST_MB_EACH = 2.5;
const MOST_MB_MORE = 40;

interface Reader {
  readonly id: string;
  readonly socket: Socket;
  received: number;
}

/** @param everyMs a chunk is taken so often; `undefined`: none, ever. */
const startReader = async (house: House, number: number, everyMs: number | undefined): Promise<Reader> => {
  const { one } = kinds[number % kinds.length] as (typeof kinds)[number];
  const body = JSON.stringify(one.body(model, true));
  const id = `reader-${number}`;
  const socket = connect(house.port, '127.0.0.1');
  const reader: Reader = { id, socket, received: 0 };
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    reader.received += chunk.length;
    socket.pause();
    if (everyMs !== undefined) setTimeout(() => socket.resume(), everyMs);
  });
  if (everyMs === undefined) socket.pause();
  socket.write(
    `POST ${pathOf(one, model)} HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\nx-correlation-id: ${id}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  return reader;
};

export interface SlowReadersOptions {
  /** Clients that take a chunk now and then. */
  readonly slow: number;
  /** Clients that take nothing. */
  readonly never: number;
  /** `GATEWAY_IDLE_TIMEOUT_SECONDS` of the house, in milliseconds. */
  readonly stallMs: number;
  readonly heldMs: number;
}

/** Large streams to clients that do not take them. */
export const slowReaders = async (
  house: House,
  { slow, never, stallMs, heldMs }: SlowReadersOptions,
): Promise<Report> => {
  const { worker } = house;
  const problems: string[] = [];
  worker.behave(({ headers, path }) => {
    if (!String(headers['x-correlation-id']).startsWith('reader-')) return undefined;
    return kinds.find(({ one }) => pathOf(one, model) === path)?.stream;
  });
  const requestOf = (id: string) => worker.requests.find(({ headers }) => headers['x-correlation-id'] === id);
  const before = house.residentMB();
  const since = performance.now();
  const { came, others } = await house.beside(async () => {
    const numbers = Array.from({ length: slow + never }, (_, number) => number);
    const readers = await Promise.all(
      numbers.map((number) => startReader(house, number, number < slow ? 100 : undefined)),
    );
    const stuck = readers.slice(slow);
    const left = stuck.map(async ({ id }) => {
      await until(() => requestOf(id) !== undefined);
      return ((await requestOf(id)?.closed) ?? Number.POSITIVE_INFINITY) - since;
    });
    const endedMs = await Promise.race([Promise.all(left), pause(stallMs * 3 + 10_000, undefined, { ref: false })]);
    if (!endedMs) problems.push('who never reads was kept');
    const early = house.residentMB();
    await pause(Math.max(heldMs, 0));
    const late = house.residentMB();
    if (late > early + MOST_MB_MORE) problems.push(`memory goes on rising: ${early.toFixed(0)}, ${late.toFixed(0)} MB`);
    const reading = readers.slice(0, slow);
    const cut = reading.filter(({ socket }) => socket.destroyed).length;
    if (cut > 0) problems.push(`${cut} slow readers were cut`);
    const ahead = Math.max(...readers.map(({ id, received }) => (requestOf(id)?.sentBytes() ?? 0) - received));
    if (ahead > UNDERWAY_BYTES) problems.push(`a worker is ${(ahead / 1e6).toFixed(0)} MB ahead of its client`);
    const taken = reading.reduce((sum, { received }) => sum + received, 0);
    const began = reading.filter(({ received }) => received > 100_000).length;
    if (began < slow) problems.push(`${slow - began} slow readers got nothing`);
    for (const { socket } of readers) socket.destroy();
    await until(() => readers.every(({ id }) => requestOf(id)), 1000);
    await Promise.all(readers.map(({ id }) => requestOf(id)?.closed));
    return { endedMs, ahead, taken, early, late };
  });
  const rise = others.peakMB - before;
  if (rise > 60 + (slow + never) * MOST_MB_EACH) problems.push(`memory rose by ${rise.toFixed(0)} MB`);
  worker.reset();
  return {
    title: `${slow} slow readers, ${never} that never read, of streams of 1 GB`,
    lines: [
      `resident: ${before.toFixed(0)} MB before, ${others.peakMB.toFixed(0)} MB at the peak, ${came.early.toFixed(0)} MB when those that never read were gone, ${came.late.toFixed(0)} MB ${heldMs / 1000} s later`,
      `${(came.taken / 1e6).toFixed(0)} MB were read, no worker was more than ${(came.ahead / 1e6).toFixed(1)} MB ahead (kernels' buffers)`,
      came.endedMs
        ? `who never reads is left after ${(Math.min(...came.endedMs) / 1000).toFixed(1)} to ${(Math.max(...came.endedMs) / 1000).toFixed(1)} s (time-out ${stallMs / 1000} s)`
        : '',
      others.line,
    ].filter(Boolean),
    problems: [...problems, ...unharmed(others)],
  };
};
