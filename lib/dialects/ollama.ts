import type { GatewayError } from '../errors.ts';
import type { Dialect } from './dialect.ts';

export const errorBody = ({ message }: GatewayError): string => JSON.stringify({ error: message });

export const ollama: Dialect = {
  name: 'ollama',
  paths: /^\/api(\/|$)/,
  // Ollama's own examples use plain `curl -d`.
  anyContentType: true,
  errorBody,
  correlationHeaders: [],
};
