import type { FleetWorker } from '../discovery/fleet.ts';
import type { Answer } from '../engines/engine.ts';
import { engineOf, recognise } from '../engines/index.ts';
import type { Ask } from '../upstream/ask.ts';

/** A worker in the middle of a long step answers late; twice this is given to one that should be up. */
const timeoutMs = 2_000;

/** A worker as its service describes it. */
export interface Target extends Pick<FleetWorker, 'id' | 'name' | 'service' | 'url' | 'load' | 'labels'> {
  readonly engine?: string | undefined;
  readonly models?: readonly string[] | undefined;
  /** Operators' own lists need not have a health path: any answer below 500 counts. */
  readonly listed?: boolean;
}

export interface ExamineOptions {
  readonly ask: Ask;
  /** The worker as the previous fleet had it. */
  readonly known: FleetWorker | undefined;
  /** The key of the worker's service. */
  readonly apiKey: string | undefined;
  readonly signal: AbortSignal;
}

const isOk = (answer: Answer | undefined) => answer !== undefined && answer.status >= 200 && answer.status < 300;

/**
 * A worker that is not to be asked: pending, draining, or unhealthy by ECS's own word.
 * @param known what earlier runs found out about it.
 */
export const unasked = (
  { listed: _listed, ...target }: Target,
  status: 'pending' | 'unhealthy' | 'draining',
  known: FleetWorker | undefined,
): FleetWorker => ({
  ...target,
  status,
  engine: target.engine ?? known?.engine ?? engineOf(undefined).name,
  models: target.models ?? known?.models,
  lastHeartbeat: known?.lastHeartbeat,
});

/**
 * Asks a worker that should be up: which engine (when nobody said), whether its health path answers, which models.
 *
 * A worker that does not answer is `pending` until it has answered once, `unhealthy` afterwards. A list that cannot be
 * read leaves the one read before, or none: then the worker may have any model. When the signal aborts, out of time,
 * the worker stays as it was known.
 */
export const examine = async (target: Target, { ask, known, apiKey, signal }: ExamineOptions): Promise<FleetWorker> => {
  const question = async (path: string) =>
    signal.aborted ? undefined : ask({ url: target.url, apiKey }, path, { timeoutMs, signal });

  let silent = false;
  const signs = async (path: string) => {
    const answer = silent ? undefined : await question(path);
    // Nobody there: the other signs need not be waited for.
    silent ||= answer === undefined;
    return answer;
  };
  const found = target.engine ?? (known?.status === 'healthy' ? known.engine : await recognise(signs));
  const engine = engineOf(found ?? known?.engine);

  let health = silent ? undefined : await question(engine.healthPath);
  if (!isOk(health) && !silent) health = (await question(engine.healthPath)) ?? health;
  const list = health && (isOk(health) || target.listed || !found) ? await question(engine.modelsPath) : undefined;
  const models = list && isOk(list) ? engine.readModels(list.body) : undefined;

  // What no sign gave away counts as LocalAI, but may lack LocalAI's health path: then its model list speaks for it.
  const up =
    isOk(health) ||
    (health !== undefined && target.listed && health.status < 500) ||
    (health?.status === 404 && !found && models !== undefined);
  const wasUp = known?.status === 'healthy' || known?.status === 'unhealthy';
  if (!up && signal.aborted && known) {
    return known.status === 'healthy' ? { ...known, lastHeartbeat: undefined } : known;
  }
  if (!up) return unasked(target, wasUp ? 'unhealthy' : 'pending', known);
  const { listed: _listed, ...rest } = target;
  return {
    ...rest,
    status: 'healthy',
    engine: engine.name,
    models: target.models ?? (models ? [...models].sort() : known?.models),
  };
};
