import type { FleetWorker } from '../discovery/fleet.ts';
import type { Work } from '../engines/engine.ts';
import type { Clock } from '../time/clock.ts';
import { mapParallel } from './parallel.ts';
import type { Kept } from './scale-store.ts';
import type { ScaledRoster } from './scaled-roster.ts';
import type { Look, SeenWorker } from './service-look.ts';
import type { ScaledEcsService } from './services.ts';
import type { SeenWork, WorkReader } from './work.ts';

const WORKERS_AT_ONCE = 50;
/** While it works, an engine that may sleep by itself is not asked for its counters again within this time. */
const LATELY_MS = 50_000;
const MINUTE_MS = 60_000;

/** Task ids as records hold them: there may be many, and a parameter is small. */
export const short = (nodeId: string): string => nodeId.slice(0, 8);

export const isUp = ({ status, isAsleep }: FleetWorker) => status === 'healthy' || isAsleep === true;

/**
 * Whether a service is known to be idle, and what its engines have counted meanwhile may wait: an engine that may sleep by
 * itself would not come to it, if it were asked every minute. What was done until then shows when it is asked at last. As
 * long as there could be more workers, it is asked after 1, 2, 4, 8... minutes, for requests may wait.
 */
const mayRest = (
  { scale }: ScaledEcsService,
  { record, wantedAt }: Kept,
  at: Pick<Look, 'now' | 'desired'>,
): boolean => {
  if (record?.state !== 'awake' || record.idleSince === undefined) return false;
  if (at.now - Math.max(record.idleSince, wantedAt ?? 0) >= scale.idleMs) return false;
  if (at.desired >= scale.max) return true;
  const minutes = (at.now - record.idleSince) / MINUTE_MS;
  return minutes >= 1 && minutes - 2 ** Math.floor(Math.log2(minutes)) >= 1;
};

/** Reads what a scaled service's workers do and have done. */
export const createScaledWork = ({ work, clock }: { readonly work: WorkReader; readonly clock: Clock }) => {
  /** What engines that may sleep by themselves said last. */
  const lately = new Map<string, { readonly at: number; readonly work: SeenWork }>();

  /** @param sofar what a worker said last, where that may do for an engine that may sleep by itself. */
  const readWorks = (
    { workers, apiKey }: ScaledRoster,
    signal: AbortSignal,
    sofar: (worker: FleetWorker) => Work | undefined = () => undefined,
  ): Promise<SeenWorker[]> =>
    mapParallel(workers, WORKERS_AT_ONCE, async (worker): Promise<SeenWorker> => {
      const id = short(worker.id);
      if (!isUp(worker)) return { id, isHealthy: false, work: undefined };
      const known = sofar(worker);
      const seen = await work.read({ ...worker, apiKey }, { signal, lately: known });
      if (typeof seen === 'object' && !known) lately.set(worker.id, { at: clock.now(), work: seen });
      return { id, isHealthy: true, work: seen };
    });

  const sofarOf = ({ service }: ScaledRoster, kept: Kept, at: Pick<Look, 'now' | 'desired'>) => {
    const isResting = mayRest(service, kept, at);
    const served = kept.record?.served ?? {};
    return ({ id }: FleetWorker): Work | undefined => {
      const last = lately.get(id);
      const age = at.now - (last?.at ?? 0);
      if (last && age >= 0 && age < Math.min(LATELY_MS, service.scale.idleMs / 4)) return last.work;
      const count = Object.hasOwn(served, short(id)) ? served[short(id)] : undefined;
      return isResting && count !== undefined ? { running: 0, waiting: 0, served: count } : undefined;
    };
  };

  return { readWorks, sofarOf };
};

export type ReadWorks = ReturnType<typeof createScaledWork>['readWorks'];
