import type * as Http from 'node:http';
import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type * as Https from 'node:https';
import type { Socket } from 'node:net';
import type { Transform } from 'node:stream';
import { timeLimit } from '../time-limit.ts';
import type { Worker } from '../worker.ts';
import { pump, type StreamedBody } from './streamed-body.ts';

/** Why a worker gave no response head. `sent`: the whole request had left, so the worker may be working on it. */
export class UpstreamFailure extends Error {
  readonly kind: 'unreachable' | 'reset' | 'timeout' | 'aborted';
  readonly sent: boolean;
  constructor(kind: UpstreamFailure['kind'], sent: boolean, cause?: unknown) {
    super(`upstream ${kind}`, { cause });
    this.name = 'UpstreamFailure';
    this.kind = kind;
    this.sent = sent;
  }
}

export interface UpstreamRequest {
  readonly worker: Pick<Worker, 'url'>;
  readonly method: string;
  /** Path and query on the worker. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | StreamedBody;
  readonly signal: AbortSignal;
}

export interface UpstreamResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: IncomingHttpHeaders;
  /** The body as the worker sends it; leaving the loop early closes the connection. */
  readonly body: AsyncIterable<Buffer>;
  /** Closes the connection without reading the rest. */
  discard(): void;
}

export interface Upstream {
  /** @throws {UpstreamFailure} when no response head came; what a streamed body threw, as it is. */
  send(request: UpstreamRequest): Promise<UpstreamResponse>;
}

/** Workers close idle sockets, uvicorn after 5 s; ours are given up a second earlier, by the wall clock. */
const IDLE_SOCKET_MS = 4000;
const idleSince = new WeakMap<Socket, number>();

// `require`, not `import`: a static ESM import of node:http costs every cold start 20 ms; and a plain http fleet
// never loads TLS.
const load = <T>(name: 'node:http' | 'node:https' | 'node:zlib'): T => process.getBuiltinModule(name) as T;

const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => load<typeof import('node:zlib')>('node:zlib').createGunzip(),
  'x-gzip': () => load<typeof import('node:zlib')>('node:zlib').createGunzip(),
  deflate: () => load<typeof import('node:zlib')>('node:zlib').createInflate(),
  br: () => load<typeof import('node:zlib')>('node:zlib').createBrotliDecompress(),
  zstd: () => load<typeof import('node:zlib')>('node:zlib').createZstdDecompress(),
};

/** `identity` was asked for; a worker that encodes all the same is decoded here. */
const decoded = (response: IncomingMessage): { headers: IncomingHttpHeaders; body: AsyncIterable<Buffer> } => {
  const encoding = response.headers['content-encoding'];
  const decoder = encoding && DECODERS[encoding.trim().toLowerCase()]?.();
  if (!decoder) return { headers: response.headers, body: response };
  const { 'content-encoding': _encoding, 'content-length': _length, ...headers } = response.headers;
  response.on('error', (error) => decoder.destroy(error));
  decoder.on('close', () => response.destroy());
  return { headers, body: response.pipe(decoder) };
};

/** RFC 9112 6.3: two lengths, or a length beside a transfer coding, say that the message may not be what it seems. */
const isAmbiguous = ({ rawHeaders }: IncomingMessage): boolean => {
  let lengths = 0;
  let codings = 0;
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const name = rawHeaders[n] as string;
    // Only these two lengths are ever of interest.
    if (name.length === 14 && name.toLowerCase() === 'content-length') lengths += 1;
    else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') codings += 1;
  }
  return lengths > 1 || (lengths === 1 && codings > 0);
};

/** RFC 9110 15: what is outside of these classes is no answer, and could not be passed on. */
const isFinal = ({ statusCode = 0 }: IncomingMessage): boolean => statusCode >= 200 && statusCode <= 599;

/** A byte that no header value may hold (RFC 9110 5.5); the filter drops the header, and the connection is not trusted on. */
const hasControls = ({ rawHeaders }: IncomingMessage): boolean =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  rawHeaders.some((text) => /[\x00-\x08\x0a-\x1f\x7f]/.test(text));

/** What a connection needs of a worker's URL. A fleet has few, and each is asked for again and again. */
interface Target {
  readonly isSecure: boolean;
  readonly protocol: string;
  readonly hostname: string;
  readonly port: string;
  /** In front of every path; no trailing slash. */
  readonly base: string;
}

const targets = new Map<string, Target>();
/** More URLs than a large fleet has; a fleet whose tasks come and go must not grow this for ever. */
const TARGETS = 2048;

