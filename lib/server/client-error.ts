import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { openai } from '../dialects/openai.ts';
import { GatewayError, InvalidRequestError } from '../errors.ts';

/** Codes of Node's parser. @see https://nodejs.org/docs/latest-v24.x/api/http.html#event-clienterror */
const toGatewayError = (code: string | undefined): GatewayError => {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new GatewayError(431, 'headers_too_large', 'The headers of the request are too large.');
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new GatewayError(408, 'request_timeout', 'The head of the request did not come in time.');
  }
  return new InvalidRequestError('This is not a request that HTTP/1.1 allows.');
};

/** Nothing more is read of a connection whose requests cannot be told apart any more. */
function end(this: ServerResponse) {
  this.req.socket.end();
}

/**
 * Answers what is no request, or no body of one: where that stands neither path nor dialect are known, so it is said in
 * OpenAI's. Behind a whole request it costs that one nothing: its answer is finished first.
 * @param socket closed afterwards; at once where an answer to half a request is under way on it.
 */
export const answerClientError = (error: NodeJS.ErrnoException, socket: Duplex): void => {
  const { _httpMessage: answer } = socket as { _httpMessage?: ServerResponse | null };
  const isOver = error.code === 'ECONNRESET' || !socket.writable;
  if (!isOver && answer?.req.complete) {
    if (answer.listenerCount('finish', end) === 0) answer.once('finish', end);
    return;
  }
  if (isOver || answer?.headersSent) {
    socket.destroy();
    return;
  }
  const id = randomUUID();
  const failure = toGatewayError(error.code);
  const body = openai.errorBody(failure, id);
  const head = [
    `HTTP/1.1 ${failure.status} ${failure.code}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-correlation-id: ${id}`,
    `x-request-id: ${id}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
};
