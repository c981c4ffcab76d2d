import type { IncomingMessage } from 'node:http';
import { endpoints, functionFor } from '../../lib/endpoints/index.ts';
import { readTarget } from '../../lib/http/request-target.ts';
import { BINARY_TYPES, resourceFor, restResources } from '../aws/rest-resources.js';

const resources = restResources({ endpoints, functionFor });

/** The event of a REST API's proxy integration, payload 1.0, as far as anything reads it. */
export interface RestEvent {
  resource: string;
  path: string;
  httpMethod: string;
  headers: Record<string, string>;
  multiValueHeaders: Record<string, string[]>;
  queryStringParameters: Record<string, string> | null;
  multiValueQueryStringParameters: Record<string, string[]> | null;
  requestContext: {
    resourcePath: string;
    path: string;
    httpMethod: string;
    apiId: string;
    stage: string;
    domainName: string;
    requestId: string;
    identity: { sourceIp: string; userAgent: string | null };
  };
  body: string | null;
  isBase64Encoded: boolean;
}

/** Of the connection to the front itself. */
const FRONT_ONLY = /^(?:transfer-encoding|expect|upgrade|proxy-connection|keep-alive)$/i;

const several = (pairs: Iterable<readonly [string, string]>): Record<string, string[]> => {
  const all = new Map<string, string[]>();
  for (const [name, value] of pairs) all.set(name, [...(all.get(name) ?? []), value]);
  return Object.fromEntries(all);
};
const last = (of: Record<string, string[]>) =>
  Object.fromEntries(Object.entries(of).map(([name, values]) => [name, values.at(-1) ?? '']));

/**
 * Makes the event of a request, as API Gateway's REST APIs do: names of headers as they were sent, the query decoded, the
 * path left percent-encoded, everything text but the API's binary types.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
 */
export const toRestEvent = (request: IncomingMessage, body: Buffer, apiId: string, requestId: string): RestEvent => {
  const { path, query, host } = readTarget(request.url ?? '/');
  const { rawHeaders, method: httpMethod = 'GET' } = request;
  const sourceIp = (request.socket.remoteAddress ?? '127.0.0.1').replace(/^::ffff:/, '');
  const sent = rawHeaders.flatMap((name, i): [string, string][] =>
    i % 2 || FRONT_ONLY.test(name) || /^x-forwarded-/i.test(name) ? [] : [[name, rawHeaders[i + 1] ?? '']],
  );
  const multiValueHeaders = several([
    ...sent.filter(([name]) => host === undefined || name.toLowerCase() !== 'host'),
    ...(host === undefined ? [] : [['Host', host] as const]),
    ['X-Forwarded-For', sourceIp],
    ['X-Forwarded-Proto', 'http'],
    ['X-Forwarded-Port', String(request.socket.localPort)],
  ]);
  const multiValueQuery = query ? several(new URLSearchParams(query)) : null;
  const resourcePath = resourceFor(resources, path)?.path ?? '/{proxy+}';
  const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const isBinary = BINARY_TYPES.includes(type);
  return {
    resource: resourcePath,
    path,
    httpMethod,
    headers: last(multiValueHeaders),
    multiValueHeaders,
    queryStringParameters: multiValueQuery && last(multiValueQuery),
    multiValueQueryStringParameters: multiValueQuery,
    requestContext: {
      resourcePath,
      path: `/local${path}`,
      httpMethod,
      apiId,
      stage: 'local',
      domainName: (host ?? request.headers.host ?? 'localhost').replace(/:\d+$/, ''),
      requestId,
      identity: { sourceIp, userAgent: request.headers['user-agent'] ?? null },
    },
    body: body.length > 0 ? body.toString(isBinary ? 'base64' : 'utf8') : null,
    isBase64Encoded: body.length > 0 && isBinary,
  };
};
