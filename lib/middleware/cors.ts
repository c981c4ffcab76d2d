import type { Head, Reply } from '../http/reply.ts';
import type { Middleware } from './middleware.ts';

/** What clients in a page read of an answer: which one it is, and whether and when to ask again. */
const EXPOSED = ['x-correlation-id', 'x-request-id', 'request-id', 'retry-after', 'retry-after-ms', 'x-should-retry'];
const PREFLIGHT_SECONDS = '7200';
/** Far more than a page names; a head has room for 16 KB. */
const NAMES_BYTES = 2048;

const addTo = (headers: Head['headers'], name: string, value: string) => {
  headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
};

/**
 * Lets pages of the given origins call the gateway (Fetch standard, "CORS protocol"). Every answer says it, errors too;
 * a preflight is answered here and needs no key. The node header is readable only where it exists.
 * @param origins `GATEWAY_CORS_ORIGINS`: origins, or `*`.
 */
export const cors = (origins: readonly string[]): Middleware => ({
  before: function corsBefore({ event: request }): Reply | undefined {
    const { origin } = request.headers;
    const isAny = origins.includes('*');
    request.onHead.push(({ headers }) => {
      if (!isAny) addTo(headers, 'vary', 'Origin');
      if (origin === undefined || !(isAny || origins.includes(origin))) return;
      headers['access-control-allow-origin'] = isAny ? '*' : origin;
      const exposed = request.holder === undefined ? EXPOSED : [...EXPOSED, 'x-localai-node'];
      headers['access-control-expose-headers'] = exposed.join(', ');
    });
    const isPreflight = request.method === 'OPTIONS' && 'access-control-request-method' in request.headers;
    if (!isPreflight) return undefined;
    return {
      status: 204,
      headers: {
        'access-control-allow-methods': 'GET, HEAD, POST',
        // `*` does not cover Authorization: what the page asks for is what it may send.
        'access-control-allow-headers': request.headers['access-control-request-headers']?.slice(0, NAMES_BYTES) ?? '*',
        'access-control-max-age': PREFLIGHT_SECONDS,
      },
    };
  },
});
