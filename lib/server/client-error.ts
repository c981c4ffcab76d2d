import { randomUUID } from 'node:crypto';
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

/**
 * Answers what is no request: neither path nor dialect are known, so it is said in OpenAI's.
 * @param socket closed afterwards; at once where an answer is under way on it.
 */
export const answerClientError = (error: NodeJS.ErrnoException, socket: Duplex): void => {
  const isAnswering = (socket as { _httpMessage?: unknown })._httpMessage;
  if (error.code === 'ECONNRESET' || !socket.writable || isAnswering) {
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
