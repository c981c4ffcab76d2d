import type { Family } from '../../lib/endpoints/family.ts';

/**
 * Every path of docs/contract.md 1 and who serves it, as it stands there: the check of what is derived from the endpoint
 * table must not be derived from it too.
 */
const families: Readonly<Record<Family, readonly string[]>> = {
  openai: [
    '/v1/chat/completions',
    '/v1/completions',
    '/v1/engines/{model+}/completions',
    '/v1/embeddings',
    '/v1/engines/{model+}/embeddings',
    '/v1/responses',
    '/v1/tokenize',
    '/v1/detokenize',
    '/v1/moderations',
    '/v1/chat/completions/input_tokens',
    '/v1/responses/input_tokens',
    '/v1/models',
    '/v1/models/{id+}',
    '/api/models/{id+}/load-status',
    '/v1/realtime',
    '/healthz',
    '/readyz',
  ],
  anthropic: ['/v1/messages', '/v1/messages/count_tokens'],
  ollama: [
    ...['chat', 'generate', 'embed', 'embeddings', 'tags', 'show', 'ps', 'version', 'hello'].map((it) => `/api/${it}`),
    ...['pull', 'push', 'create', 'copy', 'delete', 'blobs', 'blobs/{digest}'].map((it) => `/api/${it}`),
    '/',
  ],
  audio: [
    '/v1/audio/transcriptions',
    '/v1/audio/translations',
    '/v1/audio/speech',
    '/tts',
    '/v1/text-to-speech/{voice}',
    '/v1/sound-generation',
    '/v1/audio/diarization',
    '/v1/audio/classification',
    '/audio/transformations',
  ],
  images: [
    '/v1/images/generations',
    '/v1/images/upscale',
    '/v1/detection',
    '/video',
    '/v1/images/inpainting',
    '/v1/images/edits',
    '/v1/images/variations',
  ],
  rerank: ['/v1/rerank', '/v1/reranking', '/v2/rerank'],
  vad: ['/v1/vad'],
  nodes: ['/api/nodes', '/api/services', '/api/services/{name+}/wake'],
};

export interface ContractPath {
  /** With `{...}` where any text may stand. */
  readonly path: string;
  /** The function one domain in front of all of them sends it to. */
  readonly family: Family;
}

/** Those, and each `/v1/...` without `/v1`. */
export const contractPaths: readonly ContractPath[] = Object.entries(families).flatMap(([family, paths]) =>
  [...new Set(paths.flatMap((path) => [path, path.replace(/^\/v1(?=\/)/, '')]))].map((path) => ({
    path,
    family: family as Family,
  })),
);

/** As clients write it: with a slash at its end, with names that have slashes, encoded and not. */
export const spellings = (path: string): string[] =>
  ['qwen3', 'Qwen/Qwen3-8B', 'Qwen%2FQwen3-8B', 'api/nodes'].flatMap((value) => {
    const filled = path.replace(/\{\w+(\+?)\}/, (_, isRest) => (isRest ? value : value.replace('/', '%2F')));
    return filled === '/' ? [filled] : [filled, `${filled}/`];
  });
