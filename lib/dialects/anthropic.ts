import type { GatewayError } from '../errors.ts';
import type { Dialect, StreamFormat } from './dialect.ts';
import { sseStream } from './sse-stream.ts';

/** Anthropic's own error types by status (API reference, "Errors"). */
const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
};

const errorBody = ({ status, message }: GatewayError, correlationId: string): string =>
  JSON.stringify({
    type: 'error',
    error: { type: TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error'), message },
    request_id: correlationId,
  });

export const anthropic: Dialect = {
  name: 'anthropic',
  header: 'anthropic-version',
  paths: /^(\/v1)?\/messages(\/|$)/,
  errorBody,
  correlationHeaders: ['request-id'],
};

/** Messages: ended by `message_stop`, or by the worker's own `event: error`. */
export const messageStream: StreamFormat = sseStream({
  keepAlive: 'event: ping\ndata: {"type": "ping"}\n\n',
  isTerminal: (line) => /^(?:event: ?|data: ?\{\s*"type"\s*:\s*")(?:message_stop|error)\b/.test(line),
  readsJson: true,
  complete: () => undefined,
  errorEvents: (error, correlationId) => `event: error\ndata: ${errorBody(error, correlationId)}\n\n`,
});
