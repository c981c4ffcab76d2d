import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import fc from 'fast-check';
import type { Capture } from '../support/awslambda.ts';
import { endingOf } from '../support/endings.ts';
import type { Received } from '../support/http.ts';
import { problemOf } from '../support/in-dialect.ts';
import { pathOf } from '../support/operations.ts';
import type { FuzzOptions, FuzzReport } from './fuzz-requests.ts';
import { createFunction } from './in-process.ts';
import { createProblems, inLanes, tally } from './tally.ts';
import { type WorkerStream, workerStreams } from './worker-streams.ts';

const model = 'test-model';
const nodeId = 'node-of-fuzz';

const write = (socket: Socket, bytes: Buffer | string): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) resolve();
    // In a turn of its own, so that it arrives on its own.
    else socket.write(bytes, () => setImmediate(resolve));
  });

/** Says exactly this on a connection, and leaves as told. */
const perform = async (socket: Socket, { body, sent, cuts, contentType, framing, leaves, lingers }: WorkerStream) => {
  const framed = {
    chunked: 'transfer-encoding: chunked',
    length: `content-length: ${body.length}`,
    close: 'x-close: 1',
  };
  // `close`: nobody else is to use a connection that ends in its own way.
  await write(
    socket,
    `HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: ${contentType}\r\n${framed[framing]}\r\n\r\n`,
  );
  const places = [...cuts, sent];
  let from = 0;
  for (const to of places) {
    const piece = body.subarray(from, to);
    from = to;
    if (piece.length === 0) continue;
    const isChunked = framing === 'chunked';
    const chunk = isChunked
      ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
      : piece;
    await write(socket, chunk);
  }
  // Long enough for the gateway to have read it, half of the time.
  if (lingers) await new Promise((resolve) => setTimeout(resolve, 10));
  if (leaves === 'end' && framing === 'chunked') await write(socket, '0\r\n\r\n');
  if (leaves === 'reset') socket.resetAndDestroy();
  else socket.end();
};

/** The message as a whole was received as its framing has it. */
const isClean = ({ framing, leaves, sent, body }: WorkerStream): boolean => {
  if (leaves === 'reset') return false;
  if (framing === 'chunked') return leaves === 'end';
  return framing === 'close' || sent === body.length;
};

const isDone = (line: string): boolean => {
  try {
    return (JSON.parse(line) as { done?: unknown }).done === true;
  } catch {
    return false;
  }
};

/** What the bytes a worker has sent amount to, by a reading of its own: events that are complete, one by one. */
const isComplete = ({ one, body, sent }: WorkerStream): boolean => {
  const text = body.subarray(0, sent).toString();
  if (one.streams === 'ndjson') {
    const last = text.split('\n').filter(Boolean).at(-1) ?? '';
    return isDone(last);
  }
  const events = text.replaceAll('\r\n', '\n').replaceAll('\r', '\n').split('\n\n');
  const rest = events.pop() ?? '';
  const isLast = (event: string) =>
    /^data: \[DONE\]$/m.test(event) ||
    /^data: \{"type":"transcript\.text\.done".*\}$/m.test(event) ||
    /^event: (message_stop|response\.(completed|incomplete|failed))\ndata: .*\}$/m.test(event);
  // Of the last event the line's end, or the blank line behind it, may be missing.
  return events.some(isLast) || isLast(rest);
};

const receivedOf = (capture: Capture): Received => {
  const { body, prelude } = capture;
  const headers = (prelude?.headers ?? {}) as Received['headers'];
  const text = body.toString();
  const json = () => JSON.parse(text) as unknown;
  const status = prelude?.statusCode ?? 0;
  return { status, headers, rawHeaders: [], chunks: [], body, text, complete: !capture.failure, json };
};

/** @returns what docs/contract.md section 6 has against the end of a stream, if anything. */
const judge = (stream: WorkerStream, capture: Capture): string | undefined => {
  const { one, body, sent } = stream;
  if (capture.fatal) return `a crash: ${capture.fatal.message}`;
  if (!capture.ended) return 'no end';
  const received = receivedOf(capture);
  if (received.headers['x-localai-node'] !== nodeId) return 'no node header';
  if (received.status !== 200) {
    if (received.status !== 502) return `status ${received.status}`;
    // Nothing of it had been sent: it broke before its first byte, or in what may be an error event.
    return problemOf(one.dialect, received.text);
  }
  const common = received.body.findIndex((byte, at) => at >= sent || byte !== body[at]);
  const passed = common === -1 ? received.body.length : common;
  const isFramed = one.streams !== 'binary';
  const ending = endingOf(one, received);
  if (isClean(stream) && passed < sent) return 'bytes that are not the worker’s';
  if (!isFramed) {
    const isWhole = isClean(stream) || (stream.framing === 'length' && passed === body.length);
    return ending === (isWhole ? 'whole' : 'broken') ? undefined : `bytes ended ${ending}`;
  }
  // Of a broken connection some of the last bytes may be lost.
  const arrived = { ...stream, sent: isClean(stream) ? sent : passed };
  const expected = isComplete(arrived) ? 'whole' : 'error';
  return ending === expected ? undefined : `ended ${ending} instead of ${expected}`;
};

/** Streams of every kind through every function that streams. */
export const fuzzStreams = async ({ inputs, seed }: FuzzOptions): Promise<FuzzReport> => {
  const streams = new Map<string, WorkerStream>();
  const server = createServer((message) => {
    const { socket } = message;
    const stream = streams.get(String(message.headers['x-correlation-id']));
    message.resume().once('end', () => stream && perform(socket, stream));
  });
  server.on('connection', (socket) => socket.setNoDelay().on('error', () => undefined));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const families = ['openai', 'anthropic', 'ollama', 'audio'] as const;
  const functions = new Map(
    families.map((family) => [family as string, createFunction(family, [{ id: nodeId, url }])]),
  );
  const problems = createProblems();
  const outcomes: string[] = [];
  const batch = 1000;
  for (let from = 0; from < inputs; from += batch) {
    const all = fc.sample(workerStreams, { numRuns: Math.min(batch, inputs - from), seed: seed + from });
    await inLanes(all.length, 16, async (n) => {
      const stream = all[n - 1] as WorkerStream;
      const { one, body, ...rest } = stream;
      const id = `stream-${from + n}`;
      streams.set(id, stream);
      const sent = one.body(model, true);
      const form = sent instanceof FormData ? new Response(sent) : undefined;
      const capture = await (functions.get(one.family) as ReturnType<typeof createFunction>)({
        method: 'POST',
        path: pathOf(one, model),
        query: '',
        headers: { 'content-type': form?.headers.get('content-type') ?? 'application/json', 'x-correlation-id': id },
        cookies: [],
        body: form ? Buffer.from(await form.arrayBuffer()) : JSON.stringify(sent),
      });
      streams.delete(id);
      outcomes.push(capture.prelude?.statusCode === 200 ? endingOf(one, receivedOf(capture)) : 'error status');
      const problem = judge(stream, capture);
      const particulars = { ...rest, body: body.toString().slice(-300), received: capture.body.toString().slice(-300) };
      if (problem) problems.add(`${one.name}: ${problem}`, JSON.stringify(particulars));
    });
  }
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return { inputs, reached: inputs, outcomes: tally(outcomes), problems: problems.lines() };
};
