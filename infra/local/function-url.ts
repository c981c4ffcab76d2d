import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Pool, ThrottledError } from './pool.ts';
import { toUrlEvent } from './url-event.ts';
import { sendResponse } from './url-response.ts';

/** Limit of a synchronous invocation: bytes of the event as JSON, base64 included. */
export const MAX_EVENT_BYTES = 6_291_456;

/** How long an environment may take to end the response that its client has left. */
const GRACE_MS = 250;

const TOO_LARGE = `Request must be smaller than ${MAX_EVENT_BYTES} bytes for the InvokeFunction operation`;

/** In the platform's own words: no function speaks here. */
const refuse = (response: ServerResponse, status: number, message: string) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ Message: message }));
};

/** @returns the body, or its size when it is over the limit; then the rest is read and dropped, so that the client gets
 * to reading the answer. */
const readBody = async (request: IncomingMessage): Promise<Buffer | number> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_EVENT_BYTES) chunks.push(chunk);
    else chunks.length = 0;
  }
  return size <= MAX_EVENT_BYTES ? Buffer.concat(chunks) : size;
};

/** Answers a request whose body, of `size` bytes, does not fit into an event. */
export type TooLarge = (request: IncomingMessage, response: ServerResponse, size: number) => void;

/** One function's URL. `tooLarge` says in somebody else's words what is otherwise said in Lambda's own. */
export type FunctionUrl = (request: IncomingMessage, response: ServerResponse, tooLarge?: TooLarge) => Promise<void>;

/** Makes an invocation's payload of a request. */
export type ToEvent = (
  request: IncomingMessage,
  body: Buffer,
  apiId: string,
  requestId: string,
) => { readonly headers: Readonly<Record<string, string>> };

const traceOf = ({ headers }: ReturnType<ToEvent>) => headers['x-amzn-trace-id'] ?? headers['X-Amzn-Trace-Id'] ?? '';

export interface FunctionUrlOptions {
  readonly onLog: (line: string) => void;
  /** Default: a function URL's, payload 2.0. */
  readonly toEvent?: ToEvent | undefined;
}

/**
 * Stands in for one function's URL: turns requests into invocations and streams the answers out.
 *
 * A client that leaves early ends the environment that serves it (Lambda itself would run it to its end), which closes
 * whatever connections the function had open.
 *
 * @param name the function's, also its `apiId`.
 */
export const createFunctionUrl = (
  name: string,
  pool: Pool,
  { onLog, toEvent = toUrlEvent }: FunctionUrlOptions,
): FunctionUrl => {
  const fail = (response: ServerResponse, requestId: string, error: Error) => {
    if (response.destroyed) return;
    if (error instanceof ThrottledError) return refuse(response, 429, 'Rate Exceeded.');
    onLog(`${requestId} ${response.headersSent ? 'broken off' : '502'}: ${error.name} ${error.message}`);
    if (!response.headersSent) return refuse(response, 502, 'Internal Server Error');
    // After the bytes already written and without the last chunk, so that it cannot pass for a normal end.
    response.socket?.destroySoon();
  };

  const inLambdasWords: TooLarge = (_request, response) => refuse(response, 413, TOO_LARGE);

  return async (request, response, tooLarge = inLambdasWords) => {
    const requestId = randomUUID();
    response.setHeader('x-amzn-requestid', requestId);
    const left = new AbortController();
    let settled = false;
    // Not at once: a client that has read its stream's last event leaves, and the body's end comes a moment later.
    response.once('close', () => {
      if (!settled) setTimeout(() => settled || left.abort(), GRACE_MS);
    });
    try {
      const body = await readBody(request);
      if (typeof body === 'number') return tooLarge(request, response, body);
      const event = toEvent(request, body, name, requestId);
      const payload = JSON.stringify(event);
      if (Buffer.byteLength(payload) > MAX_EVENT_BYTES) return tooLarge(request, response, body.length);
      await sendResponse(response, await pool.invoke(payload, requestId, traceOf(event), left.signal));
      settled = true;
      response.end();
    } catch (error) {
      settled = true;
      fail(response, requestId, error as Error);
    }
  };
};
