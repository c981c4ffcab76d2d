import httpJsonBodyParser from '@middy/http-json-body-parser';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { InvalidRequestError, UnsupportedMediaTypeError } from '../errors.ts';
import { isForm } from '../http/form.ts';
import { isJsonType } from '../http/json-body.ts';
import { setBody } from '../http/request.ts';
import { readJson } from '../json.ts';
import type { Middleware } from './middleware.ts';

const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/** PowerShell and editors put one in front of UTF-8; workers refuse it (RFC 8259 8.1 lets a parser ignore it). */
const withoutByteOrderMark = (request: GatewayRequest): void => {
  const bytes = request.bytes();
  const { length } = BYTE_ORDER_MARK;
  if (bytes.subarray(0, length).equals(BYTE_ORDER_MARK)) setBody(request, bytes.subarray(length));
};

/**
 * Parses the body where the endpoint takes JSON, with the official parser, and checks the content type elsewhere.
 * Ollama's own examples send JSON with curl's default form type, so on `/api/*` the type does not matter.
 * @param hasUploads whether JSON may name uploads where files are sent otherwise.
 */
export const body = (hasUploads: boolean): Middleware => {
  const parser = httpJsonBodyParser({ disableContentTypeCheck: true });

  const parse: NonNullable<Middleware['before']> = (run) => {
    try {
      // biome-ignore lint/suspicious/noExplicitAny: the parser is typed for API Gateway's event, it reads three fields.
      (parser.before as any)(run);
    } catch (cause) {
      // It also refuses `__proto__` and `constructor` as keys, which a tool's schema may have. They do no harm here:
      // JSON.parse makes own properties of them, nothing is merged into another object, and the worker gets the bytes.
      const { event: request } = run;
      const value = readJson(request.bytes().toString());
      if (value === undefined) throw new InvalidRequestError('The body is not valid JSON.', { cause });
      request.body = value;
    }
  };

  return {
    before: function bodyBefore(run) {
      const { event: request } = run;
      const endpoint = request.match?.endpoint;
      const type = request.headers['content-type'];
      if (!endpoint?.input) return;
      if (endpoint.input === 'multipart') {
        if (isForm(type)) return;
        const mayNameUploads = hasUploads && endpoint.uploadFields && type && isJsonType(type);
        if (!mayNameUploads) throw new UnsupportedMediaTypeError('This endpoint takes multipart/form-data.');
      }
      if (endpoint.kind === 'own' && endpoint.isBodyOptional && request.bytes().length === 0) return;
      if (type && !isJsonType(type) && !endpoint.dialect.anyContentType) {
        throw new UnsupportedMediaTypeError('This endpoint takes JSON: send content-type application/json.');
      }
      withoutByteOrderMark(request);
      parse(run);
    },
  };
};
