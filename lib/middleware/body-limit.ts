import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { PayloadTooLargeError } from '../errors.ts';
import type { Middleware } from './middleware.ts';

export interface BodyLimitOptions {
  /** `GATEWAY_MAX_BODY_BYTES`. */
  readonly maxBytes: number;
  /** What a file may have that goes through `POST /v1/uploads`; `undefined`: that is off. */
  readonly uploadMaxBytes: number | undefined;
}

const megabytes = (bytes: number) => `${bytes} bytes (${(bytes / 1e6).toFixed(1)} MB)`;

/**
 * Names the size that is too large, the one that is not, and a way out.
 * @param bytes `undefined`: unknown, since a decoder stopped at the limit.
 */
export const tooLarge = (
  request: GatewayRequest,
  bytes: number | undefined,
  { maxBytes, uploadMaxBytes }: BodyLimitOptions,
): PayloadTooLargeError => {
  const endpoint = request.match?.endpoint;
  const fields = endpoint?.kind === 'forwarded' ? Object.keys(endpoint.uploadFields ?? {}) : [];
  const size = bytes === undefined ? 'has more than that once it is decoded' : `has ${megabytes(bytes)}`;
  const way =
    uploadMaxBytes !== undefined && fields.length > 0
      ? `Upload the file with POST /v1/uploads (up to ${megabytes(uploadMaxBytes)}) and send its id as '${fields[0]}' in its place.`
      : 'Send less at once: shorten the text, or compress or split the media.';
  return new PayloadTooLargeError(
    `This gateway takes bodies of up to ${megabytes(maxBytes)}; this one ${size}. ${way}`,
  );
};

/** Refuses bodies over the operator's limit, as they were sent. */
export const bodyLimit = (options: BodyLimitOptions): Middleware => ({
  before: function bodyLimitBefore({ event: request }) {
    const { length } = request.bytes();
    if (length > options.maxBytes) throw tooLarge(request, length, options);
  },
});
