import type { Agent, ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { timeLimit } from '../time/time-limit.ts';
import type { Worker } from '../worker.ts';
import { addressOf } from './address.ts';
import { builtin } from './builtin.ts';
import { decoded } from './content-coding.ts';
import { ExchangeError, StaleConnectionError } from './exchange-error.ts';
import { guarded } from './guarded.ts';
import { hasControls, isAcceptable } from './response.ts';
import { pump, type StreamedBody } from './streamed-body.ts';

export interface UpstreamRequest {
  readonly worker: Pick<Worker, 'url'>;
  readonly method: string;
  /** Path and query on the worker. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | StreamedBody;
  readonly signal: AbortSignal;
  /** Over a new connection: a kept one may be over, and only the request would show it. */
  readonly isAnew?: boolean | undefined;
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

const isReset = (error: NodeJS.ErrnoException) => error.code === 'ECONNRESET' || error.code === 'EPIPE';

/** A kept connection that its worker had closed already says so within a round trip; later it is the engine that died. */
const STALE_MS = 100;

/** No server waits for less: one that says so earlier, on a kept connection, means the time before this request. */
const SHORTEST_WAIT_MS = 1000;

export interface ExchangeOptions {
  /** `false`: over a new connection. */
  readonly agent: Agent | false;
  /** How long a connection may take to open. */
  readonly connectTimeoutMs: number;
}

/**
 * One HTTP exchange with a worker.
 * @throws {ExchangeError} when no response head came, {StaleConnectionError} among them; what a streamed body threw, as
 *   it is.
 */
export const exchange = (
  request: UpstreamRequest,
  { agent, connectTimeoutMs }: ExchangeOptions,
): Promise<UpstreamResponse> =>
  new Promise((resolve, reject) => {
    const { signal, body } = request;
    const { protocol, hostname, port, base, isSecure } = addressOf(request.worker.url);
    const { request: httpRequest } = isSecure ? builtin.https() : builtin.http();
    let connectTimedOut = false;
    let bodyFailed = false;
    const outgoing: ClientRequest = httpRequest({
      protocol,
      hostname,
      port,
      method: request.method,
      path: base + request.path,
      headers: body ? { ...request.headers, 'content-length': String(body.length) } : request.headers,
      agent,
      // One odd byte in a header must not cost the answer; what leniency opens is closed below.
      insecureHTTPParser: true,
    });
    let settled = () => {};
    let head: IncomingMessage | undefined;
    const refuse = (cause?: unknown) => {
      settled();
      reject(new ExchangeError('reset', { sent: true, cause }));
      (head ?? outgoing).destroy();
    };
    const once = (event: string, listener: (...args: never[]) => void) =>
      outgoing.once(event, guarded(listener as (...args: unknown[]) => void, refuse));

    // By hand: Node's own `signal` option watches the stream with a dozen listeners, which costs more than all the rest here.
    const abort = () => outgoing.destroy(new Error('aborted'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    once('close', () => signal.removeEventListener('abort', abort));

    const sendBody = () => {
      if (!body || body instanceof Uint8Array) return;
      pump(body, outgoing).catch((cause) => {
        bodyFailed = true;
        reject(cause);
        outgoing.destroy();
      });
    };
    let startedAt = 0;
    let hasSpoken = false;
    once('socket', (socket: Socket) => {
      if (!socket.connecting) {
        startedAt = performance.now();
        socket.once('data', () => {
          hasSpoken = true;
        });
        return sendBody();
      }
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
    const isStale = (ms: number) => outgoing.reusedSocket && performance.now() - startedAt <= ms;
    once('response', (response: IncomingMessage) => {
      settled();
      head = response;
      // It was on its way before the request was, and the connection is closed behind it (RFC 9110 15.5.9).
      if (response.statusCode === 408 && isStale(SHORTEST_WAIT_MS)) {
        reject(new StaleConnectionError('reset', { sent: outgoing.writableFinished }));
        return void response.destroy();
      }
      if (!isAcceptable(response)) return refuse();
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
    once('upgrade', (_response: IncomingMessage, socket: Socket) => {
      socket.destroy();
      refuse();
    });
    // Stays for the connection's life: behind the response's head, errors reach the reader through the body.
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      settled();
      // A body that only the connection's end delimits (RFC 9112 6.3) would pass for whole.
      if (head) return void (head.complete || head.destroy(error));
      if (signal.aborted)
        return reject(new ExchangeError('aborted', { sent: outgoing.writableFinished, cause: error }));
      if (connectTimedOut) return reject(new ExchangeError('unreachable', { sent: false, cause: error }));
      if (bodyFailed) return;
      const Failure = isReset(error) && !hasSpoken && isStale(STALE_MS) ? StaleConnectionError : ExchangeError;
      const kind = isReset(error) ? 'reset' : 'unreachable';
      reject(new Failure(kind, { sent: outgoing.writableFinished, cause: error }));
    });
    if (!body || body instanceof Uint8Array) outgoing.end(body);
  });
