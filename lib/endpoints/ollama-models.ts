import { createHash } from 'node:crypto';
import type { Snapshot } from '../discovery/source.ts';
import type { Operation } from '../engines/engine.ts';
import type { Worker } from '../worker.ts';
import { type CatalogEntry, catalog, findModel, listedModel } from './catalog.ts';
import type { CanServe } from './endpoint.ts';

/** Models in Ollama's words. Loaded when somebody asks for them. */

const EPOCH = '1970-01-01T00:00:00Z';
const DETAILS = { parent_model: '', format: '', family: '', families: [], parameter_size: '', quantization_level: '' };
/** The level of Ollama's API spoken where no worker says one; clients refuse servers that say an older one. */
const API_VERSION = '0.9.0';

const OPERATIONS: readonly Operation[] = ['ollama_chat', 'ollama_generate', 'ollama_embed', 'ollama_embeddings'];

/** @returns tells whether a request in Ollama's words can be served by a worker. */
export const servesOllama =
  (canServe: CanServe) =>
  (worker: Worker): boolean =>
    OPERATIONS.some((operation) => canServe(worker, operation));

const sizeName = (parameters: unknown): string =>
  typeof parameters === 'number' && parameters > 0
    ? parameters >= 1e9
      ? `${(parameters / 1e9).toFixed(1)}B`
      : `${(parameters / 1e6).toFixed(0)}M`
    : '';

/** Clients tell models apart by digests; where no worker says one, the name stands for it. */
const digestOf = ({ id, tag }: CatalogEntry): string =>
  /[0-9a-f]{64}$/.exec(tag?.digest ?? '')?.[0] ?? createHash('sha256').update(id).digest('hex');

const detailsOf = ({ entry, tag }: CatalogEntry) => ({
  ...DETAILS,
  parameter_size: sizeName(entry?.meta?.n_params),
  ...tag?.details,
});

/** What nobody says anything about writes text; what reads and sees as well. */
const capabilitiesOf = ({ capabilities = [] }: CatalogEntry): readonly string[] =>
  capabilities.includes('completion') || capabilities.includes('embedding')
    ? capabilities
    : ['completion', ...capabilities];

/** An entry of `GET /api/tags`. */
export const tagOf = (entry: CatalogEntry) => ({
  name: entry.id,
  model: entry.id,
  modified_at: entry.tag?.modified_at ?? EPOCH,
  size: entry.tag?.size ?? 0,
  digest: digestOf(entry),
  details: detailsOf(entry),
  capabilities: capabilitiesOf(entry),
});

/** What can be said of a model that runs on an engine without Ollama's API (`POST /api/show`). */
export const shownOf = (entry: CatalogEntry) => {
  const { id, aliasOf = id, entry: said } = entry;
  const details = detailsOf(entry);
  const window =
    said?.max_model_len ?? said?.meta?.n_ctx ?? said?.meta?.n_ctx_train ?? said?.context_length ?? said?.context_window;
  // Clients look for the window under the architecture's name.
  const architecture = details.family || 'model';
  return {
    modelfile: `FROM ${aliasOf}\n`,
    parameters: '',
    template: '',
    details,
    model_info: {
      'general.basename': id,
      ...(window === undefined
        ? {}
        : { 'general.architecture': architecture, [`${architecture}.context_length`]: window }),
      ...(said?.meta?.n_params === undefined ? {} : { 'general.parameter_count': said.meta.n_params }),
    },
    // What stands behind the gap (`suffix`) has no counterpart in other dialects.
    capabilities: capabilitiesOf(entry).filter((one) => one !== 'insert'),
    modified_at: entry.tag?.modified_at ?? EPOCH,
  };
};

/** The version that all workers with Ollama's own API have: a client must not count on more. */
export const ollamaVersion = ({ workers }: Snapshot): string => {
  const versions = workers.flatMap(({ status, version }) => (status === 'healthy' && version ? [version] : []));
  const [lowest] = versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  return lowest ?? API_VERSION;
};

/** The entries of `GET /api/tags`. */
export const tagsIn = (snapshot: Snapshot, canServe: CanServe) => catalog(snapshot, servesOllama(canServe)).map(tagOf);

/**
 * The gateway's own answer to `POST /api/show`.
 * @param isFailed nobody has answered: a worker that may have any model knows better than its list whether it has this one.
 * @returns `undefined` where there is no such model.
 */
export const shownIn = (snapshot: Snapshot, name: string, canServe: CanServe, isFailed: boolean) => {
  const entry = (isFailed ? findModel : listedModel)(snapshot, name, servesOllama(canServe));
  return entry && shownOf(entry);
};
