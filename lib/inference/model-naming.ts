import type { ForwardedEndpoint } from '../endpoints/endpoint.ts';
import { modelIn } from '../http/query.ts';
import { sameModel } from '../worker.ts';

/** Fields of a body that have to say something else than they do. */
export type Changes = Readonly<Record<string, string>>;

/** What a request calls its model, and what its worker calls it. */
export interface ModelNaming {
  /** What the client asked for; `undefined`: it named none. */
  readonly requestedModel: string | undefined;
  /** What the worker is asked for: the alias's target, or the same. */
  readonly servedModel: string | undefined;
  /** What the body has to say, whichever worker gets it: an alias's target, the model of the path. */
  readonly changes: Changes;
  /** What it has to say to a worker that does not look for the model in the query, where alone it stands. */
  readonly changesWithoutQuery: Changes;
}

export interface ModelPlaces {
  readonly endpoint: Pick<ForwardedEndpoint, 'modelField' | 'otherModelField'>;
  /** The path's. */
  readonly inPath: string | undefined;
  /** @returns a field of the body, `undefined` where it is missing or empty. */
  readonly field: (name: string) => string | undefined;
  /** Raw. */
  readonly query: string;
  /** Alias -> served model. */
  readonly aliases: Readonly<Record<string, string>>;
}

const resolveAlias = (aliases: Readonly<Record<string, string>>, model: string): string => {
  const alias = Object.keys(aliases).find((name) => sameModel(name, model));
  return alias === undefined ? model : (aliases[alias] ?? model);
};

/** @returns the path's model, else the body's, else the query's (docs/contract.md 1). */
export const nameModel = ({ endpoint, inPath, field, query, aliases }: ModelPlaces): ModelNaming => {
  const { modelField, otherModelField = 'model' } = endpoint;
  const places = [...new Set([modelField, otherModelField])];
  const inBody = places.map(field).find((name) => name !== undefined);
  const inQuery = modelIn(query);
  const requestedModel = inPath ?? inBody ?? inQuery;
  const servedModel = requestedModel === undefined ? undefined : resolveAlias(aliases, requestedModel);
  const naming = { requestedModel, servedModel, changes: {}, changesWithoutQuery: {} };
  if (servedModel === undefined || servedModel === inBody) return naming;
  const named = inBody === undefined ? [modelField] : places.filter((name) => field(name) === inBody);
  const changes = Object.fromEntries(named.map((name) => [name, servedModel]));
  const isInQuery = inPath === undefined && inBody === undefined && servedModel === inQuery;
  return { ...naming, ...(isInQuery ? { changesWithoutQuery: changes } : { changes }) };
};
