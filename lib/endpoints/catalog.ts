import type { Snapshot } from '../discovery/source.ts';
import { hasModel, sameModel, withoutLatest } from '../worker.ts';

/** One model a client may name. */
export interface CatalogEntry {
  readonly id: string;
  /** The alias's target, where the entry is an alias. */
  readonly aliasOf?: string;
}

const routable = ({ workers }: Snapshot) => workers.filter(({ status }) => status === 'healthy');

/**
 * @returns the union of what routable workers list, and the aliases whose target they may have; each once, sorted. A
 *   model that one worker calls `a` and another `a:latest` is `a`.
 */
export const catalog = (snapshot: Snapshot): readonly CatalogEntry[] => {
  const workers = routable(snapshot);
  const entries = new Map<string, CatalogEntry>();
  for (const { models } of workers) {
    for (const id of models ?? []) {
      const key = withoutLatest(id);
      if (id !== '*' && (id === key || !entries.has(key))) entries.set(key, { id });
    }
  }
  for (const [id, aliasOf] of Object.entries(snapshot.aliases)) {
    // As in routing: an alias wins over a model of the same name.
    if (workers.some((worker) => hasModel(worker, aliasOf))) entries.set(withoutLatest(id), { id, aliasOf });
  }
  return [...entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
};

/** @returns the entry a client means by a name. */
export const listedModel = (snapshot: Snapshot, name: string): CatalogEntry | undefined =>
  catalog(snapshot).find(({ id }) => sameModel(id, name));

/** @returns the same, and an entry for any name where a worker may have any model. */
export const findModel = (snapshot: Snapshot, name: string): CatalogEntry | undefined =>
  listedModel(snapshot, name) ??
  (routable(snapshot).some((worker) => hasModel(worker, name)) ? { id: name } : undefined);
