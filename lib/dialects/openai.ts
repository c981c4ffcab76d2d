import type { GatewayError } from '../errors.ts';
import type { Dialect } from './dialect.ts';

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
};

/** @returns the error as clients of OpenAI's API read it; what a worker said of its own counts. */
export const errorObject = ({ status, code, message, param, own }: GatewayError) => ({
  message,
  type: TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error'),
  code,
  param: param ?? null,
  ...own,
});

/** OpenAI's error object; also what Jina (rerank) and LocalAI clients read. */
export const openai: Dialect = {
  name: 'openai',
  errorBody: (error) => JSON.stringify({ error: errorObject(error), ...error.beside }),
  correlationHeaders: [],
};
