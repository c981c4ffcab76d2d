import type { ServerResponse } from 'node:http';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { type Answer, jsonAnswer, sseFrame } from './answer.ts';

/** One request in the hands of a stand-in: the means to answer it well, badly or not at all. */
export interface Exchange {
  readonly response: ServerResponse;
  /** Fulfilled when the client's connection is gone. */
  readonly gone: Promise<unknown>;
  /** Adds to the recorded body of the reply. */
  readonly note: (bytes: Buffer) => void;
}

/** How a stand-in treats a request: what it changes in its ordinary answer, and how it delivers it. */
export interface Behaviour {
  readonly change?: (answer: Answer) => Answer;
  readonly deliver?: (exchange: Exchange, answer: Answer) => Promise<void>;
}

/** Applies several changes in turn; the last `deliver` given is the one used. */
export const combine = (...behaviours: readonly Behaviour[]): Behaviour => ({
  change: (answer) => behaviours.reduce((changed, { change }) => change?.(changed) ?? changed, answer),
  deliver: behaviours.findLast(({ deliver }) => deliver)?.deliver,
});

const sendHead = ({ response }: Exchange, { status, headers, parts, streamed }: Answer): void => {
  const bodyless = status === 204 || status === 304;
  const length = bodyless ? {} : { 'content-length': Buffer.concat(parts).length };
  response.writeHead(status, streamed ? headers : { ...length, ...headers });
  response.flushHeaders();
};

/** Writes and waits while the client does not read; @returns false once the client is gone. */
const write = async (exchange: Exchange, bytes: Buffer): Promise<boolean> => {
  if (exchange.response.destroyed) return false;
  exchange.note(bytes);
  if (exchange.response.write(bytes)) return true;
  const drained = new Promise((resolve) => exchange.response.once('drain', resolve));
  await Promise.race([drained, exchange.gone]);
  return !exchange.response.destroyed;
};

const writeAll = async (exchange: Exchange, parts: readonly Buffer[]): Promise<void> => {
  for (const part of parts) if (part.length && !(await write(exchange, part))) return;
};

const end = ({ response }: Exchange): Promise<void> => new Promise((resolve) => response.end(() => resolve()));

const reset = ({ response }: Exchange): void => void response.socket?.resetAndDestroy();

/** Lets what was written reach the client's kernel before a reset throws it away. */
const flushed = ({ response }: Exchange): Promise<void> =>
  new Promise((resolve) => {
    const { socket } = response;
    if (!socket || socket.destroyed) return resolve();
    socket.write('', () => setImmediate(() => setImmediate(resolve)));
  });

/** Answers at once and in full. */
export const ordinary: Behaviour = {
  deliver: async (exchange, answer) => {
    sendHead(exchange, answer);
    await writeAll(exchange, answer.parts);
    await end(exchange);
  },
};

/** Sends the head and the first `parts` parts, then waits for `release` before the rest. 0 holds back the head too. */
export const holdAt = (parts: number, release: Promise<unknown>): Behaviour => ({
  deliver: async (exchange, answer) => {
    if (parts > 0) {
      sendHead(exchange, answer);
      await writeAll(exchange, answer.parts.slice(0, parts));
    }
    await Promise.race([release, exchange.gone]);
    if (exchange.response.destroyed) return;
    if (parts === 0) sendHead(exchange, answer);
    await writeAll(exchange, answer.parts.slice(parts));
    await end(exchange);
  },
});

/** One part every `milliseconds`, like a model that generates. */
export const paced = (milliseconds: number): Behaviour => ({
  deliver: async (exchange, answer) => {
    sendHead(exchange, answer);
    for (const part of answer.parts) {
      if (!(await write(exchange, part))) return;
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
    }
    if (!exchange.response.destroyed) await end(exchange);
  },
});

/** Where a connection breaks. `after` counts whole parts sent before it; `mid-event` adds half of the next one. */
export type CutPoint = 'before-head' | 'after-head' | { readonly after: number } | { readonly midEvent: number };

/** Breaks the connection with a TCP reset. */
export const cut = (point: CutPoint): Behaviour => ({
  deliver: async (exchange, answer) => {
    if (point !== 'before-head') {
      sendHead(exchange, answer);
      if (typeof point === 'object') {
        const whole = 'after' in point ? point.after : point.midEvent;
        await writeAll(exchange, answer.parts.slice(0, whole));
        const next = answer.parts[whole];
        if ('midEvent' in point && next) await writeAll(exchange, [next.subarray(0, Math.ceil(next.length / 2))]);
      }
    }
    await flushed(exchange);
    reset(exchange);
  },
});

/** A clean end of the body without the terminal marker, after `parts` parts (default: all before the marker). */
export const endEarly = (parts?: number): Behaviour => ({
  change: (answer) => ({ ...answer, parts: answer.parts.slice(0, parts ?? answer.terminal) }),
});

