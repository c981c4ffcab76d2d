import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { dialectOf, findEndpoint, functionFor } from '../../lib/endpoints/index.ts';
import { ForbiddenError, type GatewayError, PayloadTooLargeError } from '../../lib/errors.ts';
import { correlationOf } from '../../lib/middleware/correlation-id.ts';

/** Lambda's event, 6,291,456 bytes of JSON, less what headers take. Text passes as it is, all else as base64. */
const TEXT_LIMIT = 6_283_264;
const BINARY_LIMIT = 4_712_448;
const TEXT_TYPE = /^(text\/.*|application\/(json|xml|javascript))$/;

/** RFC 6761 6.3, and every address of the loopback networks. */
const LOOPBACK = /^(?:(?:[^.:]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i;

/** @param host a name or address, as `HOST` or `Host` say it, without a port. */
export const isLoopback = (host: string): boolean => host === '::1' || LOOPBACK.test(host);

const headersOf = ({ headers }: IncomingMessage) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));

/** Says an error in the caller's dialect, as the functions do; what is still being sent is read first and dropped. */
const refuse = (request: IncomingMessage, response: ServerResponse, error: GatewayError) => {
  const [path = '/'] = (request.url ?? '/').split('?', 1);
  const family = functionFor(path);
  const headers = headersOf(request);
  const dialect = dialectOf({ match: findEndpoint(path), path, headers, family });
  const { id, names } = correlationOf({ headers, dialect, family });
  const answer = () => {
    for (const name of names) response.setHeader(name, id);
    response.writeHead(error.status, { 'content-type': 'application/json', ...error.headers });
    response.end(request.method === 'HEAD' ? undefined : dialect.errorBody(error, id));
  };
  if (request.readableEnded) return answer();
  request.once('end', answer);
  request.resume();
};

/** The part of `Host` that names a machine, without its port. */
const nameOf = (host: string): string => host.replace(/:\d+$/, '');

/**
 * Keeps web pages out that reach this machine under a name of their own (DNS rebinding): whoever serves anybody on
 * loopback answers to loopback's names only.
 */
export const loopbackOnly =
  (listener: RequestListener): RequestListener =>
  (request, response) => {
    const { host } = request.headers;
    if (host === undefined || isLoopback(nameOf(host))) return listener(request, response);
    refuse(
      request,
      response,
      new ForbiddenError(
        'Without an API key this gateway answers to names of this machine only, such as 127.0.0.1 or localhost. Set LOCALAI_API_KEY to be called under other names.',
      ),
    );
  };

/** What keeps bodies out that cannot pass through Lambda's 6 MB, in the words of the API that was called. */
export interface SizeLimit {
  /** Refuses a length that is said beforehand, as CloudFront does (`infra/aws/viewer-request.js`). */
  edge(listener: RequestListener): RequestListener;
  /** Refuses what turned out to be too large while it was read: `size` bytes of it. */
  tooLarge(request: IncomingMessage, response: ServerResponse, size: number): void;
}

const limitOf = ({ headers }: IncomingMessage): number => {
  const type = (headers['content-type'] ?? '').replace(/;.*$/, '').trim().toLowerCase();
  return TEXT_TYPE.test(type) && !headers['content-encoding'] ? TEXT_LIMIT : BINARY_LIMIT;
};

/** @param takesUploads whether there is a bucket for more. */
export const createSizeLimit = (takesUploads: boolean): SizeLimit => {
  const instead = takesUploads ? ', or upload them first with POST /v1/uploads' : '';
  const tooLarge: SizeLimit['tooLarge'] = (request, response, size) => {
    const limit = limitOf(request);
    const fits = size > limit ? `${limit} fit through` : 'with what JSON has to escape in it that is too many';
    refuse(
      request,
      response,
      new PayloadTooLargeError(
        `The body has ${size} bytes; ${fits}. Send less at once: shorten the text, or compress or split the media${instead}.`,
      ),
    );
  };
  return {
    tooLarge,
    edge: (listener) => (request, response) => {
      const size = Number(request.headers['content-length'] ?? 0);
      if (size <= limitOf(request)) return listener(request, response);
      tooLarge(request, response, size);
    },
  };
};
