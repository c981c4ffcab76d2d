import { connect } from 'node:net';

/** A bare connection: what a client that misbehaves says, and all that it hears. */
export interface Dialled {
  /** Says it; waits for nothing. */
  readonly say: (text: string | Buffer) => void;
  /** Everything heard so far. */
  readonly heard: () => string;
  /** Waits until that contains `text`, or the connection is over. @returns all of it. */
  readonly until: (text: string) => Promise<string>;
  /** Fulfilled when the connection is gone. @returns all that was heard */
  readonly closed: Promise<string>;
  /** Reads nothing any more. */
  readonly pause: () => void;
  /** Leaves without a word. */
  readonly leave: () => void;
}

/** @throws {Error} when nobody listens there. */
export const dial = async (port: number): Promise<Dialled> => {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  const heard = () => Buffer.concat(chunks).toString('latin1');
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve(heard())));
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.on('error', () => undefined);
  return {
    say: (text) => void socket.write(text),
    heard,
    until: (text) =>
      new Promise((resolve) => {
        const look = () => {
          if (!heard().includes(text) && !socket.destroyed) return;
          socket.off('data', look).off('close', look);
          resolve(heard());
        };
        socket.on('data', look).on('close', look);
        look();
      }),
    closed,
    pause: () => void socket.pause(),
    leave: () => void socket.destroy(),
  };
};