/** Sends the head and `parts` parts, then nothing for as long as the client waits. -1 does not even send the head. */
export const stallAfter = (parts: number): Behaviour => ({
  deliver: async (exchange, answer) => {
    if (parts >= 0) {
      sendHead(exchange, answer);
      await writeAll(exchange, answer.parts.slice(0, parts));
      // By its length the answer is over: the client may send the next request, which must not wait behind this one.
      if (!answer.streamed && parts >= answer.parts.length) return end(exchange);
    }
    await exchange.gone;
  },
});

/** Another answer altogether; an object body goes out as JSON. */
export const reply = (
  status: number,
  body: string | Buffer | object = '',
  headers: Record<string, string> = {},
): Behaviour => ({
  change: () => {
    if (typeof body === 'object' && !Buffer.isBuffer(body)) return jsonAnswer(body, status, headers);
    return { status, headers, parts: [Buffer.from(body)], terminal: 1, streamed: false };
  },
});

/** LocalAI's 503 while a model loads, naming one of its own nodes. */
export const modelLoading = (model: string, node: string, retryAfterSeconds = 7): Behaviour =>
  reply(
    503,
    {
      error: { message: `model ${model} is loading`, type: 'model_loading', code: 'model_loading' },
      loading: { model, state: 'loading', node, progress: 0.5, bytes_sent: 5, total_bytes: 10, eta_seconds: 7 },
    },
    { 'retry-after': String(retryAfterSeconds) },
  );

/** A 200 event stream whose very first event is an error object. */
export const firstEventError = (error: object, event?: string): Behaviour => ({
  change: (answer) => ({
    ...answer,
    status: 200,
    headers: { ...answer.headers, 'content-type': 'text/event-stream' },
    parts: [Buffer.from(sseFrame({ ...(event && { event }), data: error })), Buffer.from(sseFrame({ data: '[DONE]' }))],
    streamed: true,
  }),
});

/** After `parts` ordinary parts, these bytes instead of the rest, then a clean end. */
export const endingWith = (parts: number, bytes: string): Behaviour => ({
  change: (answer) => ({ ...answer, parts: [...answer.parts.slice(0, parts), Buffer.from(bytes)] }),
});

/** These exact bytes on the socket, then its end (`finish`), a reset, or nothing more (`open`). */
export const raw = (bytes: string | Buffer, then: 'finish' | 'reset' | 'open' = 'finish'): Behaviour => ({
  deliver: async (exchange) => {
    const { socket } = exchange.response;
    if (!socket) return;
    const payload = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    exchange.note(payload);
    socket.write(payload);
    if (then === 'open') return void (await exchange.gone);
    if (then === 'finish') return void socket.end();
    await flushed(exchange);
    reset(exchange);
  },
});

/** Encodes the body although `identity` was asked for. */
export const encoded = (encoding: 'gzip' | 'br'): Behaviour => ({
  change: (answer) => {
    const body = Buffer.concat(answer.parts);
    const bytes = encoding === 'gzip' ? gzipSync(body) : brotliCompressSync(body);
    return { ...answer, headers: { ...answer.headers, 'content-encoding': encoding }, parts: [bytes], streamed: false };
  },
});

export const redirect = (location: string, status = 302): Behaviour => reply(status, '', { location });

/** Extra or replaced response headers. */
export const withHeaders = (headers: Record<string, string>): Behaviour => ({
  change: (answer) => ({ ...answer, headers: { ...answer.headers, ...headers } }),
});

const lineFeeds = (text: string) => text.replaceAll('\n', '\r\n');

/** Event streams framed with CRLF. */
export const crlf: Behaviour = {
  change: (answer) => ({ ...answer, parts: answer.parts.map((part) => Buffer.from(lineFeeds(part.toString()))) }),
};

/** The same bytes in pieces of `size`, which cuts events, and with 1 every character that is not ASCII. */
export const inPiecesOf = (size: number): Behaviour => ({
  change: (answer) => {
    const body = Buffer.concat(answer.parts);
    const count = Math.ceil(body.length / size);
    const parts = Array.from({ length: count }, (_, at) => body.subarray(at * size, (at + 1) * size));
    return { ...answer, parts, terminal: parts.length, streamed: true };
  },
});

/** A body of `bytes` bytes, this block over and over, made while it is read; the client's pace is the stand-in's. */
export const bigBody = (
  bytes: number,
  contentType = 'application/octet-stream',
  block = Buffer.alloc(65_536, 'x'),
): Behaviour => ({
  deliver: async (exchange, answer) => {
    sendHead(exchange, { ...answer, status: 200, headers: { 'content-type': contentType }, streamed: true });
    for (let left = bytes; left > 0; left -= block.length) {
      if (!(await write(exchange, block.subarray(0, Math.min(left, block.length))))) return;
    }
    await end(exchange);
  },
});
