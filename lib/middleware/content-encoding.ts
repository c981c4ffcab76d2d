import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { decodeBody, readCodings } from '../http/content-coding.ts';
import { setBody } from '../http/request.ts';
import { type BodyLimitOptions, tooLarge } from './body-limit.ts';
import type { Middleware } from './middleware.ts';

const decode = async (request: GatewayRequest, header: string, options: BodyLimitOptions): Promise<void> => {
  const codings = readCodings(header);
  delete request.headers['content-encoding'];
  const bytes = request.bytes();
  if (codings.length === 0 || bytes.length === 0) return;
  const decoded = await decodeBody(bytes, codings, options.maxBytes);
  if (!decoded) throw tooLarge(request, undefined, options);
  request.hold?.(decoded.length);
  setBody(request, decoded);
};

/**
 * Decodes what clients compress: agents send gzip and zstd. Routing reads the plain bytes, and the worker gets them:
 * few servers decode a request. It comes after the key, so that a stranger cannot have anything unpacked.
 * @param options how large a body may be, decoded.
 */
export const contentEncoding = (options: BodyLimitOptions): Middleware => ({
  before: function contentEncodingBefore({ event: request }) {
    const header = request.headers['content-encoding'];
    // Most requests have none, and need not wait for anything.
    return header !== undefined && request.match?.endpoint.input ? decode(request, header, options) : undefined;
  },
});
