import { anthropic } from '../dialects/anthropic.ts';
import { openai } from '../dialects/openai.ts';
import { ModelNotFoundError, NotFoundError } from '../errors.ts';
import { json } from '../http/reply.ts';
import { type CatalogEntry, catalog, findModel } from './catalog.ts';
import type { OwnEndpoint } from './endpoint.ts';
import { INFERENCE } from './family.ts';

/** Not every list has dates and owners: OpenAI's reference wants them, and allows the epoch for an unknown date. */
const openaiModel = ({ id, aliasOf, entry }: CatalogEntry) => ({
  id,
  object: 'model',
  created: 0,
  owned_by: 'localai',
  ...entry,
  ...(aliasOf === undefined ? {} : { root: aliasOf }),
});

/** Seconds since 1970 up to the year 9999: beyond, RFC 3339 has no words. */
const LATEST = 253_402_300_799;

const dateOf = (seconds = 0): string =>
  new Date(seconds >= 0 && seconds <= LATEST ? seconds * 1000 : 0).toISOString().replace('.000Z', 'Z');

const anthropicModel = ({ id, entry }: CatalogEntry) => ({
  type: 'model',
  id,
  display_name: id,
  created_at: dateOf(entry?.created),
});

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