const targetOf = (url: string): Target => {
  let target = targets.get(url);
  if (!target) {
    const { protocol, hostname, port, pathname } = new URL(url);
    target = {
      isSecure: protocol === 'https:',
      protocol,
      hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
      port,
      base: pathname.replace(/\/$/, ''),
    };
    if (targets.size >= TARGETS) targets.clear();
    targets.set(url, target);
  }
  return target;
};

const isReset = (error: NodeJS.ErrnoException) => error.code === 'ECONNRESET' || error.code === 'EPIPE';

/** @param connectTimeoutMs how long a connection may take to open. */
export const createUpstream = ({ connectTimeoutMs }: { connectTimeoutMs: number }): Upstream => {
  const agents = new Map<string, Agent>();

  const agentFor = ({ protocol, isSecure }: Target): Agent => {
    let agent = agents.get(protocol);
    if (!agent) {
      const { Agent } = isSecure ? load<typeof Https>('node:https') : load<typeof Http>('node:http');
      agent = new Agent({ keepAlive: true });
      agent.on('free', (socket: Socket) => idleSince.set(socket, Date.now()));
      agents.set(protocol, agent);
    }
    for (const sockets of Object.values(agent.freeSockets)) {
      for (const socket of sockets ?? []) {
        if (Date.now() - (idleSince.get(socket) ?? 0) > IDLE_SOCKET_MS) socket.destroy();
      }
    }
    return agent;
  };

  const open = (request: UpstreamRequest, reuse: boolean): Promise<UpstreamResponse> =>
    new Promise((resolve, reject) => {
      const { signal, body } = request;
      const target = targetOf(request.worker.url);
      const { protocol, hostname, port, isSecure } = target;
      const { request: httpRequest } = isSecure ? load<typeof Https>('node:https') : load<typeof Http>('node:http');
      let connectTimedOut = false;
      let bodyFailed = false;
      const outgoing: ClientRequest = httpRequest({
        protocol,
        hostname,
        port,
        method: request.method,
        path: target.base + request.path,
        headers: body ? { ...request.headers, 'content-length': String(body.length) } : request.headers,
        agent: reuse ? agentFor(target) : false,
        // One odd byte in a header must not cost the answer; what leniency opens is closed below.
        insecureHTTPParser: true,
      });
      // By hand: Node's own `signal` option watches the stream with a dozen listeners, which costs more than all the rest here.
      const abort = () => outgoing.destroy(new Error('aborted'));
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort);
      outgoing.once('close', () => signal.removeEventListener('abort', abort));
      let settled = () => {};
      let hasHead = false;
      const sendBody = () => {
        if (!body || body instanceof Uint8Array) return;
        pump(body, outgoing).catch((cause) => {
          bodyFailed = true;
          reject(cause);
          outgoing.destroy();
        });
      };
      outgoing.once('socket', (socket) => {
        if (!socket.connecting) return sendBody();
        settled = timeLimit(connectTimeoutMs, () => {
          connectTimedOut = true;
          outgoing.destroy();
        });
        socket.once(isSecure ? 'secureConnect' : 'connect', () => {
          settled();
          // Not before: for a worker that is not there nothing is read.
          sendBody();
        });
      });
      outgoing.once('response', (response) => {
        settled();
        hasHead = true;
        if (isAmbiguous(response) || !isFinal(response)) {
          response.destroy();
          return reject(new UpstreamFailure('reset', true));
        }
        // A worker that has said everything without reading all of it never will.
        response.once('end', () => {
          if (!outgoing.writableEnded) outgoing.destroy();
        });
        if (hasControls(response)) {
          // Taken now: at its end the response has given the socket back to the agent.
          const { socket } = response;
          response.once('end', () => socket.destroy());
        }
        resolve({
          status: response.statusCode ?? 502,
          ...decoded(response),
          discard: () => response.destroy(),
        });
      });
      // Nobody asked for another protocol; unheard, Node would end the connection and say nothing.
      outgoing.once('upgrade', (_response, socket) => {
        settled();
        socket.destroy();
        reject(new UpstreamFailure('reset', true));
      });
      // Stays for the connection's life: behind the response's head, errors reach the reader through the body.
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        settled();
        if (hasHead) return;
        if (signal.aborted) return reject(new UpstreamFailure('aborted', outgoing.writableFinished, error));
        if (connectTimedOut) return reject(new UpstreamFailure('unreachable', false, error));
        if (bodyFailed) return;
        if (isReset(error) && outgoing.reusedSocket && reuse) return resolve(open(request, false));
        reject(new UpstreamFailure(isReset(error) ? 'reset' : 'unreachable', outgoing.writableFinished, error));
      });
      if (!body || body instanceof Uint8Array) outgoing.end(body);
    });

  return { send: (request) => open(request, true) };
};
