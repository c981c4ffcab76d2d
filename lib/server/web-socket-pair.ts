import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { timeLimit } from '../time/time-limit.ts';
import type { Room } from './room.ts';
import { createSessionRoom, type SessionRoom, watchPieces } from './session-room.ts';

/** How a session ended: closed by either side, its worker lost, or its client. */
export type SessionEnding = 'complete' | 'cut' | 'client';

export interface PairOptions {
  /** How long neither side may say a thing, in milliseconds. */
  readonly idleMs: number;
  /** Ends the session. */
  readonly signal: AbortSignal;
  /** Told the bytes of each message to the client. */
  readonly sent: (bytes: number) => void;
  /** The client's connection: what has come of a message that is not complete is seen there. */
  readonly connection: Duplex;
  /** For messages, as for bodies: a peer that does not finish one, or takes none, may not have all of the memory. */
  readonly room: Room;
}

/** Bytes that may wait for one side before the other is no longer read. */
const HIGH_WATER = 1024 * 1024;

/** RFC 6455 7.4.1. What cannot stand in a close frame: that there was none, or no code in it. */
const NO_STATUS = 1005;
const ABNORMAL = 1006;
const GOING_AWAY = 1001;
const TOO_LARGE = 1009;
const INTERNAL_ERROR = 1011;
/** Registered with IANA. */
const TRY_AGAIN_LATER = 1013;

interface Side {
  readonly socket: WebSocket;
  /** What the other one is told when this one is lost, or breaks the protocol. */
  readonly lost: { readonly code: number; readonly reason: string };
  readonly ending: SessionEnding;
}

interface Passing {
  /** Told the bytes of each message; of a ping and a pong it has none. */
  readonly heard: (bytes: number) => void;
  readonly room: SessionRoom;
  /** There is no room for a message. */
  readonly full: () => void;
}

/** Passes messages, pings and pongs on, and reads no faster than they are taken. */
const pass = (from: WebSocket, to: WebSocket, { heard, room, full }: Passing) => {
  const taken = () => {
    if (from.isPaused && to.bufferedAmount <= HIGH_WATER / 2) from.resume();
  };
  const pushed = () => {
    if (to.bufferedAmount > HIGH_WATER) from.pause();
  };
  const isOpen = () => to.readyState === to.OPEN;
  from.on('message', (data: Buffer, binary) => {
    heard(data.length);
    if (!isOpen()) return;
    if (!room.take(data.length)) return full();
    to.send(data, { binary }, () => {
      room.give(data.length);
      taken();
    });
    pushed();
  });
  for (const kind of ['ping', 'pong'] as const) {
    from.on(kind, (data) => {
      heard(0);
      if (!isOpen()) return;
      to[kind](data, undefined, taken);
      pushed();
    });
  }
};

/** Joins a client's and a worker's side of a session until both are closed. */
export const pairWebSockets = (
  client: WebSocket,
  worker: WebSocket,
  { idleMs, signal, sent, connection, room: all }: PairOptions,
): Promise<SessionEnding> =>
  new Promise((resolve) => {
    let ending: SessionEnding | undefined;
    let open = 2;
    let heardAt = performance.now();
    const heard = () => {
      heardAt = performance.now();
    };
    const closeBoth = (code: number, reason: string) => {
      ending ??= 'complete';
      for (const side of [client, worker]) {
        side.resume();
        side.close(code, reason);
      }
    };
    const watch = (ms: number): (() => void) =>
      timeLimit(ms, () => {
        const leftMs = idleMs - (performance.now() - heardAt);
        if (leftMs > 0) release = watch(leftMs);
        else closeBoth(INTERNAL_ERROR, `Nothing was said for ${idleMs / 1000} s.`);
      });
    let release = watch(idleMs);
    const stop = () => closeBoth(GOING_AWAY, signal.reason instanceof Error ? signal.reason.message.slice(0, 100) : '');
    signal.addEventListener('abort', stop);

    const follow = (side: Side, other: WebSocket) => {
      const { socket, lost } = side;
      socket.on('error', (error: Error & { code?: string }) => {
        const isTooLarge = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
        if (isTooLarge) ending ??= 'complete';
        other.resume();
        if (isTooLarge) other.close(TOO_LARGE, 'A message is larger than 16 MB.');
        else other.close(lost.code, lost.reason);
      });
      socket.once('close', (code, reason) => {
        open -= 1;
        const isLost = code === ABNORMAL;
        ending ??= isLost ? side.ending : 'complete';
        // Whoever does not read would never hear of it.
        other.resume();
        if (isLost) other.close(lost.code, lost.reason);
        else if (code === NO_STATUS) other.close();
        else other.close(code, reason);
        if (open > 0) return;
        release();
        room.leave();
        signal.removeEventListener('abort', stop);
        resolve(ending);
      });
    };
    follow({ socket: worker, lost: { code: INTERNAL_ERROR, reason: 'The worker was lost.' }, ending: 'cut' }, client);
    follow({ socket: client, lost: { code: GOING_AWAY, reason: 'The client was lost.' }, ending: 'client' }, worker);
    const room = createSessionRoom(all);
    const full = () => {
      closeBoth(TRY_AGAIN_LATER, 'This gateway holds as many messages as it can.');
      // Not a byte more of it, an answer to the close included.
      client.pause();
    };
    watchPieces(client, connection, { room, full });
    pass(client, worker, { heard, room, full });
    const passed = (bytes: number) => {
      heard();
      sent(bytes);
    };
    pass(worker, client, { heard: passed, room, full });
    if (signal.aborted) stop();
    worker.resume();
  });
