import type { Snapshot } from '../discovery/source.ts';
import { sameModel } from '../worker.ts';

/** One model a client may name. */
export interface CatalogEntry {
  readonly id: string;
  /** The alias's target, where the entry is an alias. */
  readonly aliasOf?: string;
}

/** @returns the union of what routable workers list, and the aliases whose target is served; each id once, sorted. */
export const catalog = ({ workers, aliases }: Snapshot): readonly CatalogEntry[] => {
  const listed = workers.filter(({ status }) => status === 'healthy').flatMap(({ models }) => models ?? []);
  const entries = new Map<string, CatalogEntry>();
  for (const id of listed) if (id !== '*') entries.set(id, { id });
  for (const [id, aliasOf] of Object.entries(aliases)) if (!entries.has(id)) entries.set(id, { id, aliasOf });
  return [...entries.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
};

/** @returns the entry a client means by a name. */
export const findModel = (snapshot: Snapshot, name: string): CatalogEntry | undefined =>
  catalog(snapshot).find(({ id }) => sameModel(id, name));
