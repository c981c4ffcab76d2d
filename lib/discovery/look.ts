import { type Answer, type Engine, isOk } from '../engines/engine.ts';
import type { AskPath } from '../engines/index.ts';
import type { ListedModel, Worker } from '../worker.ts';

/** GET on a worker; `undefined` when there is no answer in time. Never throws. */
export type AskWorker = (
  worker: Pick<Worker, 'url' | 'apiKey'>,
  path: string,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
) => Promise<Answer | undefined>;

/** All questions that tell an engine are asked at once, and no longer than this. */
export const RECOGNISE_MS = 1_000;

/** What a worker says of its models. */
export type Listing = Pick<Worker, 'models' | 'about'>;

const withCapabilities = (models: readonly ListedModel[], more: readonly string[]): readonly ListedModel[] =>
  more.length === 0
    ? models
    : models.map((model) => ({ ...model, capabilities: [...new Set([...(model.capabilities ?? []), ...more])] }));

/** @returns the models of the first list that can be read, `undefined` when none can. */
export const readModelList = async (engine: Engine, ask: AskPath): Promise<readonly ListedModel[] | undefined> => {
  for (const path of engine.modelsPaths) {
    const answer = await ask(path);
    // Nobody there, or too slow: the next list would be no faster.
    if (!answer) return undefined;
    const models = isOk(answer) ? engine.readModels(answer.body) : undefined;
    if (!models) continue;
    const { path: told, readCapabilities } = engine.sleep ?? {};
    if (!told || !readCapabilities) return models;
    const props = await ask(told);
    return withCapabilities(models, isOk(props) ? readCapabilities(props.body) : []);
  }
  return undefined;
};

/** Some servers' `created` is the time of the question: the first one heard stays, so that a list that says the same is the same. */
const steady = (model: ListedModel, known: ListedModel | undefined): ListedModel => {
  const created = known?.entry?.created;
  return created === undefined || model.entry?.created === undefined
    ? model
    : { ...model, entry: { ...model.entry, created } };
};

/**
 * @param given the models an operator named; `*` among them: any, and the worker's own list shows some of them.
 * @param listed what the worker says, `undefined` when its list could not be read: then what it said last counts.
 * @param known what it said last.
 */
export const listingOf = (
  given: readonly string[] | undefined,
  listed: readonly ListedModel[] | undefined,
  known: Listing | undefined,
): Listing => {
  const before = new Map(known?.about?.map((model) => [model.id, model]));
  const about = listed
    ? listed.filter((model) => Object.keys(model).length > 1).map((model) => steady(model, before.get(model.id)))
    : known?.about;
  const own = listed?.map(({ id }) => id).sort() ?? known?.models;
  const models = given?.includes('*') ? [...new Set([...given, ...(own ?? [])])] : (given ?? own);
  const ofThese = about?.filter(({ id }) => models?.includes(id));
  return { models, ...(ofThese?.length && { about: ofThese }) };
};

/** @returns whether the worker's own list is wanted. */
export const wantsList = (models: readonly string[] | undefined): boolean => !models || models.includes('*');
