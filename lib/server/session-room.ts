import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { Room } from './room.ts';

/** What a session holds of the process's room: pieces of messages, and messages that wait to be taken. */
export interface SessionRoom {
  /** @returns whether there was so much left. */
  take(bytes: number): boolean;
  give(bytes: number): void;
  /** Gives back all that is held; nothing is taken or given any more. */
  leave(): void;
}

export const createSessionRoom = (room: Room): SessionRoom => {
  let held = 0;
  let isOver = false;
  return {
    take(bytes) {
      if (isOver) return true;
      try {
        room.take(bytes);
      } catch {
        return false;
      }
      held += bytes;
      return true;
    },
    give(bytes) {
      const back = Math.min(bytes, held);
      held -= back;
      room.give(back);
    },
    leave() {
      isOver = true;
      room.give(held);
      held = 0;
    },
  };
};

export interface PiecesOptions {
  readonly room: SessionRoom;
  /** There is no room for another one. */
  readonly full: () => void;
}

/** Counts what has come of a message that is not complete yet: `ws` keeps it. */
export const watchPieces = (socket: WebSocket, connection: Duplex, { room, full }: PiecesOptions): void => {
  let pieces = 0;
  // Before `ws`, which tells of a message at its last piece.
  connection.prependListener('data', ({ length }: Buffer) => {
    pieces += length;
    if (!room.take(length)) full();
  });
  for (const kind of ['message', 'ping', 'pong'] as const) {
    socket.prependListener(kind, () => {
      room.give(pieces);
      pieces = 0;
    });
  }
};
