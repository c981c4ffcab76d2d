import type { ServerResponse } from 'node:http';
import { createPreludeReader, PRELUDE_CONTENT_TYPE, type Prelude, PreludeError, toPrelude } from './prelude.ts';
import { FunctionError, type InvocationResponse } from './runtime-api.ts';

/** The platform frames the body itself and owns the connection. */
const NOT_FORWARDED = new Set([
  'content-length',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const writeHead = (response: ServerResponse, { statusCode, headers, cookies }: Prelude) => {
  for (const [name, value] of Object.entries(headers)) if (!NOT_FORWARDED.has(name)) response.setHeader(name, value);
  if (cookies.length) response.setHeader('set-cookie', [headers['set-cookie'] ?? [], cookies].flat());
  response.writeHead(statusCode);
};

const writeBody = async (response: ServerResponse, chunk: Buffer) => {
  if (response.write(chunk) || response.destroyed) return;
  await new Promise<void>((resolve) => {
    const go = () => {
      response.off('drain', go).off('close', go);
      resolve();
    };
    // A client that leaves never drains.
    response.on('drain', go).on('close', go);
  });
};

type StreamResponse = Extract<InvocationResponse, { kind: 'stream' }>;

const sendStream = async (response: ServerResponse, { contentType, body, failure }: StreamResponse) => {
  const readPrelude = contentType === PRELUDE_CONTENT_TYPE ? createPreludeReader() : undefined;
  const raw: Prelude = { statusCode: 200, headers: { 'content-type': contentType }, cookies: [] };
  for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    if (response.headersSent) {
      await writeBody(response, chunk);
      continue;
    }
    const head = readPrelude ? readPrelude(chunk) : { prelude: raw, rest: chunk };
    if (!head) continue;
    writeHead(response, head.prelude);
    // Even without bytes, and not `flushHeaders`: that one writes values as UTF-8, everything else as they are, Latin-1.
    await writeBody(response, head.rest);
  }
  const failed = failure();
  if (failed) throw new FunctionError(failed);
  if (response.headersSent) return;
  if (readPrelude) throw new PreludeError('the response ended before its head was written');
  writeHead(response, raw);
};

/** A buffered function returns either a response as payload format 2.0 describes it, or any JSON, which is its body. */
const sendBuffered = (response: ServerResponse, body: Buffer) => {
  const result: unknown = JSON.parse(body.toString());
  if (typeof result !== 'object' || result === null || !('statusCode' in result)) {
    writeHead(response, { statusCode: 200, headers: { 'content-type': 'application/json' }, cookies: [] });
    response.write(body);
    return;
  }
  const content = 'body' in result && typeof result.body === 'string' ? result.body : '';
  const prelude = toPrelude(result);
  prelude.headers['content-type'] ??= 'application/json';
  writeHead(response, prelude);
  response.write(Buffer.from(content, 'isBase64Encoded' in result && result.isBase64Encoded ? 'base64' : 'utf8'));
};

/**
 * Sends what the function answered, chunk by chunk and at the client's pace; does not end the response.
 *
 * @throws {FunctionError | PreludeError} when the function failed; `response.headersSent` tells whether before its head.
 * @throws {Error} when its environment ended in the middle of the body.
 */
export const sendResponse = async (response: ServerResponse, invoked: InvocationResponse): Promise<void> => {
  if (invoked.kind === 'buffered') return sendBuffered(response, invoked.body);
  // A head that cannot be used is no reason to break the function's own connection: the rest is read and dropped.
  await sendStream(response, invoked).finally(() => invoked.body.resume());
};
