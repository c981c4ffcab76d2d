import { anthropic } from '../dialects/anthropic.ts';
import { openai } from '../dialects/openai.ts';
import { ModelNotFoundError, NotFoundError } from '../errors.ts';
import { json } from '../http/reply.ts';
import type { OwnEndpoint } from './endpoint.ts';
import { INFERENCE } from './family.ts';

/** Asked for when an application starts, not with every request: a file of its own. */
const words = () => import('./model-entries.ts');

/** Not models: how LocalAI's (`core/http/routes/localai.go`) and llama.cpp's router's are managed, on the workers. */
const ADMINISTRATION =
  /^\/models\/(?:apply|available|delete|edit|galleries|import|import-uri|jobs|load|reload|toggle-pinned|toggle-state|unload)(?:\/|$)/;

const common = {
  kind: 'own',
  families: INFERENCE,
  methods: ['GET', 'HEAD'],
  dialect: openai,
  followsCaller: true,
} as const;

export const modelsEndpoints: readonly OwnEndpoint[] = [
  {
    ...common,
    operation: 'models',
    paths: ['/v1/models'],
    answer: async ({ dialect, snapshot }) =>
      json(200, (await words()).modelsIn(await snapshot(), dialect === anthropic ? 'anthropic' : 'openai')),
  },
  {
    ...common,
    operation: 'model',
    paths: ['/v1/models/{id+}'],
    except: ADMINISTRATION,
    answer: async ({ dialect, params, snapshot }) => {
      const id = params.id ?? '';
      const found = (await words()).modelIn(await snapshot(), id, dialect === anthropic ? 'anthropic' : 'openai');
      if (!found) throw new ModelNotFoundError(id);
      return json(200, found);
    },
  },
  {
    ...common,
    operation: 'load_status',
    methods: ['GET', 'HEAD'],
    paths: ['/api/models/{id+}/load-status'],
    answer: async ({ params, snapshot, wishes }) => {
      const id = params.id ?? '';
      const found = await snapshot();
      const loading = found.services && (await (await import('./load-status.ts')).loadingNow(id, found, wishes));
      if (!loading) throw new NotFoundError('Nothing is being loaded for this model.');
      return json(200, loading);
    },
  },
];
