import { validateHeaderName, validateHeaderValue } from 'node:http';

/**
 * The head a streaming function sends before its body: JSON, then eight NUL bytes
 * (https://docs.aws.amazon.com/lambda/latest/dg/response-streaming-tutorial.html; content type below).
 */
export interface Prelude {
  statusCode: number;
  /** Multi-valued headers as an array. */
  headers: Record<string, string | string[]>;
  cookies: string[];
}

/** What `HttpResponseStream.from` declares its POST to be; without it the body is raw bytes with status 200. */
export const PRELUDE_CONTENT_TYPE = 'application/vnd.awslambda.http-integration-response';

/** AWS wants metadata and delimiter within the first 16 KB of the stream. */
const MAX_PRELUDE_BYTES = 16 * 1024;
const DELIMITER = Buffer.alloc(8);

/** The function's head cannot be used; the client gets the platform's 502. */
export class PreludeError extends Error {
  override readonly name = 'PreludeError';
}

const headerValue = (name: string, value: unknown): string | string[] => {
  if (typeof value === 'object' && !Array.isArray(value)) throw new PreludeError(`header ${name} is an object`);
  const text = Array.isArray(value) ? value.map(String) : String(value);
  try {
    validateHeaderName(name);
    for (const item of [text].flat()) validateHeaderValue(name, item);
  } catch (error) {
    throw new PreludeError(`header of the prelude: ${(error as Error).message}`);
  }
  return text;
};

/**
 * Turns a head as a function states it into one that can be sent. Also the shape a buffered function returns.
 * @throws {PreludeError}
 */
export const toPrelude = (value: unknown): Prelude => {
  if (typeof value !== 'object' || value === null) throw new PreludeError('the prelude is not a JSON object');
  const {
    statusCode = 200,
    headers,
    cookies,
  } = value as { statusCode?: unknown; headers?: unknown; cookies?: unknown };
  const status = Number(statusCode);
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new PreludeError(`status ${JSON.stringify(statusCode)} of the prelude is not an HTTP status`);
  }
  return {
    statusCode: status,
    headers: Object.fromEntries(
      Object.entries(headers ?? {})
        .filter(([, item]) => item !== undefined && item !== null)
        .map(([name, item]) => [name.toLowerCase(), headerValue(name, item)]),
    ),
    cookies: Array.isArray(cookies) ? cookies.map(String) : [],
  };
};

/**
 * Collects the start of a stream until the delimiter.
 * @returns a function that takes the next chunk and gives the prelude and the body bytes that came with it, once.
 * @throws {PreludeError} (from that function) when it is too long or not a head.
 */
export const createPreludeReader = () => {
  let start: Buffer = Buffer.alloc(0);
  return (chunk: Buffer): { prelude: Prelude; rest: Buffer } | undefined => {
    start = start.length ? Buffer.concat([start, chunk]) : chunk;
    const end = start.indexOf(DELIMITER);
    if (end === -1 ? start.length > MAX_PRELUDE_BYTES : end + DELIMITER.length > MAX_PRELUDE_BYTES) {
      throw new PreludeError(`no end of the prelude within ${MAX_PRELUDE_BYTES} bytes`);
    }
    if (end === -1) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(start.toString('utf8', 0, end));
    } catch {
      throw new PreludeError('the prelude is not JSON');
    }
    return { prelude: toPrelude(value), rest: start.subarray(end + DELIMITER.length) };
  };
};
