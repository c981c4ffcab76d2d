import { readObject } from '../json.ts';
import { bodyOf, bodySign, type Engine, serving } from './engine.ts';
import { isBareList, readOllamaLoaded, readOpenAIModels } from './model-list.ts';

/** LocalAI's answer to Ollama's `/api/version`, in all releases. */
export const LOCALAI_OLLAMA_VERSION = '0.9.0';

/**
 * LocalAI; also what a worker counts as of which nobody knows anything. `/readyz` is public and 503 while models are
 * preloaded. It reports no queue of its own: `load: "haproxy"` on the worker puts a counting sidecar in front of it.
 *
 * It has no token counting (`/v1/messages/count_tokens`, `input_tokens`), no `/v1/audio/translations`, no
 * `/v1/images/edits` or `/variations`.
 *
 * **Signs.** Its discovery document is there since 4.1.1 and public from then on. Older ones, and those that keep it
 * behind a key that is not ours: `/version` is a tag with the commit behind it; `/system` lists backends; and its model
 * list has always been the only one without `created` and `owned_by`.
 *
 * Source: LocalAI v4.9.0 `core/http/routes/{openai,anthropic,ollama,openresponses,localai,jina,elevenlabs,health}.go`,
 * `internal/version.go`, `core/schema/openai.go` (the last two the same in v2.20.0 and v3.7.0).
 */
export const localai: Engine = {
  name: 'localai',
  serves: serving(
    'chat',
    'completions',
    'embeddings',
    'responses',
    'messages',
    'ollama_chat',
    'ollama_generate',
    'ollama_embed',
    'ollama_embeddings',
    'ollama_show',
    'transcription',
    'speech',
    'text_to_speech',
    'diarization',
    'audio_classification',
    'audio_transformation',
    'sound_generation',
    'image_generation',
    'inpainting',
    'image_upscale',
    'detection',
    'video',
    'rerank',
    'vad',
    'tokenize',
    'detokenize',
    'moderation',
    'realtime',
  ),
  hasDefaultModel: true,
  healthPath: '/readyz',
  // The first since 4.6.1: the same list, with what each model can do.
  modelsPaths: ['/v1/models/capabilities', '/v1/models'],
  readModels: readOpenAIModels,
  loadSources: [],
  readsModelFromQuery: true,
  keepsFiles: true,
  loaded: { path: '/api/ps', read: readOllamaLoaded },
  signs: [
    bodySign('/.well-known/localai.json', (body) => {
      const discovery = readObject(body);
      return discovery?.endpoints !== undefined || discovery?.version !== undefined;
    }),
    bodySign('/version', (body) => {
      const version = readObject(body)?.version;
      return typeof version === 'string' && /^v\d+\.\d+\S* \([0-9a-f]*\)$/.test(version);
    }),
    bodySign('/system', (body) => {
      const system = readObject(body);
      return Array.isArray(system?.backends) && Array.isArray(system?.loaded_models);
    }),
    {
      paths: ['/readyz', '/v1/models'],
      matches: (answers) => bodyOf(answers, '/readyz') !== undefined && isBareList(bodyOf(answers, '/v1/models') ?? ''),
    },
    {
      paths: ['/api/version', '/v1/models'],
      matches: (answers) =>
        readObject(bodyOf(answers, '/api/version') ?? '')?.version === LOCALAI_OLLAMA_VERSION &&
        isBareList(bodyOf(answers, '/v1/models') ?? ''),
    },
  ],
};
