import { dialectOfHeaders } from '../dialects/index.ts';
import { families } from '../endpoints/family.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import type { Middleware } from './middleware.ts';

const USABLE = /^[A-Za-z0-9._:-]{1,128}$/;

/** Not the global `crypto`: that is Web Crypto, which a cold start would load beside Node's own. */
const newId = (): string => {
  randomUUID ??= process.getBuiltinModule('node:crypto').randomUUID;
  return randomUUID();
};
let randomUUID: (() => string) | undefined;

/**
 * W3C Trace Context, version 00: a trace of our own where the client brought none. UUIDs, because Node makes them from
 * random bytes it holds in store, and their last seven bytes are all random, as the standard wants of a trace id.
 */
const newTraceparent = (): string => {
  const hex = (newId() + newId()).replaceAll('-', '');
  return `00-${hex.slice(0, 32)}-${hex.slice(-16)}-01`;
};

type Asking = Pick<GatewayRequest, 'headers' | 'dialect' | 'family'>;

/** What an answer says of its request's id, and under which names. */
interface Correlation {
  readonly id: string;
  readonly names: readonly string[];
}

/**
 * The client's `X-Correlation-Id`, else its `x-request-id`, when usable; else a new UUID. Clients look for their own
 * dialect's header on whatever answers them: on other endpoints, on errors.
 */
export const correlationOf = ({ headers, dialect, family }: Asking): Correlation => {
  const given = [headers['x-correlation-id'], headers['x-request-id']];
  const spoken = [dialect, families[family].dialect, dialectOfHeaders(headers)];
  return {
    id: given.find((id) => id !== undefined && USABLE.test(id)) ?? newId(),
    names: ['x-correlation-id', 'x-request-id', ...spoken.flatMap((one) => one?.correlationHeaders ?? [])],
  };
};

/** One id for a request, on every response and to the worker (docs/contract.md 4). */
export const correlationId = (): Middleware => ({
  before: function correlationIdBefore({ event: request }) {
    const { id, names } = correlationOf(request);
    request.id = id;
    request.headers.traceparent ||= newTraceparent();
    request.onHead.push(({ headers }) => {
      for (const name of names) headers[name] = request.id;
    });
  },
});
