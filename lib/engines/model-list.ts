import { type Fields, isObject, readObject } from '../json.ts';
import type { ListedModel, ModelEntry, ModelTag } from '../worker.ts';
import type { Answer } from './engine.ts';

/** Longest text of a list that is kept: what is longer is no name, owner or date. */
const LONGEST_TEXT = 256;

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && value.length <= LONGEST_TEXT ? value : undefined;

const number = (value: unknown): number | undefined => (Number.isFinite(value) ? (value as number) : undefined);

const texts = (value: unknown): readonly string[] | undefined => {
  const list = Array.isArray(value) ? value.slice(0, 16).flatMap((one) => text(one) ?? []) : [];
  return list.length > 0 ? list : undefined;
};

/** @returns the fields that have a value, `undefined` when none has. */
const some = <T extends object>(fields: T): Partial<T> | undefined => {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : (Object.fromEntries(given) as Partial<T>);
};

/** llama.cpp's word for what a model file says of itself; the keys are looked for, no foreign one is taken over. */
const metaNames = ['vocab_type', 'n_vocab', 'n_ctx', 'n_ctx_train', 'n_embd', 'n_params', 'size', 'ftype'] as const;

const metaOf = ({ meta }: Fields): ModelEntry['meta'] =>
  isObject(meta)
    ? some(Object.fromEntries(metaNames.map((name) => [name, number(meta[name]) ?? text(meta[name])])))
    : undefined;

const entryOf = (model: Fields): ModelEntry | undefined =>
  some({
    created: number(model.created),
    owned_by: text(model.owned_by),
    max_model_len: number(model.max_model_len),
    context_length: number(model.context_length),
    context_window: number(model.context_window),
    meta: metaOf(model),
  });

const detailNames = ['parent_model', 'format', 'family', 'parameter_size', 'quantization_level'] as const;

const detailsOf = ({ details }: Fields): ModelTag['details'] =>
  isObject(details)
    ? some({
        ...Object.fromEntries(detailNames.map((name) => [name, text(details[name])])),
        families: texts(details.families),
      })
    : undefined;

const tagOf = (model: Fields): ModelTag | undefined =>
  some({
    size: number(model.size) || undefined,
    digest: text(model.digest),
    modified_at: text(model.modified_at),
    details: detailsOf(model),
  });

/** Ollama's name -> what lists call it: Ollama itself, LocalAI's usecases, llama.cpp's modalities. */
const capabilityNames: ReadonlyMap<string, readonly string[]> = new Map([
  ['completion', ['completion', 'chat']],
  ['embedding', ['embedding', 'embeddings']],
  ['tools', ['tools']],
  ['vision', ['vision', 'multimodal']],
  ['thinking', ['thinking']],
  ['insert', ['insert']],
]);

const capabilitiesOf = (said: unknown, inputs?: unknown): readonly string[] | undefined => {
  const words = texts(said) ?? [];
  const able = [...capabilityNames].filter(([, names]) => names.some((name) => words.includes(name)));
  const known = new Set(able.map(([name]) => name));
  // What a model can read is the better word for llama.cpp's "multimodal", which may be sound.
  const modalities = texts(inputs);
  if (modalities?.includes('image')) known.add('vision');
  else if (modalities) known.delete('vision');
  return known.size === 0 ? undefined : [...known];
};

const listOf = (list: unknown): readonly Fields[] | undefined =>
  Array.isArray(list) ? list.filter(isObject) : undefined;

const unique = (models: readonly (ListedModel | undefined)[]): readonly ListedModel[] => {
  const byId = new Map<string, ListedModel>();
  for (const model of models) if (model && !byId.has(model.id)) byId.set(model.id, model);
  return [...byId.values()];
};

const named = (id: unknown): id is string => typeof id === 'string' && id !== '';

/**
 * @returns the models of an OpenAI `GET /v1/models` answer. llama.cpp says more in a second list, `models`, in Ollama's
 *   words; LocalAI says in the entry what a model can do, llama.cpp what it can read.
 */
export const readOpenAIModels = (body: string): readonly ListedModel[] | undefined => {
  const answer = readObject(body);
  const data = listOf(answer?.data);
  if (!data) return undefined;
  const said = new Map((listOf(answer?.models) ?? []).map((one) => [one.model ?? one.name, one]));
  return unique(
    data.map((model) => {
      const { id } = model;
      if (!named(id)) return undefined;
      const { capabilities, details } = said.get(id) ?? {};
      const inputs = isObject(model.architecture) ? model.architecture.input_modalities : undefined;
      const size = isObject(model.meta) ? number(model.meta.size) : undefined;
      const tag = some({ size, details: detailsOf({ details }) });
      const entry = entryOf(model);
      const able = capabilitiesOf(capabilities ?? model.capabilities, inputs);
      return { id, ...(entry && { entry }), ...(tag && { tag }), ...(able && { capabilities: able }) };
    }),
  );
};

/** @returns the models of an Ollama `GET /api/tags` answer; a server without models says `null`. */
export const readOllamaModels = (body: string): readonly ListedModel[] | undefined => {
  const models = readObject(body)?.models;
  if (models === null) return [];
  return (
    listOf(models) &&
    unique(
      (listOf(models) ?? []).map((model) => {
        const { name: id, capabilities } = model;
        if (!named(id)) return undefined;
        const tag = tagOf(model);
        const able = capabilitiesOf(capabilities);
        return { id, ...(tag && { tag }), ...(able && { capabilities: able }) };
      }),
    )
  );
};

/** @returns the entries of an Ollama `GET /api/ps` answer, those that are in memory. */
export const readOllamaLoaded = (body: string): readonly Fields[] | undefined => {
  const models = readObject(body)?.models;
  return models === null ? [] : listOf(models);
};

/** @returns whether an OpenAI model list names this owner: servers put their own name there. */
export const isOwnedBy = (answer: Answer, owner: string): boolean =>
  listOf(readObject(answer.body)?.data)?.some((model) => model.owned_by === owner) ?? false;

/** @returns whether it is an OpenAI model list with entries that all lack what OpenAI's own always have. */
export const isBareList = (body: string): boolean => {
  const data = listOf(readObject(body)?.data);
  return !!data?.length && data.every((model) => named(model.id) && !('created' in model) && !('owned_by' in model));
};
