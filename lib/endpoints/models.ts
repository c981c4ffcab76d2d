import { anthropic } from '../dialects/anthropic.ts';
import type { Dialect } from '../dialects/dialect.ts';
import { openai } from '../dialects/openai.ts';
import { ModelNotFoundError } from '../errors.ts';
import { json } from '../http/reply.ts';
import { type CatalogEntry, catalog, findModel } from './catalog.ts';
import { type Endpoint, INFERENCE } from './endpoint.ts';
import type { GatewayRequest } from './gateway-request.ts';

/** Anthropic's clients say their API version on every call. */
const wantsAnthropic = (request: Pick<GatewayRequest, 'headers'>): boolean => 'anthropic-version' in request.headers;

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

const common = {
  kind: 'answered',
  families: INFERENCE,
  methods: ['GET', 'HEAD'],
} as const;

/** The dialect of a model list is told by a header, not by the path. */
export const modelsDialect = (request: Pick<GatewayRequest, 'headers'>): Dialect =>
  wantsAnthropic(request) ? anthropic : openai;

export const modelsEndpoints: readonly Endpoint[] = [
  {
    ...common,
    operation: 'models',
    paths: ['/v1/models'],
    dialect: openai,
    answer: async ({ request, snapshot }) => {
      const entries = catalog(await snapshot());
      if (!wantsAnthropic(request)) return json(200, { object: 'list', data: entries.map(openaiModel) });
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
    paths: ['/v1/models/{id}'],
    dialect: openai,
    answer: async ({ request, params, snapshot }) => {
      const id = params.id ?? '';
      const entry = findModel(await snapshot(), id);
      if (!entry) throw new ModelNotFoundError(id);
      return json(200, wantsAnthropic(request) ? anthropicModel(entry) : openaiModel(entry));
    },
  },
];
