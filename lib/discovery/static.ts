import { engineOf } from '../engines/index.ts';
import type { log as Log } from '../telemetry/log.ts';
import type { Worker } from '../worker.ts';
import { createCached } from './cached.ts';
import type { Snapshot, Source } from './source.ts';

/** How long a worker may take to say which models it has. */
const LIST_MS = 1000;

/** GET on a worker; the body of a 2xx answer, else `undefined`. Never throws. */
export type ReadText = (worker: Worker, path: string, timeoutMs: number) => Promise<string | undefined>;

/** @returns the workers, each with its own model list where it gave none and says one; otherwise it may have any model. */
export const withModels = (workers: readonly Worker[], read: ReadText): Promise<readonly Worker[]> =>
  Promise.all(
    workers.map(async (worker) => {
      if (worker.models) return worker;
      const { modelsPath, readModels } = engineOf(worker.engine);
      const body = await read(worker, modelsPath, LIST_MS);
      const models = body === undefined ? undefined : readModels(body);
      return models ? { ...worker, models } : worker;
    }),
  );

export interface StaticOptions {
  /** All but the workers is fixed. */
  readonly settings: Omit<Snapshot, 'workers'>;
  readonly workers: readonly Worker[];
  readonly ttlMs: number;
  readonly read: ReadText;
  readonly log: typeof Log;
}

/** Workers given by the environment. Model lists they came without are asked for, all at once, once per cache time. */
export const createStaticSource = ({ settings, workers, ttlMs, read, log }: StaticOptions): Source => {
  if (workers.every(({ models }) => models)) {
    return { current: async () => ({ ...settings, workers }), settled: async () => {} };
  }
  return createCached({ load: async () => ({ ...settings, workers: await withModels(workers, read) }), ttlMs, log });
};
