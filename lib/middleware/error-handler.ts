import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { GatewayError } from '../errors.ts';
import type { Reply } from '../http/reply.ts';
import { log } from '../telemetry/log.ts';
import type { Middleware } from './middleware.ts';

/** What is ours to say keeps its words; what is not is logged and told as a bare 500. */
const toGatewayError = (error: unknown, request: GatewayRequest): GatewayError => {
  if (error instanceof GatewayError) return error;
  log('error', 'unexpected_error', {
    correlation_id: request.id,
    path: request.path,
    error: error instanceof Error ? error.stack : String(error),
  });
  return new GatewayError(500, 'internal_error', 'The gateway failed to handle this request.');
};

/** @returns any error as a reply in the caller's dialect (docs/contract.md 5). */
export const renderError = (cause: unknown, request: GatewayRequest): Reply => {
  const error = toGatewayError(cause, request);
  return {
    status: error.status,
    headers: { 'content-type': 'application/json', ...error.headers },
    body: request.dialect.errorBody(error, request.id),
  };
};

/** Nothing leaves a function as an exception. */
export const errorHandler = (): Middleware => ({
  onError: function errorHandlerOnError(run) {
    run.response = renderError(run.error, run.event);
  },
});
