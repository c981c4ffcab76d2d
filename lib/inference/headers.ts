import type { IncomingHttpHeaders } from 'node:http';
import type { HttpRequest } from '../http/request.ts';
import { keyHeader } from '../worker.ts';

/** RFC 9110 7.6.1, and the names older proxies still send. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];

const NOT_TO_WORKER = new Set([
  ...HOP_BY_HOP,
  'authorization',
  'x-api-key',
  'api-key',
  'xi-api-key',
  'x-goog-api-key',
  'cookie',
  'host',
  'content-length',
  'expect',
  'accept-encoding',
  'x-localai-node',
  'x-correlation-id',
  'x-request-id',
  'request-id',
  'forwarded',
  'x-origin-secret',
]);
const NOT_TO_WORKER_PREFIX = /^x-(?:amz|forwarded-)/;

const NOT_TO_CLIENT = new Set([
  ...HOP_BY_HOP,
  'server',
  'x-powered-by',
  'via',
  'alt-svc',
  'set-cookie',
  'x-localai-node',
  'x-correlation-id',
  'x-request-id',
  'request-id',
]);
const NOT_TO_CLIENT_PREFIX = /^access-control-/;

/** Names that `Connection` declares hop-by-hop for this message. */
const namedByConnection = (value = ''): ReadonlySet<string> =>
  USUAL_CONNECTION.get(value) ?? new Set(value.split(',').map((name) => name.trim().toLowerCase()));
const USUAL_CONNECTION = new Map(['', 'keep-alive', 'close'].map((value) => [value, new Set([value])]));

// RFC 9110 5.5: visible characters, spaces, tabs and obs-text. Anything else must not be relayed.
const isFieldValue = (value: string): boolean => /^[\t\x20-\x7e\x80-\xff]*$/.test(value);

/** The scheme the client used; the platform says it in front of a function URL. */
export const forwardedProto = ({ headers }: Pick<HttpRequest, 'headers'>): 'http' | 'https' =>
  headers['x-forwarded-proto'] === 'http' ? 'http' : 'https';

/**
 * The headers a worker sees (docs/contract.md 2 and 4).
 * @param request `id` is its correlation id.
 * @param workerKey the worker's own key, if it has one; the client's credentials never pass.
 */
export const toWorker = (
  request: HttpRequest & { readonly id: string },
  workerKey: string | undefined,
): Record<string, string> => {
  const named = namedByConnection(request.headers.connection);
  const headers: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(request.headers)) {
    if (NOT_TO_WORKER.has(name) || NOT_TO_WORKER_PREFIX.test(name) || named.has(name)) continue;
    if (isFieldValue(value)) headers[name] = value;
  }
  headers['accept-encoding'] = 'identity';
  headers['x-correlation-id'] = request.id;
  headers['x-request-id'] = request.id;
  headers['x-forwarded-proto'] = forwardedProto(request);
  if (request.sourceIp) headers['x-forwarded-for'] = request.sourceIp;
  if (request.host) headers['x-forwarded-host'] = request.host;
  return Object.assign(headers, keyHeader({ apiKey: workerKey }));
};

/** The worker's end-to-end headers, without those a client must not see. A value that could not stand in a header is left out. */
export const toClient = (from: IncomingHttpHeaders): Record<string, string> => {
  const named = namedByConnection(from.connection);
  const headers: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(from)) {
    if (NOT_TO_CLIENT.has(name) || NOT_TO_CLIENT_PREFIX.test(name) || named.has(name)) continue;
    const text = Array.isArray(value) ? value.join(', ') : value;
    if (text !== undefined && isFieldValue(text)) headers[name] = text;
  }
  return headers;
};

/**
 * Makes a worker's `Location` safe to show.
 * @returns the path on the worker's own origin, or `undefined` when it leads anywhere else.
 */
export const localLocation = (location: string, workerUrl: string): string | undefined => {
  const target = URL.parse(location, workerUrl);
  if (!target || target.origin !== new URL(workerUrl).origin) return undefined;
  // Two slashes in front would name another host.
  return `/${target.pathname.replace(/^\/+/, '')}${target.search}${target.hash}`;
};
