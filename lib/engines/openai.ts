import { type Engine, serving } from './engine.ts';
import { readOpenAIModels } from './model-list.ts';

/**
 * Any other server with OpenAI's endpoints: what an operator calls so, and a worker that lists models as OpenAI does
 * and shows no other engine's sign. Chat, completions and embeddings are taken for granted; audio and image endpoints
 * are tried, since a server has them or has not, and says so; all else only where the worker's record has it in
 * `serves`. It reports no load (`load: "haproxy"` on the worker adds it). Its model list is the one path all of them
 * have, so it also tells their health.
 * Source: OpenAI's API reference; docs/contract.md 1.
 */
export const openai: Engine = {
  name: 'openai',
  serves: serving(
    'chat',
    'completions',
    'embeddings',
    'transcription',
    'translation',
    'speech',
    'diarization',
    'audio_classification',
    'image_generation',
    'image_edit',
    'image_variation',
    'image_upscale',
    'inpainting',
  ),
  hasDefaultModel: false,
  healthPath: '/v1/models',
  modelsPaths: ['/v1/models'],
  readModels: readOpenAIModels,
  loadSources: [],
  signs: [],
};
