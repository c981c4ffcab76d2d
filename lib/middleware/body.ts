import httpJsonBodyParser from '@middy/http-json-body-parser';
import { PayloadTooLargeError, UnsupportedMediaTypeError } from '../errors.ts';
import { isForm } from '../http/multipart.ts';
import type { Middleware } from './middleware.ts';

const JSON_TYPE = /^application\/(?:[a-z0-9.+-]+\+)?json\s*(?:;|$)/i;

const megabytes = (bytes: number) => `${bytes} bytes (${(bytes / 1e6).toFixed(1)} MB)`;

/**
 * Refuses bodies over the operator's limit.
 * @param maxBytes `GATEWAY_MAX_BODY_BYTES`.
 * @param uploadMaxBytes what a file may have that goes through `POST /v1/uploads`; `undefined`: that is off.
 */
export const bodyLimit = (maxBytes: number, uploadMaxBytes: number | undefined): Middleware => ({
  before: function bodyLimitBefore({ event: request }) {
    const { length } = request.bytes();
    if (length <= maxBytes) return;
    const endpoint = request.match?.endpoint;
    const fields = endpoint?.kind === 'forwarded' ? Object.keys(endpoint.uploadFields ?? {}) : [];
    const way =
      uploadMaxBytes !== undefined && fields.length > 0
        ? `Upload the file with POST /v1/uploads (up to ${megabytes(uploadMaxBytes)}) and send its id as '${fields[0]}' in its place.`
        : 'Send less at once: shorten the text, or compress or split the media.';
    throw new PayloadTooLargeError(
      `The body has ${megabytes(length)}; this gateway takes up to ${megabytes(maxBytes)}. ${way}`,
    );
  },
});

/**
 * Parses the body where the endpoint takes JSON, with the official parser and nothing beside it, and checks the content type elsewhere.
 * Ollama's own examples send JSON with curl's default form type, so on `/api/*` the type does not matter.
 * @param hasUploads whether JSON may name uploads where files are sent otherwise.
 */
export const body = (hasUploads: boolean): Middleware => {
  const parser = httpJsonBodyParser({ disableContentTypeCheck: true });
  return {
    before: function bodyBefore(run) {
      const { event: request } = run;
      const endpoint = request.match?.endpoint;
      const type = request.headers['content-type'];
      if (!endpoint?.input) return;
      if (endpoint.input === 'multipart') {
        if (isForm(type)) return;
        const mayNameUploads = hasUploads && endpoint.uploadFields && JSON_TYPE.test(type ?? '');
        if (!mayNameUploads) throw new UnsupportedMediaTypeError('This endpoint takes multipart/form-data.');
      }
      if (endpoint.kind === 'answered' && endpoint.isBodyOptional && request.bytes().length === 0) return;
      if (type && !JSON_TYPE.test(type) && !endpoint.dialect.anyContentType) {
        throw new UnsupportedMediaTypeError('This endpoint takes JSON: send content-type application/json.');
      }
      // biome-ignore lint/suspicious/noExplicitAny: the parser is typed for API Gateway's event, it reads three fields.
      (parser.before as any)(run);
    },
  };
};
