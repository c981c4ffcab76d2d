import { type Answer, parseJson } from './engine.ts';

const entriesOf = (body: string, field: 'data' | 'models'): Record<string, unknown>[] | undefined => {
  const list = parseJson(body)?.[field];
  if (!Array.isArray(list)) return undefined;
  return list.filter((entry) => typeof entry === 'object' && entry !== null);
};

const names = (entries: Record<string, unknown>[] | undefined, field: 'id' | 'name') =>
  entries && [
    ...new Set(entries.map((entry) => entry[field]).filter((name) => typeof name === 'string' && name !== '')),
  ];

/** @returns the ids of an OpenAI `GET /v1/models` answer. */
export const readOpenAIModels = (body: string): readonly string[] | undefined =>
  names(entriesOf(body, 'data'), 'id') as string[] | undefined;

/** @returns the names of an Ollama `GET /api/tags` answer; a server without models says `null`. */
export const readOllamaModels = (body: string): readonly string[] | undefined =>
  parseJson(body)?.models === null ? [] : (names(entriesOf(body, 'models'), 'name') as string[] | undefined);

/** @returns whether an OpenAI model list names this owner: servers put their own name there. */
export const isOwnedBy = (answer: Answer, owner: string): boolean =>
  entriesOf(answer.body, 'data')?.some((entry) => entry.owned_by === owner) ?? false;
