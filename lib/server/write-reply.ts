import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import type { Head, Reply, Sink } from '../http/reply.ts';
import { writeChunk } from './write-chunk.ts';

/** What the writer needs of a request. */
type Written = Pick<GatewayRequest, 'method' | 'onHead' | 'onChunk'> & {
  readonly deadline: Pick<GatewayRequest['deadline'], 'signal'>;
};

export interface WriteOptions {
  /** How long a client may take nothing of what waits for it. */
  readonly stallMs: number;
  /** Whether the connection is to be closed behind this response. */
  readonly isLast: boolean;
}

/** RFC 9110 15: no content, and no length of one. */
const isBodiless = (status: number) => status === 204 || status === 304;

/**
 * A client that takes nothing is left: Node ends a socket whose time is over, unless some of what waits has gone
 * meanwhile.
 * @see https://nodejs.org/docs/latest-v24.x/api/net.html#socketsettimeouttimeout-callback
 */
const watchStall = ({ socket }: ServerResponse, stallMs: number) => socket?.setTimeout(stallMs);

/** Resolves when the client takes more, when it is gone, or when the request is over. */
const drained = (response: ServerResponse, signal: AbortSignal, stallMs: number): Promise<void> =>
  new Promise((resolve) => {
    // What waits does so in the connection, once that is this response's.
    const waiting = response.socket ?? response;
    if (signal.aborted || !waiting.writableNeedDrain || response.destroyed) return resolve();
    const done = () => {
      waiting.off('drain', done);
      response.off('close', done);
      signal.removeEventListener('abort', done);
      watchStall(response, 0);
      resolve();
    };
    waiting.once('drain', done);
    response.once('close', done);
    signal.addEventListener('abort', done);
    watchStall(response, stallMs);
  });

/**
 * Writes a reply whose head is written late: its first chunk is awaited, and only then the hooks in `request.onHead`
 * complete the head, which leaves together with that chunk. It does not end the response.
 *
 * @throws what writing the body throws; nothing was written if no hook of `request.onHead` has run.
 */
export const writeReply = async (
  response: ServerResponse<IncomingMessage>,
  reply: Reply,
  request: Written,
  { stallMs, isLast }: WriteOptions,
): Promise<void> => {
  const { signal } = request.deadline;
  const { body } = reply;
  const open = (): void => {
    const head: Head = { statusCode: reply.status ?? 200, headers: { ...reply.headers } };
    if (typeof body !== 'function' && !isBodiless(head.statusCode)) {
      head.headers['content-length'] ??= String(body === undefined ? 0 : Buffer.byteLength(body));
    }
    for (const complete of request.onHead) complete(head);
    if (isLast) head.headers.connection = 'close';
    response.writeHead(head.statusCode, head.headers);
  };
  const sink: Sink = {
    write(chunk) {
      if (response.destroyed) return true;
      const isFirst = !response.headersSent;
      if (isFirst) open();
      request.onChunk?.(chunk);
      // Head and first chunk leave together.
      return isFirst ? response.write(chunk) : writeChunk(response, chunk);
    },
    drained: () => drained(response, signal, stallMs),
  };
  if (request.method !== 'HEAD' && body !== undefined) {
    if (typeof body === 'function') await body(sink);
    else sink.write(body);
  }
  if (!response.headersSent && !response.destroyed) open();
};

/** Ends a response, and resolves when the client has all of it, or is gone. */
export const endReply = (response: ServerResponse, stallMs: number): Promise<void> =>
  new Promise((resolve) => {
    if (response.destroyed) return resolve();
    response.once('finish', resolve).once('close', resolve);
    watchStall(response, stallMs);
    response.end();
  });
