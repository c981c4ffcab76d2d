import { readObject } from '../json.ts';
import { bodyOf, bodySign, type Engine, serving } from './engine.ts';
import { LOCALAI_OLLAMA_VERSION } from './localai.ts';
import { isBareList, readOllamaLoaded, readOllamaModels } from './model-list.ts';

const readVersion = (body: string): string | undefined => {
  const version = readObject(body)?.version;
  return typeof version === 'string' && /^\d+\.\d+[\w.+-]{0,64}$/.test(version) ? version : undefined;
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
