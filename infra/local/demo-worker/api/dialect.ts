import type { ApiError } from '../http/api-error.ts';

/** Whose wire format a client speaks. Rerank, VAD, audio and images use OpenAI's error shape, as LocalAI does. */
export type Dialect = 'openai' | 'anthropic' | 'ollama';

const anthropicTypes: Record<number, string> = {
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

const kind = (status: number) => (status < 500 ? 'invalid_request_error' : 'server_error');

/** The error object of a dialect: the body of an HTTP error, or what goes into a stream that already began. */
export const errorBody = (dialect: Dialect, error: ApiError): object => {
  const { status, message, code, param } = error;
  switch (dialect) {
    case 'anthropic': {
      const type = anthropicTypes[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
      return { type: 'error', error: { type, message } };
    }
    case 'ollama':
      return { error: message };
    default:
      return { error: { message, type: kind(status), code: code ?? status, param } };
  }
};
