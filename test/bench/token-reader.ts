import { connect } from 'node:net';
import { readStamps } from './token-stamp.ts';

/**
 * A reader of streams that costs next to nothing: no HTTP parser and no stream, one buffer for all connections, in which
 * each piece is searched for the times that the worker has put there.
 */
export interface ReadStream {
  readonly tokens: number;
  /** The body's end was seen, behind its terminal marker. */
  readonly isWhole: boolean;
}

/** All connections read into it, one after the other. */
const buffer = Buffer.allocUnsafe(65_536);
const NOTHING = Buffer.alloc(0);
const LF = 0x0a;
/** Only behind the last chunk: an event's own end is `\n\n`. */
const BODY_END = '\r\n\r\n';

/**
 * Asks for one stream.
 * @param heard told of every token: when it was written and when it came, milliseconds of this process's clock.
 */
export const readStream = (
  { origin, body }: { readonly origin: string; readonly body: string },
  heard: (writtenMs: number, cameMs: number) => void,
): Promise<ReadStream> =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(origin);
    let rest = NOTHING;
    let tokens = 0;
    let isDone = false;
    let isWhole = false;
    const socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      onread: {
        buffer,
        callback(length: number) {
          const cameMs = performance.now();
          const piece = buffer.subarray(0, length);
          const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
          const used = readStamps(bytes, (writtenMs) => {
            tokens += 1;
            heard(writtenMs, cameMs);
          });
          // A stamp that is cut does not end with a line.
          rest = bytes.at(-1) === LF ? NOTHING : Buffer.from(bytes.subarray(used));
          isDone ||= bytes.includes('[DONE]');
          if (!isDone) return true;
          isWhole = bytes.toString('latin1', Math.max(0, bytes.length - BODY_END.length)) === BODY_END;
          if (isWhole) socket.destroy();
          return true;
        },
      },
    });
    socket.once('error', () => {});
    socket.once('close', () => resolve({ tokens, isWhole }));
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: bench.test\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
  });
