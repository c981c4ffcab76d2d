import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { timeLimit } from '../time/time-limit.ts';
import type { Worker } from '../worker.ts';
import { addressOf } from './address.ts';
import { createAgents } from './agents.ts';
import { builtin } from './builtin.ts';
import { decoded, hasControls, isAcceptable } from './response.ts';
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
  readonly body: Readable;
  /** Closes the connection without reading the rest. */
  discard(): void;
}

export interface Upstream {
  /** @throws {UpstreamFailure} when no response head came; what a streamed body threw, as it is. */
  send(request: UpstreamRequest): Promise<UpstreamResponse>;
}

const isReset = (error: NodeJS.ErrnoException) => error.code === 'ECONNRESET' || error.code === 'EPIPE';

/** @param connectTimeoutMs how long a connection may take to open. */
export const createUpstream = ({ connectTimeoutMs }: { connectTimeoutMs: number }): Upstream => {
  const agentFor = createAgents();

  const open = (request: UpstreamRequest, reuse: boolean): Promise<UpstreamResponse> =>
    new Promise((resolve, reject) => {
      const { signal, body } = request;
      const address = addressOf(request.worker.url);
      const { protocol, hostname, port, isSecure } = address;
      const { request: httpRequest } = isSecure ? builtin.https() : builtin.http();
      let connectTimedOut = false;
      let bodyFailed = false;
      const outgoing: ClientRequest = httpRequest({
        protocol,
        hostname,
        port,
        method: request.method,
        path: address.base + request.path,
        headers: body ? { ...request.headers, 'content-length': String(body.length) } : request.headers,
        agent: reuse ? agentFor(address) : false,
        // One odd byte in a header must not cost the answer; what leniency opens is closed below.
        insecureHTTPParser: true,
      });
      // By hand: Node's own `signal` option watches the stream with a dozen listeners, which costs more than all the rest here.
      const abort = () => outgoing.destroy(new Error('aborted'));
      if (signal.aborted) abort();
      signal.addEventListener('abort', abort);
      outgoing.once('close', () => signal.removeEventListener('abort', abort));
      let settled = () => {};
      let head: IncomingMessage | undefined;
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
        head = response;
        if (!isAcceptable(response)) {
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
        // A body that only the connection's end delimits (RFC 9112 6.3) would pass for whole.
        if (head) return void (head.complete || head.destroy(error));
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
