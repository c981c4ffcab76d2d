import { anthropic } from '../dialects/anthropic.ts';
import type { Dialect } from '../dialects/dialect.ts';
import { ollama } from '../dialects/ollama.ts';
import { openai } from '../dialects/openai.ts';
import { anthropicEndpoints } from './anthropic.ts';
import { audioEndpoints } from './audio.ts';
import type { Endpoint, Family } from './endpoint.ts';
import type { GatewayRequest } from './gateway-request.ts';
import { healthEndpoints } from './health.ts';
import { imagesEndpoints } from './images.ts';
import { modelsDialect, modelsEndpoints } from './models.ts';
import { nodesEndpoints } from './nodes.ts';
import { ollamaEndpoints } from './ollama.ts';
import { openaiEndpoints } from './openai.ts';
import { rerankEndpoints } from './rerank.ts';
import { uploadsEndpoints } from './uploads.ts';
import { vadEndpoints } from './vad.ts';

/** Every `/v1/...` path works without `/v1` as well. */
const withBarePaths = (endpoint: Endpoint): Endpoint => ({
  ...endpoint,
  paths: [...new Set(endpoint.paths.flatMap((path) => [path, path.replace(/^\/v1(?=\/)/, '')]))],
});

/** The table: every endpoint of CONTRACT.md 1. */
export const endpoints: readonly Endpoint[] = [
  ...openaiEndpoints,
  ...anthropicEndpoints,
  ...ollamaEndpoints,
  ...audioEndpoints,
  ...imagesEndpoints,
  ...uploadsEndpoints,
  ...rerankEndpoints,
  ...vadEndpoints,
  ...nodesEndpoints,
  ...modelsEndpoints,
  ...healthEndpoints,
].map(withBarePaths);

/** A path that is in the table. */
export interface Match {
  readonly endpoint: Endpoint;
  /** Decoded values of the path's `{...}`. */
  readonly params: Readonly<Record<string, string>>;
}

const literal = new Map<string, Match>();
const templates: { readonly pattern: RegExp; readonly endpoint: Endpoint }[] = [];
for (const endpoint of endpoints) {
  for (const path of endpoint.paths) {
    if (!path.includes('{')) literal.set(path, { endpoint, params: {} });
    else {
      const source = path.replace(/\{(\w+)\}/, (_, name) =>
        name === 'voice' ? `(?<${name}>[^/]+)` : `(?<${name}>.+)`,
      );
      templates.push({ pattern: new RegExp(`^${source}$`), endpoint });
    }
  }
}

const decode = (value: string): string | undefined => {
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
};

const withoutTrailingSlash = (path: string) => (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path);

/**
 * Finds the endpoint of a path. Only a template's parameter is decoded: encoded slashes and dots elsewhere never match.
 * @param path as sent, percent-encoded.
 */
export const findEndpoint = (path: string): Match | undefined => {
  const wanted = withoutTrailingSlash(path);
  const match = literal.get(wanted);
  if (match) return match;
  for (const { pattern, endpoint } of templates) {
    const [entry] = Object.entries(pattern.exec(wanted)?.groups ?? {});
    if (!entry) continue;
    const value = decode(entry[1]);
    if (value !== undefined) return { endpoint, params: { [entry[0]]: value } };
  }
  return undefined;
};

/** @returns the dialect to speak on a path; on one that is not known, the nearest: what it looks like, else the function's. */
export const dialectOf = (request: Pick<GatewayRequest, 'path' | 'headers' | 'family'>): Dialect => {
  const endpoint = findEndpoint(request.path)?.endpoint;
  if (endpoint?.operation === 'models' || endpoint?.operation === 'model') return modelsDialect(request);
  if (endpoint) return endpoint.dialect;
  if (/^\/api(\/|$)/.test(request.path)) return ollama;
  if (/^(\/v1)?\/messages(\/|$)/.test(request.path) || request.family === 'anthropic') return anthropic;
  return request.family === 'ollama' ? ollama : openai;
};

/** @returns the function that one origin in front of all families sends a path to. */
export const functionFor = (path: string): Family => {
  const endpoint = findEndpoint(path)?.endpoint;
  if (endpoint) return endpoint.families[0] as Family;
  if (/^\/api(\/|$)/.test(path)) return 'ollama';
  if (/^(\/v1)?\/messages(\/|$)/.test(path)) return 'anthropic';
  return 'openai';
};
