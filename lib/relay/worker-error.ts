import { GatewayError } from '../errors.ts';
import { type Fields, isObject, textOf } from '../json.ts';
import type { Worker } from '../worker.ts';
import { withoutNode } from './loading-node.ts';

/** A worker's error, in words that become the gateway's. */
export interface WorkerError {
  readonly status: number;
  readonly message: string;
  /** What else its error object said. */
  readonly own: Fields;
}

/** What an error without a number says of its status. */
const STATUSES: ReadonlyMap<unknown, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['not_found_error', 404],
  ['rate_limit_error', 429],
  ['overloaded_error', 529],
]);

/** A number, or a text of three digits: '4e2' is a number to JavaScript, and no status to anybody. */
const asStatus = (said: unknown): number =>
  typeof said === 'number' || (typeof said === 'string' && /^\d{3}$/.test(said)) ? Number(said) : 0;

const statusOf = (error: Fields | undefined, value: Fields): number => {
  const said = [error?.code, error?.status, value.code, value.status].map(asStatus);
  return said.find((status) => status >= 400 && status <= 599) ?? STATUSES.get(error?.type) ?? 502;
};

/** @returns the error object itself, in any of the shapes that engines have: OpenAI's, Anthropic's, vLLM's, Ollama's. */
const errorIn = (value: Fields): Fields | string | undefined => {
  const { error } = value;
  if (isObject(error) || (typeof error === 'string' && error !== '')) return error;
  return value.type === 'error' || value.object === 'error' ? value : undefined;
};

const GENERAL = 'The worker reported an error.';

/** A shorter one would be found in any text. */
const SHORTEST_NAME = 3;

/** @returns the names of a worker that no client may read while the node header is off. */
export const namesOf = ({ id, name, url }: Worker): readonly string[] =>
  [id, name, URL.parse(url)?.hostname ?? ''].filter((one) => one.length >= SHORTEST_NAME);

/**
 * @param value parsed JSON.
 * @param hidden the names that its words must not tell, beside those of loading nodes; `undefined`: it may tell any.
 * @returns the error that it is, `undefined` when it is none.
 */
export const readWorkerError = (value: unknown, hidden: readonly string[] | undefined): WorkerError | undefined => {
  const clean = hidden ? withoutNode(value, hidden) : value;
  if (!isObject(clean)) return undefined;
  const error = errorIn(clean);
  if (error === undefined) return undefined;
  if (typeof error === 'string') return { status: statusOf(undefined, clean), message: error, own: {} };
  const { message: _message, object: _object, error: _error, type, ...own } = error;
  // Where the whole value is the error, as Anthropic's and vLLM's may be, `error` says only what kind of value it is.
  const isKind = typeof type === 'string' && type !== '' && !(error === clean && type === 'error');
  return {
    status: statusOf(error, clean),
    message: textOf(error, 'message') ?? GENERAL,
    own: isKind ? { ...own, type } : own,
  };
};

/** @param more seconds for `Retry-After`. */
export const toGatewayError = (
  { status, message, own }: WorkerError,
  more: { readonly retryAfter?: number | undefined } = {},
): GatewayError => new GatewayError(status, 'upstream_error', message, { ...more, own });
