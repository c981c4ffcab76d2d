import type { Dialect } from '../dialects/dialect.ts';
import { dialectOfHeaders, dialectOfPath } from '../dialects/index.ts';
import { anthropicEndpoints } from './anthropic.ts';
import { audioEndpoints } from './audio.ts';
import type { Endpoint, Match } from './endpoint.ts';
import { EVERY, type Family, families } from './family.ts';
import { healthEndpoints } from './health.ts';
import { imagesEndpoints } from './images.ts';
import { modelsEndpoints } from './models.ts';
import { nodesEndpoints } from './nodes.ts';
import { ollamaEndpoints } from './ollama.ts';
import { openaiEndpoints } from './openai.ts';
import { rerankEndpoints } from './rerank.ts';
import { servicesEndpoints } from './services.ts';
import { uploadsEndpoints } from './uploads.ts';
import { vadEndpoints } from './vad.ts';

/** Every `/v1/...` path works without `/v1` as well. */
const withBarePaths = (endpoint: Endpoint): Endpoint => ({
  ...endpoint,
  paths: [...new Set(endpoint.paths.flatMap((path) => [path, path.replace(/^\/v1(?=\/)/, '')]))],
});

/** The table: every endpoint of docs/contract.md 1. */
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
  ...servicesEndpoints,
  ...modelsEndpoints,
  ...healthEndpoints,
].map(withBarePaths);

/** A path template with something in it that a client chooses. */
interface Template {
  readonly pattern: RegExp;
  readonly name: string;
  readonly endpoint: Endpoint;
}

const PLACEHOLDER = /\{(\w+)(\+?)\}/;

const literal = new Map<string, Match>();
const templates: Template[] = [];
for (const endpoint of endpoints) {
  for (const path of endpoint.paths) {
    const [, name, isRest] = PLACEHOLDER.exec(path) ?? [];
    if (name === undefined) literal.set(path, { endpoint, params: {} });
    else {
      const source = path.replace(PLACEHOLDER, isRest ? '(.+)' : '([^/]+)');
      templates.push({ pattern: new RegExp(`^${source}$`), name, endpoint });
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
  for (const { pattern, name, endpoint } of templates) {
    if (endpoint.except?.test(wanted)) continue;
    const [, sent] = pattern.exec(wanted) ?? [];
    const value = sent === undefined ? undefined : decode(sent);
    if (value !== undefined) return { endpoint, params: { [name]: value } };
  }
  return undefined;
};

/** What decides which dialect an answer is said in. */
interface Speaking {
  readonly match: Match | undefined;
  /** As sent. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly family: Family;
}

/**
 * @returns an endpoint's dialect; on a path that is not in the table the nearest one: what the client says it speaks,
 *   what the path looks like, what the function's clients speak.
 */
export const dialectOf = ({ match, path, headers, family }: Speaking): Dialect => {
  if (match && !match.endpoint.followsCaller) return match.endpoint.dialect;
  return dialectOfHeaders(headers) ?? match?.endpoint.dialect ?? dialectOfPath(path) ?? families[family].dialect;
};

const [FIRST] = EVERY as readonly [Family];

/** @returns whose request it is where one origin stands in front of all families. */
export const familyFor = (match: Match | undefined, path: string): Family => {
  const owner = match?.endpoint.families[0];
  if (owner) return owner;
  const dialect = dialectOfPath(path);
  return EVERY.find((family) => families[family].dialect === dialect) ?? FIRST;
};

/** @returns the function that one origin in front of all families sends a path to. */
export const functionFor = (path: string): Family => familyFor(findEndpoint(path), path);
