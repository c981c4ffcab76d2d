import { type Engine, parseJson, serving } from './engine.ts';
import { readOllamaModels } from './model-list.ts';

/** LocalAI's Ollama-compatible `/api/version` says this of itself. */
const localaiSays = '0.9.0';

/**
 * Ollama: its own API, and parts of the OpenAI and Anthropic ones (no token counting, no rerank). It reports which
 * models are loaded, but no queue: `load: "haproxy"` on the worker puts a counting sidecar in front of it.
 * Source: Ollama `server/routes.go`, docs "OpenAI compatibility" and "Anthropic compatibility".
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
    'speech',
    'image_generation',
    'image_edit',
  ),
  healthPath: '/api/version',
  modelsPath: '/api/tags',
  readModels: readOllamaModels,
  loadSources: [],
  signs: [
    { path: '/', matches: ({ body }) => body.trim() === 'Ollama is running' },
    {
      path: '/api/version',
      matches: ({ body }) => {
        const version = parseJson(body)?.version;
        return typeof version === 'string' && /^\d+\.\d+/.test(version) && version !== localaiSays;
      },
    },
  ],
};
