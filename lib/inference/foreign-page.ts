import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { ForbiddenError } from '../errors.ts';

/** A key that a page has to know. Cookies, and a name with its password, browsers send by themselves. */
const showsKey = ({ authorization = '', ...headers }: GatewayRequest['headers']): boolean =>
  /^\s*(?:bearer\s+)?\S+\s*$/i.test(authorization) ||
  ['x-api-key', 'api-key', 'xi-api-key'].some((name) => headers[name] !== undefined);

const hostOf = (origin: string): string | undefined => (URL.canParse(origin) ? new URL(origin).host : undefined);

/**
 * Browsers let every page open a WebSocket anywhere and read what comes: there is no preflight, and no header by which an
 * answer could forbid it (RFC 6455 10.2). Where the page shows no key of its own it would use its visitor's access.
 * @param origins `GATEWAY_CORS_ORIGINS`.
 * @throws {ForbiddenError} 403
 */
export const refuseForeignPage = ({ headers, host }: GatewayRequest, origins: readonly string[]): void => {
  const { origin } = headers;
  if (origin === undefined || origins.includes('*') || origins.includes(origin)) return;
  if (hostOf(origin) === host.toLowerCase() || showsKey(headers)) return;
  throw new ForbiddenError('Pages of other places need a key here, or their origin in GATEWAY_CORS_ORIGINS.');
};
