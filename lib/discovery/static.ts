import { isOk } from '../engines/engine.ts';
import { engineOf, recognise } from '../engines/index.ts';
import type { log as Log } from '../telemetry/log.ts';
import { type Clock, systemClock } from '../time/clock.ts';
import type { Worker } from '../worker.ts';
import { type Cached, createCached } from './cached.ts';
import { type AskWorker, listingOf, RECOGNISE_MS, readModelList, wantsList } from './look.ts';

/** A request waits so long for what workers say of themselves; what comes later counts for the next one. */
const PATIENCE_MS = 1_000;
/** How long a worker may take for its model list. */
const LIST_MS = 5_000;
/** By the wall clock an older look was frozen with its sockets. */
const LOOK_MS = RECOGNISE_MS + 2 * LIST_MS;

/** They come with the environment, and nobody waits for another list of them. */
export type StaticWorkers = Pick<Cached<readonly Worker[]>, 'current' | 'settled'>;

/** What was found out about a worker: as much of it as its record leaves open. */
type Known = Pick<Worker, 'engine' | 'models' | 'about' | 'version'>;

export interface StaticWorkersOptions {
  /** As an operator lists them. */
  readonly workers: readonly Worker[];
  readonly ttlMs: number;
  readonly ask: AskWorker;
  readonly log: typeof Log;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** @returns whether the record leaves something open. */
const isOpen = ({ engine, models }: Worker): boolean => engine === undefined || wantsList(models);

/**
 * Workers given by the environment. What their records leave out they are asked, all at once, once per cache time: which
 * engine they are, and which models they have. A worker keeps what it said last; until it has said something it counts
 * as LocalAI, and may have any model.
 */
export const createStaticWorkers = (options: StaticWorkersOptions): StaticWorkers => {
  const { workers, ttlMs, ask, log, clock = systemClock, random } = options;
  const asked = workers.filter(isOpen);
  if (asked.length === 0) return { current: async () => workers, settled: async () => {} };

  const known = new Map<string, Known>();
  /** Workers that answered the last time they were asked: their engine need not be looked for again. */
  const heard = new Set<string>();
  const flights = new Map<string, { readonly startedAt: number; readonly done: Promise<void> }>();
  let assembled: readonly Worker[] | undefined;

  const look = async (worker: Worker) => {
    const { id, models: given } = worker;
    const before = known.get(id);
    const within = (timeoutMs: number) => (path: string) => ask(worker, path, { timeoutMs });
    const wanted = worker.engine === undefined && !heard.has(id);
    const name = worker.engine ?? (wanted ? await recognise(within(RECOGNISE_MS)) : undefined) ?? before?.engine;
    const engine = engineOf(name);
    const [list, health] = await Promise.all([
      wantsList(given) ? readModelList(engine, within(LIST_MS)) : undefined,
      engine.readVersion && within(LIST_MS)(engine.healthPath),
    ]);
    if (name !== undefined && (list || !wantsList(given))) heard.add(id);
    else heard.delete(id);
    const version = isOk(health) ? engine.readVersion?.(health.body) : before?.version;
    const now: Known = { engine: name, ...listingOf(given, list, before), version };
    if (JSON.stringify(now) === JSON.stringify(before)) return;
    known.set(id, now);
    assembled = undefined;
  };

  const flightOf = (worker: Worker): Promise<void> => {
    const { id } = worker;
    const under = flights.get(id);
    const age = under ? clock.now() - under.startedAt : Number.NaN;
    if (under && age >= 0 && age <= LOOK_MS) return under.done;
    const flight = { startedAt: clock.now(), done: look(worker).catch(() => {}) };
    flights.set(id, flight);
    return flight.done.then(() => {
      if (flights.get(id) === flight) flights.delete(id);
    });
  };

  const cached = createCached({
    async load() {
      const patience = new AbortController();
      await Promise.race([Promise.all(asked.map(flightOf)), clock.sleep(PATIENCE_MS, patience.signal)]);
      patience.abort();
    },
    ttlMs,
    log,
    clock,
    ...(random && { random }),
  });

  return {
    async current(signal) {
      await cached.current(signal);
      // The same array as long as nothing changed: the router hangs its own state on it.
      assembled ??= workers.map((worker) => {
        const { engine, ...found } = known.get(worker.id) ?? {};
        return { ...worker, ...found, engine: worker.engine ?? engine };
      });
      return assembled;
    },
    settled: () => cached.settled(),
  };
};
