import type { Snapshot } from '../discovery/source.ts';
import { type CatalogEntry, catalog, findModel } from './catalog.ts';

/** In whose words; names and not dialects, which are others in a file that is loaded on demand. */
export type Words = 'openai' | 'anthropic';

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

const toEntry: Readonly<Record<Words, (entry: CatalogEntry) => object>> = {
  openai: openaiModel,
  anthropic: anthropicModel,
};

/** `GET /v1/models`. */
export const modelsIn = (snapshot: Snapshot, words: Words) => {
  const entries = catalog(snapshot);
  const data = entries.map(toEntry[words]);
  return words === 'openai'
    ? { object: 'list', data }
    : { data, has_more: false, first_id: entries.at(0)?.id ?? null, last_id: entries.at(-1)?.id ?? null };
};

/** `GET /v1/models/{id}`; `undefined`: there is none. */
export const modelIn = (snapshot: Snapshot, id: string, words: Words) => {
  const entry = findModel(snapshot, id);
  return entry && toEntry[words](entry);
};
