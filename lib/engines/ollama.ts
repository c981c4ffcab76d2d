import { readObject } from '../json.ts';
import { bodyOf, bodySign, type Engine, serving, type WorkSource } from './engine.ts';
import { LOCALAI_OLLAMA_VERSION } from './localai.ts';
import { isBareList, readOllamaLoaded, readOllamaModels } from './model-list.ts';

const readVersion = (body: string): string | undefined => {
  const version = readObject(body)?.version;
  return typeof version === 'string' && /^\d+\.\d+[\w.+-]{0,64}$/.test(version) ? version : undefined;
};

/**
 * The year 2200: `keep_alive: -1` is written as the longest time that Go knows, 292 years from then on. A number, for what is
 * called here would be in every bundle.
 */
const FOR_EVER = 7_258_118_400_000;

const isPinned = (model: unknown): boolean =>
  typeof model === 'object' &&
  model !== null &&
  'expires_at' in model &&
  Date.parse(String(model.expires_at)) > FOR_EVER;

/**
 * `server/routes.go`, `PsHandler`: every model that its scheduler holds, those that are being loaded too. A model stays for
 * its `keep_alive` after its last request (`expires_at` moves with each), and the question does not prolong that: as
 * long as one is there, requests may run, and nobody can tell. With `keep_alive: -1` one is there for ever.
 */
export const ollamaWork: WorkSource = {
  paths: ['/api/ps'],
  read: (answers) => {
    const models = readObject(bodyOf(answers, '/api/ps') ?? '')?.models;
    if (models !== null && !Array.isArray(models)) return undefined;
    const held = models ?? [];
    return {
      running: held.length,
      waiting: 0,
      served: 0,
      ...(held.length > 0 && held.every(isPinned) && { isPinned: true }),
    };
  },
};

/**
 * Ollama: its own API, and parts of the OpenAI and Anthropic ones (no token counting, no rerank, no speech, no images).
 * It reports which models are loaded, but no queue: `load: "haproxy"` on the worker puts a counting sidecar in front.
 * Source: Ollama `server/routes.go` and `api/types.go` as of August 2026.
 */
export const ollama: Engine = {
  name: 'ollama',
  serves: serving(
    'ollama_chat',
    'ollama_generate',
    'ollama_embed',
    'ollama_embeddings',
    'ollama_show',
    'chat',
    'completions',
    'embeddings',
    'responses',
    'messages',
    'transcription',
  ),
  hasDefaultModel: false,
  healthPath: '/api/version',
  readVersion,
  modelsPaths: ['/api/tags'],
  readModels: readOllamaModels,
  loadSources: [],
  loaded: { path: '/api/ps', read: readOllamaLoaded },
  signs: [
    bodySign('/', (body) => body.trim() === 'Ollama is running'),
    {
      paths: ['/api/version', '/v1/models'],
      // LocalAI's Ollama-compatible path says a constant; Ollama itself was at that version once.
      matches: (answers) => {
        const version = readVersion(bodyOf(answers, '/api/version') ?? '');
        if (version === LOCALAI_OLLAMA_VERSION) return !isBareList(bodyOf(answers, '/v1/models') ?? '');
        return version !== undefined;
      },
    },
  ],
};
