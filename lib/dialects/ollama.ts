import type { GatewayError } from '../errors.ts';
import type { Dialect, StreamFormat } from './dialect.ts';
import { createNdjsonTail } from './ndjson.ts';

const errorBody = ({ message }: GatewayError): string => JSON.stringify({ error: message });

export const ollama: Dialect = {
  name: 'ollama',
  paths: /^\/api(\/|$)/,
  // Ollama's own examples use plain `curl -d`.
  anyContentType: true,
  errorBody,
  correlationHeaders: [],
};

const isLast = (line: unknown): boolean =>
  typeof line === 'object' &&
  line !== null &&
  (('done' in line && line.done === true) || ('error' in line && !!line.error));

/** Chat and generate: one JSON object a line, the last with `done: true` or `error`. No keep-alive: clients parse every line. */
export const ollamaStream: StreamFormat = {
  contentType: 'application/x-ndjson',
  watch: () => {
    const tail = createNdjsonTail();
    const closing = () => (tail.atBoundary ? '' : '\n');
    return {
      push: tail.push,
      get atBoundary() {
        return tail.atBoundary;
      },
      get terminated() {
        return isLast(tail.last());
      },
      finish: () => (isLast(tail.last()) ? closing() : undefined),
      fail: (error) => `${closing()}${errorBody(error)}\n`,
    };
  },
};
