import type { ClientRequest, IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { WebSocket } from 'ws';
import { InvalidRequestError } from '../errors.ts';
import { timeLimit } from '../time/time-limit.ts';
import { addressOf } from './address.ts';
import { decoded } from './content-coding.ts';
import type { UpstreamRequest, UpstreamResponse } from './exchange.ts';
import { ExchangeError } from './exchange-error.ts';
import { isAcceptable } from './response.ts';

/** What a frame, and a message of several, may have on either side; more is closed with 1009 (docs/contract.md 12). */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** How both sides speak: what one says is the other's to answer, pings too, and nothing is compressed on the way. */
export const WEB_SOCKET_OPTIONS = {
  maxPayload: MAX_MESSAGE_BYTES,
  perMessageDeflate: false,
  autoPong: false,
  /** How long a peer may take to end the connection once both have said that they close. */
  closeTimeout: 2000,
} as const;

export interface HandshakeOptions {
  /** Subprotocols that the client offers. */
  readonly protocols: readonly string[];
  readonly connectTimeoutMs: number;
}

/** What a worker said to a handshake. */
export interface Handshaken {
  /** 101, or why there is none. */
  readonly response: UpstreamResponse;
  /** With 101: paused, so that nothing is lost before somebody listens. */
  readonly socket?: WebSocket;
  /** The subprotocol that the worker has chosen. */
  readonly protocol?: string | undefined;
}

/** A handshake sets its own (RFC 6455 4.1). */
const withoutHandshake = (headers: UpstreamRequest['headers']) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('sec-websocket-')));

/** @throws {InvalidRequestError} where a handshake cannot say what the client wants said. */
const handshake = (...[url, protocols, options]: ConstructorParameters<typeof WebSocket>): WebSocket => {
  try {
    return new WebSocket(url, protocols, options);
  } catch (cause) {
    throw new InvalidRequestError('A WebSocket cannot be asked for in these words.', { cause });
  }
};

/**
 * Opens a WebSocket to a worker.
 * @throws {ExchangeError} when it gave no answer, {InvalidRequestError} when no worker could be asked.
 */
export const openWebSocket = (
  { worker, path, headers, signal }: Pick<UpstreamRequest, 'worker' | 'path' | 'headers' | 'signal'>,
  { protocols, connectTimeoutMs }: HandshakeOptions,
): Promise<Handshaken> =>
  new Promise((resolve, reject) => {
    const { isSecure, hostname, port, base } = addressOf(worker.url);
    const host = hostname.includes(':') ? `[${hostname}]` : hostname;
    const url = `${isSecure ? 'wss' : 'ws'}://${host}${port && `:${port}`}${base}${path}`;
    let isSent = false;
    const socket = handshake(url, [...protocols], {
      ...WEB_SOCKET_OPTIONS,
      headers: withoutHandshake(headers),
      finishRequest(request: ClientRequest) {
        request.once('socket', (connection) => {
          const connected = () => {
            isSent = true;
          };
          if (connection.connecting) connection.once(isSecure ? 'secureConnect' : 'connect', connected);
          else connected();
        });
        request.end();
      },
    });
    let isOver = false;
    const over = () => {
      isOver = true;
      release();
      signal.removeEventListener('abort', stop);
    };
    const fail = (kind: ExchangeError['kind'], cause?: unknown) => {
      if (isOver) return;
      over();
      reject(new ExchangeError(kind, { sent: isSent, cause }));
      socket.terminate();
    };
    const stop = () => fail('aborted', signal.reason);
    const release = timeLimit(connectTimeoutMs, () => {
      if (!isSent) fail('unreachable');
    });
    // Stays for the socket's life: unheard, an error would end the process.
    socket.on('error', (error) => fail(isSent ? 'reset' : 'unreachable', error));
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();

    let protocol: string | undefined;
    let answered: UpstreamResponse['headers'] = {};
    socket.once('upgrade', (response: IncomingMessage) => {
      answered = { ...response.headers };
      protocol = response.headers['sec-websocket-protocol'];
      // LocalAI and vLLM choose none, whatever is offered. That is allowed (RFC 6455 4.2.2), but `ws` would leave.
      const [first] = protocols;
      if (protocol === undefined && first !== undefined) response.headers['sec-websocket-protocol'] = first;
    });
    socket.once('open', () => {
      socket.pause();
      if (isOver) return socket.terminate();
      over();
      const discard = () => socket.terminate();
      resolve({ response: { status: 101, headers: answered, body: Readable.from([]), discard }, socket, protocol });
    });
    socket.once('unexpected-response', (_request: ClientRequest, response: IncomingMessage) => {
      // Neither a session nor why there is none: a page, or a way to another place.
      const isRefusal = (response.statusCode ?? 0) >= 400;
      if (!isRefusal || !isAcceptable(response)) return fail('reset');
      if (isOver) return void response.destroy();
      over();
      resolve({
        response: {
          status: response.statusCode ?? 502,
          ...decoded(response),
          discard: () => void response.destroy(),
        },
      });
    });
  });
