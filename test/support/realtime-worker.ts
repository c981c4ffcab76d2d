import { createServer, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { listenOnLoopback, type Place } from './loopback.ts';

/** A handshake as it arrived. */
export interface RecordedHandshake {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** The worker's side; `undefined` where it was not accepted. */
  readonly session: WebSocket | undefined;
  /** `performance.now()` of the moment its connection was gone. */
  readonly closed: Promise<number>;
}

/** Instead of a session: a raw HTTP answer, one that only looks like a session's, a reset, or nothing. */
export type Refusal = { readonly status: number; readonly body?: string } | 'impostor' | 'reset' | 'silence';

/** The worker has not read the key that it was sent (RFC 6455 4.2.2). */
const IMPOSTOR =
  'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n';

export interface RealtimeWorker extends AsyncDisposable {
  readonly url: string;
  readonly handshakes: readonly RecordedHandshake[];
  /** How handshakes are answered from now on; `undefined`: with a session. */
  readonly refuse: (how: Refusal | undefined) => void;
  /** What it does with a session from now on; default: `speak`. */
  readonly behave: (how: ((session: WebSocket) => void) | undefined) => void;
  readonly close: () => Promise<void>;
}

/**
 * As LocalAI and vLLM begin, and as the API reference has the rest: a session is told that it is there, text is asked for
 * with `response.create`; what is no event of theirs is sent back as it came.
 * @see https://platform.openai.com/docs/api-reference/realtime
 */
const speak = (session: WebSocket) => {
  const say = (event: object) => session.send(JSON.stringify(event));
  say({ type: 'session.created', event_id: 'event_1', session: { id: 'sess_1', type: 'realtime' } });
  session.on('message', (data: Buffer, isBinary) => {
    const text = isBinary ? '' : data.toString();
    const { type } = text.startsWith('{"type"') || text.startsWith('{"event_id"') ? JSON.parse(text) : {};
    if (type === 'session.update') return say({ type: 'session.updated', event_id: 'event_2', session: {} });
    if (type !== 'response.create') return session.send(data, { binary: isBinary });
    const common = { response_id: 'resp_1', item_id: 'item_1', output_index: 0, content_index: 0 };
    for (const delta of ['Grüß ', 'Gott']) {
      say({ type: 'response.output_text.delta', event_id: 'event_3', ...common, delta });
    }
    say({ type: 'response.done', event_id: 'event_4', response: { id: 'resp_1', status: 'completed' } });
  });
};

/** vLLM counts what it generates; a session is nothing to it in which nobody says a thing. */
const IDLE = ['num_requests_running', 'num_requests_waiting', 'request_success_total']
  .map((name) => `vllm:${name} 0\n`)
  .join('');

export interface RealtimeWorkerOptions extends Place {
  /** @returns the subprotocol it chooses; default: none, as LocalAI and vLLM. */
  readonly choose?: (offered: readonly string[]) => string | false;
  /** It has vLLM's counters, which stay as they are whatever its sessions do. */
  readonly isCounting?: boolean;
}

export const startRealtimeWorker = async ({
  choose = () => false,
  isCounting = false,
  ...place
}: RealtimeWorkerOptions = {}): Promise<RealtimeWorker> => {
  const handshakes: RecordedHandshake[] = [];
  const sockets = new Set<Duplex>();
  let refusal: Refusal | undefined;
  let behaviour = speak;
  const sessions = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: 64 * 1024 * 1024,
    handleProtocols: (offered) => choose([...offered]),
  });
  const server = createServer(({ url }, response) =>
    response.writeHead(200).end(isCounting && url === '/metrics' ? IDLE : '{}'),
  );
  server.on('upgrade', (message, socket, head) => {
    sockets.add(socket);
    const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));
    socket.on('error', () => {});
    const { url: path = '', headers } = message;
    const record = (session?: WebSocket) => handshakes.push({ path, headers, session, closed });
    if (refusal === undefined) {
      sessions.handleUpgrade(message, socket, head, (session) => {
        session.on('error', () => {});
        record(session);
        behaviour(session);
      });
      return;
    }
    record();
    socket.resume().once('end', () => socket.destroy());
    if (refusal === 'reset') return void socket.destroy();
    if (refusal === 'silence') return;
    if (refusal === 'impostor') return void socket.write(IMPOSTOR);
    const { status, body = '' } = refusal;
    const type = body.startsWith('{') ? 'application/json' : 'text/plain';
    socket.end(
      `HTTP/1.1 ${status} No\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  });
  const { url, close } = await listenOnLoopback(server, place);
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    await close();
  };
  return {
    url,
    handshakes,
    refuse: (how) => {
      refusal = how;
    },
    behave: (how) => {
      behaviour = how ?? speak;
    },
    close: stop,
    [Symbol.asyncDispose]: stop,
  };
};
