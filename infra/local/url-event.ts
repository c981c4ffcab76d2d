import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { readTarget } from '../../lib/http/request-target.ts';

/** The event of a function URL, payload format 2.0. */
export interface UrlEvent {
  version: '2.0';
  routeKey: '$default';
  rawPath: string;
  rawQueryString: string;
  cookies?: string[];
  headers: Record<string, string>;
  queryStringParameters?: Record<string, string>;
  requestContext: {
    accountId: 'anonymous';
    apiId: string;
    domainName: string;
    domainPrefix: string;
    http: { method: string; path: string; protocol: string; sourceIp: string; userAgent?: string };
    requestId: string;
    routeKey: '$default';
    stage: '$default';
    time: string;
    timeEpoch: number;
  };
  body?: string;
  isBase64Encoded: boolean;
}

/** Of the connection to the front itself; `connection` stays, for it names headers that are of the hop as well. */
const FRONT_ONLY = new Set(['transfer-encoding', 'expect', 'upgrade', 'proxy-connection', 'keep-alive', 'cookie']);
const TEXT_TYPE = /^(text\/.*|application\/(json|xml|javascript))$/;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `12/Mar/2020:19:03:58 +0000` */
const clfTime = (date: Date) => {
  const day = String(date.getUTCDate()).padStart(2, '0');
  return `${day}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}:${date.toISOString().slice(11, 19)} +0000`;
};

const newTraceId = () =>
  `Root=1-${Math.floor(Date.now() / 1000).toString(16)}-${randomBytes(12).toString('hex')};Parent=${randomBytes(8).toString('hex')};Sampled=0`;

const joinQuery = (rawQueryString: string): Record<string, string> => {
  const joined = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(rawQueryString)) {
    const before = joined.get(name);
    joined.set(name, before === undefined ? value : `${before},${value}`);
  }
  return Object.fromEntries(joined);
};

/** Text goes as text, everything else (forms and encoded bodies too) as base64. */
const isText = (headers: Record<string, string>, body: Buffer): boolean => {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
  return TEXT_TYPE.test(type) && !headers['content-encoding'] && isUtf8(body);
};

/**
 * Makes the event of a request, as Lambda function URLs do
 * (https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html): header names in lower case, duplicates joined
 * by commas, cookies apart, the path left percent-encoded, `x-forwarded-*` written by the platform.
 */
export const toUrlEvent = (request: IncomingMessage, body: Buffer, apiId: string, requestId: string): UrlEvent => {
  const now = new Date();
  const { path: rawPath, query: rawQueryString, host } = readTarget(request.url ?? '/');
  const sourceIp = (request.socket.remoteAddress ?? '127.0.0.1').replace(/^::ffff:/, '');
  const received = Object.entries(request.headersDistinct).filter(([name]) => !FRONT_ONLY.has(name));
  const headers: Record<string, string> = Object.fromEntries(
    received.map(([name, values = []]) => [name, values.join(',')]),
  );
  if (host !== undefined) headers.host = host;
  if (!headers['x-amzn-trace-id']?.includes('Root=')) headers['x-amzn-trace-id'] = newTraceId();
  headers['x-forwarded-for'] = sourceIp;
  headers['x-forwarded-proto'] = 'http';
  headers['x-forwarded-port'] = String(request.socket.localPort);
  const cookies = request.headers.cookie?.split(/; ?/).filter(Boolean);
  const text = isText(headers, body);
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString,
    ...(cookies && { cookies }),
    headers,
    ...(rawQueryString && { queryStringParameters: joinQuery(rawQueryString) }),
    requestContext: {
      accountId: 'anonymous',
      apiId,
      domainName: headers.host?.replace(/:\d+$/, '') ?? 'localhost',
      domainPrefix: apiId,
      http: {
        method: request.method ?? 'GET',
        path: rawPath,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp,
        userAgent: request.headers['user-agent'],
      },
      requestId,
      routeKey: '$default',
      stage: '$default',
      time: clfTime(now),
      timeEpoch: now.getTime(),
    },
    ...(body.length > 0 && { body: body.toString(text ? 'utf8' : 'base64') }),
    isBase64Encoded: body.length > 0 && !text,
  };
};
