import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';

export interface SendOptions {
  /** Default: POST with a body, GET without. */
  readonly method?: string;
  /** A record, or names and values in turn, which keeps order, case and duplicates. */
  readonly headers?: Record<string, string> | readonly string[];
  /** An object goes out as JSON with its content type, a form as multipart. */
  readonly body?: string | Buffer | object | FormData | undefined;
  /** The request target as it is to stand on the wire; default: the URL's path and query. */
  readonly target?: string;
  /** Closes the connection at any time, before the head too. */
  readonly signal?: AbortSignal;
}

export interface Chunk {
  /** `performance.now()` at arrival. */
  readonly at: number;
  readonly bytes: Buffer;
}

/** A reply whose head has arrived; its body is read only as the test asks for it. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly headAt: number;
  /** The next block of body bytes; undefined at the end, clean or broken. */
  readonly next: () => Promise<Chunk | undefined>;
  /** Reads until the body so far contains `text`; @returns all of it, shorter than hoped if it ended. */
  readonly until: (text: string) => Promise<string>;
  /** Reads the rest. */
  readonly all: () => Promise<Received>;
  /** Leaves: closes the connection. */
  readonly abort: () => void;
}

/** A reply that has ended. */
export interface Received {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly chunks: readonly Chunk[];
  readonly body: Buffer;
  readonly text: string;
  /** False when the connection broke before the body's end. */
  readonly complete: boolean;
  /** Parsed JSON body. */
  readonly json: () => unknown;
}

const encode = async ({ body, headers = {} }: SendOptions): Promise<{ bytes?: Buffer; headers: string[] }> => {
  const given = Array.isArray(headers) ? [...headers] : Object.entries(headers).flat();
  const has = (wanted: string) => given.some((name, at) => at % 2 === 0 && name.toLowerCase() === wanted);
  const typed = (contentType: string) => (has('content-type') ? given : [...given, 'content-type', contentType]);
  if (body === undefined) return { headers: given };
  if (body instanceof FormData) {
    const form = new Response(body);
    return { bytes: Buffer.from(await form.arrayBuffer()), headers: typed(form.headers.get('content-type') ?? '') };
  }
  if (typeof body === 'string' || Buffer.isBuffer(body)) return { bytes: Buffer.from(body), headers: given };
  return { bytes: Buffer.from(JSON.stringify(body)), headers: typed('application/json') };
};

const replyOf = (message: IncomingMessage): Reply => {
  const { statusCode: status = 0, headers, rawHeaders } = message;
  const headAt = performance.now();
  const chunks: Chunk[] = [];
  let ended = false;
  let complete = false;
  message.once('end', () => {
    complete = message.complete;
    ended = true;
  });
  message.once('close', () => {
    ended = true;
  });
  message.on('error', () => undefined);
  const next = async (): Promise<Chunk | undefined> => {
    for (;;) {
      const bytes = message.read() as Buffer | null;
      if (bytes) {
        const chunk = { at: performance.now(), bytes };
        chunks.push(chunk);
        return chunk;
      }
      if (ended) return undefined;
      await new Promise<void>((resolve) => {
        const settle = () => {
          for (const event of ['readable', 'end', 'close']) message.off(event, settle);
          resolve();
        };
        for (const event of ['readable', 'end', 'close']) message.on(event, settle);
      });
    }
  };
  const soFar = () => Buffer.concat(chunks.map(({ bytes }) => bytes));
  return {
    status,
    headers,
    rawHeaders,
    headAt,
    next,
    until: async (text) => {
      while (!soFar().includes(text)) if (!(await next())) break;
      return soFar().toString();
    },
    all: async () => {
      while (await next());
      const body = soFar();
      const text = body.toString();
      return { status, headers, rawHeaders, chunks, body, text, complete, json: () => JSON.parse(text) as unknown };
    },
    abort: () => message.destroy(),
  };
};

/**
 * Sends one request on a connection of its own and waits for the head of the reply. HTTP/1.1, no redirects, no
 * decoding, no default headers but `host` and `content-length`.
 * @throws what node:http does when the connection breaks before the head
 */
export const send = async (url: string, options: SendOptions = {}): Promise<Reply> => {
  const { hostname, port, pathname, search, host } = new URL(url);
  const { bytes, headers } = await encode(options);
  const named = headers.map((value, at) => (at % 2 === 0 ? value.toLowerCase() : ''));
  const all = [...(named.includes('host') ? [] : ['host', host]), ...headers];
  if (bytes && !named.includes('content-length') && !named.includes('transfer-encoding')) {
    all.push('content-length', String(bytes.length));
  }
  const method = options.method ?? (bytes ? 'POST' : 'GET');
  const path = options.target ?? pathname + search;
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, method, path, headers: all, agent: false, signal: options.signal });
    request.once('response', (message) => resolve(replyOf(message)));
    request.on('error', reject);
    request.end(bytes);
  });
};

/** Sends one request and reads the whole reply. */
export const fetchAll = async (url: string, options: SendOptions = {}): Promise<Received> =>
  (await send(url, options)).all();

/** Writes exact bytes to a TCP connection and @returns everything that comes back until it closes. */
export const sendBytes = (url: string, bytes: string | Buffer): Promise<Buffer> => {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const received: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.on('data', (block) => received.push(block));
    socket.on('close', () => resolve(Buffer.concat(received)));
    socket.on('error', (error) => (received.length > 0 ? resolve(Buffer.concat(received)) : reject(error)));
  });
};
