import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { findEndpoint } from '../endpoints/index.ts';
import type { Upgrade } from '../endpoints/upgrade.ts';
import { GatewayError, InvalidRequestError } from '../errors.ts';
import type { Head, Reply } from '../http/reply.ts';
import { readTarget } from '../http/request-target.ts';
import { timeLimit } from '../time/time-limit.ts';
import { WEB_SOCKET_OPTIONS } from '../upstream/web-socket.ts';
import { ClientLeftError } from './client-left-error.ts';
import { type RespondOptions, respond } from './respond.ts';
import type { Room } from './room.ts';
import { pairWebSockets, type SessionEnding } from './web-socket-pair.ts';

/** Browsers cannot send headers with a handshake, so OpenAI's client says its key here. */
const KEY_PROTOCOL = 'openai-insecure-api-key.';
const KEY_HEADERS = ['authorization', 'x-api-key', 'api-key', 'xi-api-key'];

/** Whether a request is to go on as a WebSocket; every other one that asks for another protocol is served as it is. */
export const isSession = ({ method, url = '/', headers }: IncomingMessage): boolean => {
  const { path } = readTarget(url);
  const isWebSocket = method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
  return isWebSocket && findEndpoint(path)?.endpoint.operation === 'realtime' && !/realtime\/./.test(path);
};

/** @returns what a client offers; its key is taken out and put where keys are looked for, if it has shown none. */
export const readUpgrade = (headers: Record<string, string>): Upgrade => {
  const offered = (headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean);
  const key = offered.find((one) => one.startsWith(KEY_PROTOCOL))?.slice(KEY_PROTOCOL.length);
  delete headers['sec-websocket-protocol'];
  if (key && !KEY_HEADERS.some((name) => headers[name])) headers.authorization = `Bearer ${key}`;
  return { protocols: [...new Set(offered.filter((one) => !one.startsWith(KEY_PROTOCOL)))] };
};

/** RFC 9110 5.6.2; what else is offered could be passed on to nobody. */
const isToken = (protocol: string) => /^[\w!#$%&'*+.^`|~-]+$/.test(protocol);

/** @throws {GatewayError} when it is no handshake (RFC 6455 4.2.1): a worker would be asked for nothing. */
const checkHandshake = ({ headers, httpVersionMinor }: IncomingMessage, { upgrade }: GatewayRequest): void => {
  if (httpVersionMinor === 0) throw new InvalidRequestError('A WebSocket begins with HTTP/1.1.');
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? ''))
    throw new InvalidRequestError('Sec-WebSocket-Key is missing, or none.');
  if (headers['sec-websocket-version'] !== '13')
    throw new GatewayError(426, 'upgrade_required', 'This gateway speaks version 13 of WebSocket.', {
      headers: { 'sec-websocket-version': '13' },
    });
  if (!upgrade?.protocols.every(isToken))
    throw new InvalidRequestError('Sec-WebSocket-Protocol names something that can be no protocol.');
};

/** Resolves with what the request comes to, and hears of a client that leaves meanwhile. */
const untilAnswered = async (socket: Duplex, { deadline }: GatewayRequest, reply: Promise<Reply>): Promise<Reply> => {
  const left = () => deadline.abort(new ClientLeftError());
  // Read from, or its end is not seen; a client says nothing before it is answered.
  const looked = () => void socket.read(0);
  socket.on('readable', looked).once('end', left).once('close', left);
  try {
    return await reply;
  } finally {
    socket.off('readable', looked).off('end', left).off('close', left);
  }
};

/** How long a client that was refused may take to close its side. */
const CLOSE_MS = 2000;

export interface UpgradeOptions extends RespondOptions {
  /** `GATEWAY_IDLE_TIMEOUT_SECONDS`, in milliseconds. */
  readonly idleMs: number;
  readonly room: Room;
}

/** Answers handshakes, and joins what they open to the worker's side. */
export const createUpgrades = (options: UpgradeOptions) => {
  const { run, idleMs, room } = options;
  /** What the head of a handshake's answer says besides. */
  const heads = new WeakMap<IncomingMessage, Head['headers']>();
  const server = new WebSocketServer({
    ...WEB_SOCKET_OPTIONS,
    noServer: true,
    clientTracking: false,
    handleProtocols: () => false,
  });
  server.on('headers', (lines, message) => {
    for (const [name, value] of Object.entries(heads.get(message) ?? {})) lines.push(`${name}: ${value}`);
  });

  const refuse = async (message: IncomingMessage, socket: Duplex, request: GatewayRequest, reply: Reply) => {
    const response = new ServerResponse(message);
    response.shouldKeepAlive = false;
    response.assignSocket(message.socket);
    await respond(message, response, request, { ...options, run: async () => reply, isLast: () => true });
    // Nobody else watches a connection that was handed over, and a client might never close its side.
    const release = timeLimit(CLOSE_MS, () => socket.destroy());
    socket.once('close', release).resume().end();
  };

  /** Serves one handshake and the session that it opens. Resolves at its end. */
  return async (message: IncomingMessage, socket: Duplex, early: Buffer, request: GatewayRequest): Promise<void> => {
    socket.on('error', () => {});
    const asked = async () => {
      checkHandshake(message, request);
      return run(request);
    };
    const reply = await untilAnswered(
      socket,
      request,
      asked().catch((error) => options.renderError(error, request)),
    );
    const { signal } = request.deadline;
    const { opened } = request.upgrade ?? {};
    const over = async (ending: SessionEnding) => {
      opened?.ended(ending === 'cut' ? 'cut' : 'complete');
      if (request.record) request.record.ending = ending;
      await Promise.allSettled(request.afterwards.map((afterwards) => afterwards()));
    };
    // Nobody is left to read it, whatever it is.
    if (socket.destroyed || signal.reason instanceof ClientLeftError) {
      opened?.socket.terminate();
      socket.destroy();
      return over('client');
    }
    if (reply.status !== 101 || !opened) return refuse(message, socket, request, reply);
    const head: Head = { statusCode: 101, headers: { ...reply.headers } };
    for (const complete of request.onHead) complete(head);
    heads.set(message, head.headers);
    const ending = await new Promise<SessionEnding>((resolve) => {
      const gone = () => {
        opened.socket.terminate();
        resolve('client');
      };
      socket.once('close', gone);
      server.handleUpgrade(message, socket, early, (client) => {
        socket.off('close', gone);
        const sent = (bytes: number) => {
          if (request.record) request.record.bytes += bytes;
        };
        resolve(pairWebSockets(client, opened.socket, { idleMs, signal, sent, connection: socket, room }));
      });
    });
    await over(ending);
  };
};
