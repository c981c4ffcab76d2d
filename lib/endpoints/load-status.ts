import { progressOf } from '../discovery/loading.ts';
import type { ScaledService } from '../discovery/scaled-service.ts';
import type { Snapshot } from '../discovery/source.ts';
import type { Loading } from '../errors.ts';
import { namesModel, sameModel } from '../worker.ts';
import type { AnswerContext } from './endpoint.ts';

const READ_MS = 2_000;

/** @returns whether it is on its way, or somebody has just asked for it. */
const isLoading = async ({ name, state, since }: ScaledService, wishes: AnswerContext['wishes']): Promise<boolean> => {
  if (state === 'waking') return true;
  if (!wishes || state === 'failed' || state === 'awake') return false;
  const wantedAt = (await wishes()).wantedAt(name, AbortSignal.timeout(READ_MS)).catch(() => undefined);
  return ((await wantedAt) ?? 0) > since;
};

/**
 * @param id as a client calls the model.
 * @returns what is said of a model that loads (docs/contract.md 11); `undefined`: nothing loads for it.
 */
export const loadingNow = async (
  id: string,
  { aliases, workers, services = [] }: Snapshot,
  wishes: AnswerContext['wishes'],
): Promise<Loading | undefined> => {
  const alias = Object.keys(aliases).find((name) => sameModel(name, id));
  const model = alias === undefined ? id : (aliases[alias] ?? id);
  const named = services.filter((service) => namesModel(service, model));
  if (named.length === 0) return undefined;
  if (workers.some((worker) => worker.status === 'healthy' && namesModel(worker, model))) return undefined;
  for (const service of named) {
    if (!(await isLoading(service, wishes))) continue;
    const { state, etaSeconds } = progressOf(service, Date.now());
    return { model: id, state, ...(etaSeconds !== undefined && { eta_seconds: etaSeconds }) };
  }
  return undefined;
};
