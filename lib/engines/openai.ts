import { type Engine, serving } from './engine.ts';
import { readOpenAIModels } from './model-list.ts';

/**
 * Any other server with OpenAI's endpoints. It has no sign of its own and is only ever what an operator says; it
 * reports no load (`load: "haproxy"` on the worker adds it). Its model list is the one path all of them have, so it
 * also tells their health.
 * Source: OpenAI's API reference.
 */
export const openai: Engine = {
  name: 'openai',
  serves: serving(
    'chat',
    'completions',
    'embeddings',
    'responses',
    'transcription',
    'translation',
    'speech',
    'image_generation',
    'image_edit',
  ),
  healthPath: '/v1/models',
  modelsPath: '/v1/models',
  readModels: readOpenAIModels,
  loadSources: [],
  signs: [],
};
