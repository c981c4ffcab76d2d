import { type Engine, parseJson } from './engine.ts';
import { readOpenAIModels } from './model-list.ts';

/**
 * LocalAI. It has an endpoint for every operation, and is what an unknown worker counts as: what a server lacks, it
 * answers with its own 404, which passes through. `/readyz` is public and 503 while models are preloaded. It reports
 * no queue of its own: `load: "haproxy"` on the worker puts a counting sidecar in front of it.
 * Source: LocalAI `core/http/routes`, its "API Discovery & Instructions" page.
 */
export const localai: Engine = {
  name: 'localai',
  serves: () => true,
  healthPath: '/readyz',
  modelsPath: '/v1/models',
  readModels: readOpenAIModels,
  loadSources: [],
  readsModelFromQuery: true,
  keepsFiles: true,
  signs: [
    {
      path: '/.well-known/localai.json',
      matches: ({ body }) => {
        const discovery = parseJson(body);
        return discovery?.endpoints !== undefined || discovery?.version !== undefined;
      },
    },
  ],
};
