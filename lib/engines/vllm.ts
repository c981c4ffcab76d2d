import { type Engine, parseJson, serving } from './engine.ts';
import { isOwnedBy, readOpenAIModels } from './model-list.ts';
import { sumOf } from './prometheus.ts';

const serverLoad = (body: string): number | undefined => {
  const load = parseJson(body)?.server_load;
  return typeof load === 'number' && load >= 0 ? load : undefined;
};

/**
 * vLLM's OpenAI server. `/load` is one counter in the API process and costs nothing, but it answers 0 for ever unless
 * the server was started with `--enable-server-load-tracking`: a zero there is checked against `/metrics`, which the
 * engine has to render (100 KB on a busy server) and which tells running from waiting.
 * Source: vLLM "Online Serving", `vllm/entrypoints/serve/instrumentator`, metrics names of the V1 engine.
 */
export const vllm: Engine = {
  name: 'vllm',
  serves: serving(
    'chat',
    'completions',
    'embeddings',
    'responses',
    'messages',
    'count_tokens',
    'transcription',
    'translation',
    'rerank',
  ),
  healthPath: '/health',
  modelsPath: '/v1/models',
  readModels: readOpenAIModels,
  loadSources: [
    {
      path: '/load',
      zeroIsDoubtful: true,
      read: (body) => {
        const running = serverLoad(body);
        return running === undefined ? undefined : { running, waiting: 0 };
      },
    },
    {
      path: '/metrics',
      read: (body) => {
        const running = sumOf(body, 'vllm:num_requests_running');
        return running === undefined ? undefined : { running, waiting: sumOf(body, 'vllm:num_requests_waiting') ?? 0 };
      },
    },
  ],
  signs: [
    { path: '/v1/models', matches: (answer) => isOwnedBy(answer, 'vllm') },
    { path: '/metrics', matches: ({ body }) => sumOf(body, 'vllm:num_requests_running') !== undefined },
    { path: '/load', matches: ({ body }) => serverLoad(body) !== undefined },
  ],
};
