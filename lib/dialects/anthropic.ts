import { type GatewayError, ModelNotFoundError } from '../errors.ts';
import type { Dialect } from './dialect.ts';

/** Anthropic's own error types by status (API reference, "Errors"). */
const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
};
const OWN_TYPES: ReadonlySet<unknown> = new Set([...Object.values(TYPES), 'invalid_request_error', 'api_error']);

/** Anthropic's own words for a model that is not there, which its clients know. */
const wordsOf = (error: GatewayError): string =>
  error instanceof ModelNotFoundError ? `model: ${error.model}` : error.message;

/** A worker's own type where it is one that Anthropic's clients know, and its further fields. */
export const errorBody = (error: GatewayError, correlationId: string): string => {
  const { status, own = {} } = error;
  const { code: _code, param: _param, type: worker, ...further } = own;
  const type = OWN_TYPES.has(worker)
    ? worker
    : (TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error'));
  return JSON.stringify({
    type: 'error',
    error: { ...further, type, message: wordsOf(error) },
    request_id: correlationId,
  });
};

export const anthropic: Dialect = {
  name: 'anthropic',
  header: 'anthropic-version',
  paths: /^(\/v1)?\/messages(\/|$)/,
  errorBody,
  correlationHeaders: ['request-id'],
};
