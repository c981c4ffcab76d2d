/**
 * What can go wrong, as meaning. Rooms throw these; only `middleware/error-handler` and the relay turn them into a
 * dialect's bytes. Messages are for the client: never a host, a node id or an internal name.
 */
export interface ErrorDetails {
  /** The field at fault, OpenAI's `param`. */
  readonly param?: string | undefined;
  /** Seconds for `Retry-After`. */
  readonly retryAfter?: number | undefined;
  /** Further response headers, lower-case. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What a worker's own error object said beside its message: type, code, and whatever else. */
  readonly own?: Readonly<Record<string, unknown>> | undefined;
  /** What stands beside the error object, where the dialect is OpenAI's. */
  readonly beside?: Readonly<Record<string, unknown>> | undefined;
  readonly cause?: unknown;
}

/** An error with the HTTP status and machine-readable code the client will see. */
export class GatewayError extends Error {
  readonly status: number;
  readonly code: string;
  readonly param: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly own: Readonly<Record<string, unknown>> | undefined;
  readonly beside: Readonly<Record<string, unknown>> | undefined;

  constructor(status: number, code: string, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.name = new.target.name;
    this.status = status;
    this.code = code;
    this.param = details.param;
    this.own = details.own;
    this.beside = details.beside;
    this.headers =
      details.retryAfter === undefined
        ? (details.headers ?? {})
        : { ...details.headers, 'retry-after': String(Math.max(1, Math.ceil(details.retryAfter))) };
  }
}

/** 400: the request cannot be understood. */
export class InvalidRequestError extends GatewayError {
  constructor(message: string, details?: ErrorDetails) {
    super(400, 'invalid_request', message, details);
  }
}

/** 401 with `WWW-Authenticate: Bearer`; without the other header some clients try a wrong key ten times. */
export class UnauthorizedError extends GatewayError {
  constructor(message: string) {
    super(401, 'invalid_api_key', message, { headers: { 'www-authenticate': 'Bearer', 'x-should-retry': 'false' } });
  }
}

/** 403: authenticated or not, this door is closed to the caller. */
export class ForbiddenError extends GatewayError {
  constructor(message: string) {
    super(403, 'forbidden', message);
  }
}

/** 404 for a path. */
export class NotFoundError extends GatewayError {
  constructor(message: string) {
    super(404, 'not_found', message);
  }
}

/** 404 for a model. */
export class ModelNotFoundError extends GatewayError {
  /** As the client called it. */
  readonly model: string;

  constructor(model: string) {
    super(
      404,
      'model_not_found',
      `The model '${model}' does not exist on this gateway. GET /v1/models lists the models that do.`,
      {
        param: 'model',
      },
    );
    this.model = model;
  }
}

/** 405 with `Allow`. */
export class MethodNotAllowedError extends GatewayError {
  constructor(method: string, allowed: readonly string[]) {
    super(405, 'method_not_allowed', `${method} is not allowed here; use ${allowed.join(' or ')}.`, {
      headers: { allow: allowed.join(', ') },
    });
  }
}

/** 413, naming the usable size. */
export class PayloadTooLargeError extends GatewayError {
  constructor(message: string) {
    super(413, 'request_too_large', message);
  }
}

/** 415. */
export class UnsupportedMediaTypeError extends GatewayError {
  constructor(message: string, details?: ErrorDetails) {
    super(415, 'unsupported_media_type', message, details);
  }
}

/** 501: asking again will not help. */
export class NotServedError extends GatewayError {
  constructor(message: string) {
    super(501, 'not_implemented', message, { headers: { 'x-should-retry': 'false' } });
  }
}

/**
 * Clients decide by an error's words whether to try again: SDKs and agents look for these at its beginning
 * (docs/contract.md 5).
 */
const RETRIED_WORDS = { 502: 'Upstream connection error', 503: 'Service unavailable', 504: 'Timeout' } as const;

/** 503 + `Retry-After`, 5 s by default: nobody can serve this now. */
export class UnavailableError extends GatewayError {
  constructor(message: string, { retryAfter = 5, ...details }: ErrorDetails = {}) {
    super(503, 'service_unavailable', `${RETRIED_WORDS[503]}: ${message}`, { retryAfter, ...details });
  }
}

/** LocalAI's words for a model that is not there yet (`GET /api/models/{id}/load-status`). */
export interface Loading {
  /** As the client calls it. */
  readonly model: string;
  /** `pending` until a task runs. */
  readonly state: 'pending' | 'loading';
  /** Only where earlier wakes were measured. */
  readonly eta_seconds?: number | undefined;
}

/** 503 + `Retry-After`: what serves the model is waking (docs/contract.md 11). */
export class ModelLoadingError extends GatewayError {
  constructor(loading: Loading, retryAfter: number) {
    super(
      503,
      'model_loading',
      `${RETRIED_WORDS[503]}: The model '${loading.model}' is being loaded. Try again in ${retryAfter} seconds.`,
      { retryAfter, own: { type: 'model_loading' }, beside: { loading } },
    );
  }
}

/** 502: the worker could not be reached or answered nonsense. */
export class UpstreamError extends GatewayError {
  constructor(message: string, details?: ErrorDetails) {
    super(502, 'upstream_error', `${RETRIED_WORDS[502]}: ${message}`, details);
  }
}

/** 502: the worker's answer does not fit into the gateway. Asking again would make it once more, so no client should. */
export class AnswerTooLargeError extends GatewayError {
  constructor(message: string) {
    super(502, 'answer_too_large', message, { headers: { 'x-should-retry': 'false' } });
  }
}

/** 504: a time limit passed. */
export class TimeoutError extends GatewayError {
  constructor(message: string, details?: ErrorDetails) {
    super(504, 'timeout', `${RETRIED_WORDS[504]}: ${message}`, details);
  }
}
