import type { Snapshot } from '../discovery/source.ts';
import { hasModel, type ListedModel, sameModel, type Worker, withoutLatest } from '../worker.ts';

/** One model a client may name, and what the workers that list it say of it and agree on. */
export interface CatalogEntry extends ListedModel {
  /** The alias's target, where the entry is an alias. */
  readonly aliasOf?: string;
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @returns the fields on which all agree that have them, inner ones likewise; `undefined` when there is none. */
const agreed = <T extends object>(said: readonly (T | undefined)[]): T | undefined => {
  const sayings = said.filter((one) => one !== undefined) as readonly Fields[];
  if (sayings.length < 2) return sayings[0] as T | undefined;
  const fields = new Map<string, unknown[]>();
  for (const one of sayings) {
    for (const [name, value] of Object.entries(one)) fields.set(name, [...(fields.get(name) ?? []), value]);
  }
  const kept = [...fields].flatMap(([name, values]): [string, unknown][] => {
    if (values.every(isFields)) {
      const inner = agreed(values);
      return inner ? [[name, inner]] : [];
    }
    return new Set(values.map((value) => JSON.stringify(value))).size === 1 ? [[name, values[0]]] : [];
  });
  return kept.length > 0 ? (Object.fromEntries(kept) as T) : undefined;
};

/** What every worker can do with a model that says what it can do with it. */
const common = (lists: readonly (readonly string[] | undefined)[]): readonly string[] | undefined => {
  const [first, ...rest] = lists.filter((list) => list !== undefined);
  return first?.filter((one) => rest.every((list) => list.includes(one)));
};

const merged = (id: string, said: readonly ListedModel[]): CatalogEntry => {
  const entry = agreed(said.map((one) => one.entry));
  const tag = agreed(said.map((one) => one.tag));
  const capabilities = common(said.map((one) => one.capabilities));
  return { id, ...(entry && { entry }), ...(tag && { tag }), ...(capabilities && { capabilities }) };
};

/** Which workers a model must have one of. */
type Serves = (worker: Worker) => boolean;

/** A model that sleeps is there: whoever asks for it wakes it. */
const routable = ({ workers, sleepers = [] }: Snapshot) => [
  ...workers.filter(({ status }) => status === 'healthy'),
  ...sleepers,
];

/**
 * @param serves which workers a model must have one of; default: any.
 * @returns the union of what routable workers list, and the aliases whose target they may have; each once, sorted. A
 *   model that one worker calls `a` and another `a:latest` is `a`.
 */
export const catalog = (snapshot: Snapshot, serves: Serves = () => true): readonly CatalogEntry[] => {
  const workers = routable(snapshot);
  const models = new Map<string, { id: string; said: ListedModel[]; isServed: boolean }>();
  for (const worker of workers) {
    const facts = new Map(worker.about?.map((one) => [one.id, one]));
    const isServing = serves(worker);
    for (const id of worker.models ?? []) {
      if (id === '*') continue;
      const key = withoutLatest(id);
      const model = models.get(key) ?? { id, said: [], isServed: false };
      if (id === key) model.id = id;
      model.said.push(facts.get(id) ?? { id });
      model.isServed ||= isServing;
      models.set(key, model);
    }
  }
  const entries = new Map<string, CatalogEntry>();
  for (const [key, { id, said, isServed }] of models) if (isServed) entries.set(key, merged(id, said));
  // As in routing: an alias wins over a model of the same name.
  const aliases = Object.entries(snapshot.aliases).flatMap(([id, aliasOf]): [string, CatalogEntry][] => {
    if (!workers.some((worker) => hasModel(worker, aliasOf) && serves(worker))) return [];
    return [[withoutLatest(id), { ...entries.get(withoutLatest(aliasOf)), id, aliasOf }]];
  });
  for (const [key, entry] of aliases) entries.set(key, entry);
  return [...entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
};

/** @returns the entry a client means by a name. */
export const listedModel = (snapshot: Snapshot, name: string, serves?: Serves): CatalogEntry | undefined =>
  catalog(snapshot, serves).find(({ id }) => sameModel(id, name));

/** @returns the same, and an entry for any name where a worker may have any model. */
export const findModel = (snapshot: Snapshot, name: string, serves: Serves = () => true): CatalogEntry | undefined =>
  listedModel(snapshot, name, serves) ??
  (routable(snapshot).some((worker) => hasModel(worker, name) && serves(worker)) ? { id: name } : undefined);
