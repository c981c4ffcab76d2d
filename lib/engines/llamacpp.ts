import { type Engine, type Load, parseJson, serving } from './engine.ts';
import { isOwnedBy, readOpenAIModels } from './model-list.ts';
import { sumOf } from './prometheus.ts';

const readSlots = (body: string): Load | undefined => {
  const slots: unknown = parseJson(body);
  if (!Array.isArray(slots) || slots.length === 0) return undefined;
  if (!slots.every((slot) => typeof slot?.is_processing === 'boolean')) return undefined;
  return { running: slots.filter((slot) => slot.is_processing).length, waiting: 0 };
};

/**
 * llama.cpp's `llama-server`. `/metrics` (flag `--metrics`, 501 without it) tells running from deferred requests;
 * `/slots` (on unless `--no-slots`) only the running ones. Both are answered between two decoding steps, so a worker
 * in the middle of a long prompt may miss the probe's time limit and then counts as busy, which it is.
 * Source: llama.cpp `tools/server/server.cpp` and its README.
 */
export const llamacpp: Engine = {
  name: 'llamacpp',
  serves: serving(
    'chat',
    'completions',
    'embeddings',
    'responses',
    'messages',
    'count_tokens',
    'transcription',
    'rerank',
  ),
  healthPath: '/health',
  modelsPath: '/v1/models',
  readModels: readOpenAIModels,
  loadSources: [
    {
      path: '/metrics',
      read: (body) => {
        const running = sumOf(body, 'llamacpp:requests_processing');
        return running === undefined ? undefined : { running, waiting: sumOf(body, 'llamacpp:requests_deferred') ?? 0 };
      },
    },
    { path: '/slots', read: readSlots },
  ],
  signs: [
    {
      path: '/v1/models',
      matches: (answer) => answer.headers.server === 'llama.cpp' || isOwnedBy(answer, 'llamacpp'),
    },
    { path: '/props', matches: ({ body }) => parseJson(body)?.default_generation_settings !== undefined },
  ],
};
