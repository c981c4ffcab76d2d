import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import type { Exchange } from './behaviours.ts';
import { fieldsOf } from './fields.ts';

/** One request as it arrived, and what became of it. */
export interface RecordedRequest {
  readonly method: string;
  /** The request target as sent: path and raw query. */
  readonly path: string;
  /** Names and values in turn, as on the wire. */
  readonly rawHeaders: readonly string[];
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Parsed JSON body or multipart text fields. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Number of the connection it came on; a repeated number is a reused socket. */
  readonly connection: number;
  readonly reusedSocket: boolean;
  /** `performance.now()`. */
  readonly receivedAt: number;
  /** Body bytes handed to the socket so far; with a client that does not read, what it and the kernels have taken. */
  readonly sentBytes: () => number;
  /** Body bytes of the reply; only the first megabyte is kept. */
  readonly sent: () => Buffer;
  /** `performance.now()` of the moment the connection it came on was gone. */
  readonly closed: Promise<number>;
  /** True when the reply was handed over in full, false when the connection went before. */
  readonly completed: Promise<boolean>;
}

/** A client's connection over its life. */
export interface Connection {
  readonly number: number;
  used: boolean;
  /** `performance.now()` of its end. */
  readonly closed: Promise<number>;
  /** Lets it live on: its idle time is not over. */
  idle?: () => void;
  /** Counts its requests. */
  turn: number;
}

const kept = 1_048_576;

/** Reads a request to its end. @returns it as recorded, its files, and the means to answer it */
export const recordRequest = async (message: IncomingMessage, response: ServerResponse, connection: Connection) => {
  const { closed, used: reusedSocket } = connection;
  connection.used = true;
  const blocks: Buffer[] = [];
  for await (const block of message) blocks.push(block as Buffer);
  const body = Buffer.concat(blocks);
  const { fields, files } = await fieldsOf(message.headers, body);
  let sentBytes = 0;
  const sent: Buffer[] = [];
  const recorded: RecordedRequest = {
    method: message.method ?? '',
    path: message.url ?? '',
    rawHeaders: message.rawHeaders,
    headers: message.headers,
    body,
    fields,
    connection: connection.number,
    reusedSocket,
    receivedAt: performance.now(),
    sentBytes: () => sentBytes,
    sent: () => Buffer.concat(sent),
    closed,
    completed: new Promise((resolve) => response.once('close', () => resolve(response.writableFinished))),
  };
  const note = (bytes: Buffer) => {
    if (sentBytes < kept) sent.push(bytes);
    sentBytes += bytes.length;
  };
  return { recorded, files, exchange: { response, gone: closed, note } satisfies Exchange };
};
