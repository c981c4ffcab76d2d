import type { FleetWorker } from '../discovery/fleet.ts';
import { listingOf, RECOGNISE_MS, readModelList } from '../discovery/look.ts';
import { type Answer, type Engine, isOk } from '../engines/engine.ts';
import { engineOf, LIST_PATH, recognise } from '../engines/index.ts';
import type { Ask } from '../upstream/ask.ts';

/** A worker in the middle of a long step answers late; twice this is given to one that should be up. */
const TIMEOUT_MS = 2_000;

/** A worker as its service describes it. */
export interface Prospect extends Pick<FleetWorker, 'id' | 'name' | 'service' | 'url' | 'load' | 'labels' | 'serves'> {
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
  /** No key can be read at the moment: a worker that asks for one says nothing about itself. */
  readonly isKeyless?: boolean;
  readonly signal: AbortSignal;
}

/**
 * A worker that is not to be asked: pending, draining, or unhealthy by ECS's own word.
 * @param known what earlier runs found out about it.
 */
export const unasked = (
  { listed: _listed, ...prospect }: Prospect,
  status: 'pending' | 'unhealthy' | 'draining',
  known: FleetWorker | undefined,
): FleetWorker => ({
  ...prospect,
  status,
  engine: prospect.engine ?? known?.engine,
  ...listingOf(prospect.models, undefined, known),
  version: known?.version,
  sleepsByItself: known?.sleepsByItself,
  lastHeartbeat: known?.lastHeartbeat,
});

const refusesKey = (answer: Answer | undefined) => answer?.status === 401 || answer?.status === 403;

/** As it was, but for the heartbeat: nobody has looked. */
const kept = (known: FleetWorker): FleetWorker =>
  known.status === 'healthy' ? { ...known, lastHeartbeat: undefined } : known;

/**
 * Asks a worker that should be up: which engine (when nobody said), whether its health path answers, which models, and
 * whether it sleeps.
 *
 * A worker that does not answer is `pending` until it has answered once, `unhealthy` afterwards. A list that cannot be
 * read leaves the one read before, or none: then the worker may have any model. When the signal aborts, out of time, or
 * the worker asks for a key while none can be read, it stays as it was known.
 */
export const examine = async (
  prospect: Prospect,
  { ask, known, apiKey, isKeyless = false, signal }: ExamineOptions,
): Promise<FleetWorker> => {
  const within = (ms: number) => async (path: string) =>
    signal.aborted ? undefined : ask({ url: prospect.url, apiKey }, path, { timeoutMs: ms, signal });
  const question = within(TIMEOUT_MS);

  const stated = prospect.engine ?? (known?.status === 'healthy' ? known.engine : undefined);
  // One question first: of a thousand workers many may be gone, and nine to each would be more than a function has sockets.
  const first = stated === undefined ? await within(RECOGNISE_MS)(LIST_PATH) : undefined;
  const isSilent = stated === undefined && first === undefined;
  const found = stated ?? (first && (await recognise(within(RECOGNISE_MS), first)));
  const engine = engineOf(found ?? known?.engine);

  let health = isSilent ? undefined : await question(engine.healthPath);
  if (!isOk(health) && !isSilent) health = (await question(engine.healthPath)) ?? health;
  const list =
    health && (isOk(health) || prospect.listed || !found) ? await readModelList(engine, question) : undefined;

  if (signal.aborted && known && !isOk(health)) return kept(known);
  if (isKeyless && known && refusesKey(health)) return kept(known);

  // What no sign gave away counts as LocalAI, but may lack LocalAI's health path: then its model list speaks for it.
  const isHealthy: boolean = isOk(health);
  const isUp =
    isHealthy ||
    (health !== undefined && prospect.listed && health.status < 500) ||
    (health?.status === 404 && !found && list !== undefined);
  const wasUp = known?.status === 'healthy' || known?.status === 'unhealthy' || known?.isAsleep;
  if (!isUp) return unasked(prospect, wasUp ? 'unhealthy' : 'pending', known);

  const isAsleep = await sleeps(engine, question);
  const { listed: _listed, ...rest } = prospect;
  return {
    ...rest,
    status: isAsleep && !engine.sleep?.wakesItself ? 'pending' : 'healthy',
    ...(isAsleep && !engine.sleep?.wakesItself && { isAsleep }),
    ...((isAsleep || known?.sleepsByItself) && engine.sleep?.wakesItself && { sleepsByItself: true as const }),
    engine: found ?? known?.engine,
    ...listingOf(prospect.models, list, known),
    ...(isOk(health) && engine.readVersion && { version: engine.readVersion(health.body) }),
  };
};

const sleeps = async ({ sleep }: Engine, question: (path: string) => Promise<Answer | undefined>) => {
  const answer = sleep && (await question(sleep.path));
  return isOk(answer) && sleep?.read(answer.body) === true ? (true as const) : undefined;
};
