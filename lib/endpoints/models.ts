import { anthropic } from '../dialects/anthropic.ts';
import { openai } from '../dialects/openai.ts';
import { ModelNotFoundError } from '../errors.ts';
import { json } from '../http/reply.ts';
import { type CatalogEntry, catalog, findModel } from './catalog.ts';
import type { Endpoint } from './endpoint.ts';
import { INFERENCE } from './family.ts';

/** A worker's list has no dates: Anthropic's and OpenAI's references allow the epoch for an unknown one. */
const openaiModel = ({ id, aliasOf }: CatalogEntry) => ({
  id,
  object: 'model',
  created: 0,
  owned_by: 'localai',
  ...(aliasOf === undefined ? {} : { root: aliasOf }),
});
const anthropicModel = ({ id }: CatalogEntry) => ({
  type: 'model',
  id,
  display_name: id,
  created_at: '1970-01-01T00:00:00Z',
});

/** Not models: how LocalAI's (`core/http/routes/localai.go`) and llama.cpp's router's are managed, on the workers. */
const ADMINISTRATION =
  /^\/models\/(?:apply|available|delete|edit|galleries|import|import-uri|jobs|load|reload|toggle-pinned|toggle-state|unload)(?:\/|$)/;

const common = {
  kind: 'answered',
  families: INFERENCE,
  methods: ['GET', 'HEAD'],
  dialect: openai,
  followsCaller: true,
} as const;

export const modelsEndpoints: readonly Endpoint[] = [
  {
    ...common,
    operation: 'models',
    paths: ['/v1/models'],
    answer: async ({ dialect, snapshot }) => {
      const entries = catalog(await snapshot());
      if (dialect !== anthropic) return json(200, { object: 'list', data: entries.map(openaiModel) });
      return json(200, {
        data: entries.map(anthropicModel),
        has_more: false,
        first_id: entries.at(0)?.id ?? null,
        last_id: entries.at(-1)?.id ?? null,
      });
    },
  },
  {
    ...common,
    operation: 'model',
    paths: ['/v1/models/{id+}'],
    except: ADMINISTRATION,
    answer: async ({ dialect, params, snapshot }) => {
      const id = params.id ?? '';
      const entry = findModel(await snapshot(), id);
      if (!entry) throw new ModelNotFoundError(id);
      return json(200, dialect === anthropic ? anthropicModel(entry) : openaiModel(entry));
    },
  },
];
