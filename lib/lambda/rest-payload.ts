import type { APIGatewayProxyEvent, LambdaFunctionURLEvent } from 'aws-lambda';

type Several = Readonly<Record<string, readonly string[] | undefined>>;
type One = Readonly<Record<string, string | undefined>>;

/** API Gateway sends both forms; where only the short one is there, it is all that is known. */
const pairsOf = (several: Several | null | undefined, one: One | null | undefined): [string, readonly string[]][] => {
  if (several) return Object.entries(several).map(([name, values]) => [name, values ?? []]);
  return Object.entries(one ?? {}).flatMap(([name, value]) => (value === undefined ? [] : [[name, [value]]]));
};

/** Lower-case names, values of one name joined by a comma; two spellings of a name are one name. */
const headersOf = ({ multiValueHeaders, headers }: APIGatewayProxyEvent): Record<string, string> => {
  const joined = new Map<string, string>();
  for (const [name, values] of pairsOf(multiValueHeaders, headers)) {
    const lower = name.toLowerCase();
    const before = joined.get(lower);
    const all = [...(before === undefined ? [] : [before]), ...values];
    joined.set(lower, all.join(lower === 'cookie' ? '; ' : ','));
  }
  return Object.fromEntries(joined);
};

const encode = (text: string) => encodeURIComponent(text.toWellFormed());

/** API Gateway has decoded names and values; repeated ones stay in their order. */
const queryOf = (event: APIGatewayProxyEvent): string =>
  pairsOf(event.multiValueQueryStringParameters, event.queryStringParameters)
    .flatMap(([name, values]) => values.map((value) => `${encode(name)}=${encode(value)}`))
    .join('&');

/** @param resource `/v1/models/{id+}`: `{name}` is one segment, `{name+}` the rest. */
const expressionOf = (resource: string): RegExp => {
  const segments = resource
    .split('/')
    .map((segment) =>
      /^\{\w+\+\}$/.test(segment)
        ? '.+'
        : /^\{\w+\}$/.test(segment)
          ? '[^/]+'
          : segment.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'),
    );
  return new RegExp(`^${segments.join('/')}/?$`);
};

/**
 * Takes off what a custom domain's base path put in front: all before the longest end of the path that is the resource's.
 * The rest stays as it was sent, encoding and trailing slash included.
 */
const withoutBase = (path: string, resource: string | undefined): string => {
  if (!resource) return path;
  if (resource === '/') return '/';
  const expression = expressionOf(resource);
  for (let at = 0; at !== -1; at = path.indexOf('/', at + 1)) {
    const rest = path.slice(at);
    if (rest.startsWith('/') && expression.test(rest)) return rest;
  }
  return path;
};

/** How gzip begins (RFC 1952 2.3.1). */
const GZIP = Buffer.from([0x1f, 0x8b]);

/** Bytes that are no text, taken for text; JSON may hold such a character as well, but does not begin with it. */
const isMangled = (body: string) => body.includes('\ufffd') && !/^\s*[[{"]/.test(body);

/**
 * A coding that has been taken off on the way while its header stayed: what came as text is plain, for no coding's bytes
 * are text, and so is what does not begin as gzip does. Encoded bytes that the API took for text are lost; that they were
 * encoded is then what the client has to be told.
 */
const isDecoded = (coding: string, { body, isBase64Encoded }: APIGatewayProxyEvent): boolean => {
  // Who does not know a coding cannot have taken it off.
  if (!body || !/^\s*(?:(?:x-)?gzip|deflate|br|zstd)\s*$/i.test(coding)) return false;
  if (!isBase64Encoded) return !isMangled(body);
  const isGzip = /^\s*(?:x-)?gzip\s*$/i.test(coding);
  return isGzip && !Buffer.from(body.slice(0, 4), 'base64').subarray(0, 2).equals(GZIP);
};

/**
 * Payload 1.0 as payload 2.0 has it. What a request means is the same by either; only their writing differs.
 * @param event of API Gateway's REST API, with proxy integration.
 * @see https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
 */
export const fromRestPayload = (event: APIGatewayProxyEvent): LambdaFunctionURLEvent => {
  const { requestContext: context, httpMethod: method, body, isBase64Encoded } = event;
  const headers = headersOf(event);
  const coding = headers['content-encoding'];
  if (coding !== undefined && isDecoded(coding, event)) delete headers['content-encoding'];
  const rawPath = withoutBase(event.path || '/', context?.resourcePath ?? event.resource);
  const http = { method, path: rawPath, sourceIp: context?.identity?.sourceIp ?? '', protocol: '', userAgent: '' };
  return {
    version: '2.0',
    rawPath,
    rawQueryString: queryOf(event),
    headers,
    requestContext: { domainName: context?.domainName ?? '', http },
    ...(body !== null && body !== undefined && { body }),
    isBase64Encoded,
  } as unknown as LambdaFunctionURLEvent;
};
