import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { dialectOf, findEndpoint, functionFor } from '../../lib/endpoints/index.ts';
import { ForbiddenError, type GatewayError, PayloadTooLargeError } from '../../lib/errors.ts';

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
  const dialect = dialectOf({ match: findEndpoint(path), path, headers: headersOf(request), family });
  const id = String(response.getHeader('x-amzn-requestid') ?? '');
  request.once('end', () => {
    response.writeHead(error.status, { 'content-type': 'application/json', ...error.headers });
    response.end(request.method === 'HEAD' ? undefined : dialect.errorBody(error, id));
  });
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

/**
 * What CloudFront does in front of the functions (`infra/aws/viewer-request.js`): a body that cannot pass through Lambda's
 * 6 MB is refused in the words of the API that was called.
 * @param takesUploads whether there is a bucket for more.
 */
export const sizeLimited =
  (takesUploads: boolean, listener: RequestListener): RequestListener =>
  (request, response) => {
    const type = (request.headers['content-type'] ?? '').replace(/;.*$/, '').trim().toLowerCase();
    const isText = TEXT_TYPE.test(type) && !request.headers['content-encoding'];
    const limit = isText ? TEXT_LIMIT : BINARY_LIMIT;
    const size = Number(request.headers['content-length'] ?? 0);
    if (size <= limit) return listener(request, response);
    const instead = takesUploads ? ', or upload them first with POST /v1/uploads' : '';
    refuse(
      request,
      response,
      new PayloadTooLargeError(
        `The body has ${size} bytes; ${limit} fit through. Send less at once: shorten the text, or compress or split the media${instead}.`,
      ),
    );
  };
