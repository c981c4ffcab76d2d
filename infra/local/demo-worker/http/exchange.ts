import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** One request and its response. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  /** What the route's `{name}` placeholders matched, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** Aborts when the client leaves before the response is complete. */
  readonly signal: AbortSignal;
}

export const sendJson = ({ response }: Exchange, value: unknown, status = 200): void => {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
};

export const sendBytes = ({ response }: Exchange, contentType: string, bytes: Uint8Array | string): void => {
  const body = Buffer.from(bytes as Uint8Array);
  response.writeHead(200, { 'content-type': contentType, 'content-length': body.length }).end(body);
};

/**
 * Writes one piece of a stream and waits while the client is slower than the engine.
 * @throws the abort reason once the client has left.
 */
export const writeChunk = async ({ response, signal }: Exchange, chunk: string | Uint8Array): Promise<void> => {
  signal.throwIfAborted();
  if (!response.write(chunk)) await once(response, 'drain', { signal });
};

const head = (contentType: string) => ({ 'content-type': contentType, 'cache-control': 'no-cache' });

/** Server-sent events; the head leaves with the first event, so an earlier failure is still a plain HTTP error. */
export const createEventStream = (exchange: Exchange) => {
  const send = (text: string) => {
    if (!exchange.response.headersSent) exchange.response.writeHead(200, head('text/event-stream'));
    return writeChunk(exchange, text);
  };
  return {
    /** An unnamed event with a JSON payload. */
    data: (value: unknown) => send(`data: ${JSON.stringify(value)}\n\n`),
    /** A named event whose payload repeats the name as `type`. */
    typed: (type: string, fields: object) => send(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`),
    /** OpenAI's end marker. */
    done: async () => {
      await send('data: [DONE]\n\n');
      exchange.response.end();
    },
    end: () => exchange.response.end(),
  };
};

/** Newline-delimited JSON, Ollama's streaming. */
export const createLineStream = (exchange: Exchange) => ({
  line: (value: unknown) => {
    if (!exchange.response.headersSent) exchange.response.writeHead(200, head('application/x-ndjson'));
    return writeChunk(exchange, `${JSON.stringify(value)}\n`);
  },
  end: () => exchange.response.end(),
});
