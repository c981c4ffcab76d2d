import type { Snapshot } from '../discovery/source.ts';
import { engineOf } from '../engines/index.ts';
import type { Fields } from '../json.ts';
import type { Ask } from '../upstream/ask.ts';
import { sameModel, type Worker } from '../worker.ts';
import { catalog } from './catalog.ts';
import type { AnswerContext } from './endpoint.ts';
import { servesOllama, tagOf } from './ollama-models.ts';

/** Ollama's own word for a model that is never unloaded; its clients call a time in the past "Stopping...". */
const FOREVER = '2318-01-01T00:00:00Z';
/** How long a worker may take to say what it has in memory. */
const LOADED_MS = 1000;

/** @returns Ollama's entries of what a worker has in memory, or its own names where all of them are. */
const loadedAt = async (worker: Worker, ask: Ask): Promise<readonly Fields[]> => {
  const { loaded } = engineOf(worker.engine);
  if (loaded === undefined) return [];
  const answer = loaded === 'all' ? undefined : await ask(worker, loaded.path, { timeoutMs: LOADED_MS });
  const found = loaded === 'all' ? loaded : answer && answer.status < 300 ? loaded.read(answer.body) : undefined;
  return found === 'all' ? (worker.models ?? []).map((name) => ({ name })) : (found ?? []);
};

/** The entries of `GET /api/ps`: asked for now, since a minute later another model is in memory. */
export const loadedModels = async (snapshot: Snapshot, { ask, canServe }: Pick<AnswerContext, 'ask' | 'canServe'>) => {
  const serves = servesOllama(canServe);
  const workers = snapshot.workers.filter((worker) => worker.status === 'healthy' && serves(worker));
  const said = (await Promise.all(workers.map((worker) => loadedAt(worker, ask)))).flat();
  return catalog(snapshot, serves).flatMap((entry) => {
    if (entry.aliasOf !== undefined) return [];
    const found = said.filter(({ name }) => typeof name === 'string' && sameModel(name, entry.id));
    if (found.length === 0) return [];
    const { expires_at, size_vram, context_length } = found.find((one) => 'expires_at' in one) ?? {};
    return [
      {
        ...tagOf(entry),
        expires_at: typeof expires_at === 'string' ? expires_at : FOREVER,
        size_vram: typeof size_vram === 'number' ? size_vram : 0,
        ...(typeof context_length === 'number' && { context_length }),
      },
    ];
  });
};
