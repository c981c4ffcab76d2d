import '../support/quiet.ts';
import type { Family } from '../../lib/endpoints/family.ts';
import { createGateway } from '../../lib/gateway.ts';
import { forms } from '../../lib/http/form-fields.ts';
import { createImages } from '../../lib/inference/images.ts';
import { type Capture, installAwslambda, invokeStreaming } from '../support/awslambda.ts';
import { standInServes } from '../support/gateway.ts';

/** A request as a function URL hands it over, payload format 2.0; only what the gateway reads. */
export interface UrlRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: readonly string[];
  /** Bytes go as base64, as function URLs do. */
  readonly body: string | Buffer | undefined;
}

export const sourceIp = '192.0.2.7';
/** Longer than any input should take; the margin ends a request that hangs with a 504. */
const remainingMs = 9_000;

/** @returns a function in this process, its upstream connections real; header on, anonymous access. */
export const createFunction = (family: Family, workers: readonly { id: string; url: string }[]) => {
  installAwslambda();
  const handler = createGateway(family, {
    env: {
      LOCALAI_EXPOSE_NODE_HEADER: 'true',
      GATEWAY_ALLOW_ANONYMOUS: 'true',
      GATEWAY_IDLE_TIMEOUT_SECONDS: '5',
      // Stated, so that nobody is asked who it is: the answers of these workers are for the inputs.
      LOCALAI_WORKERS: JSON.stringify(
        workers.map((worker) => ({ ...worker, models: ['*'], engine: 'localai', serves: standInServes })),
      ),
    },
    forms,
    createImages,
  });
  return ({ method, path, query, headers, cookies, body }: UrlRequest): Promise<Capture> => {
    const event = {
      version: '2.0',
      routeKey: '$default',
      rawPath: path,
      rawQueryString: query,
      headers,
      ...(cookies.length > 0 && { cookies }),
      requestContext: { domainName: 'gateway.test', http: { method, path, sourceIp } },
      ...(body !== undefined && { body: typeof body === 'string' ? body : body.toString('base64') }),
      isBase64Encoded: Buffer.isBuffer(body),
    };
    // Through JSON, as the platform delivers it.
    return invokeStreaming(handler, JSON.parse(JSON.stringify(event)), { remainingMs }).done;
  };
};
