import type { ECSClient } from '@aws-sdk/client-ecs';
import type { SSMClient } from '@aws-sdk/client-ssm';
import type { FleetWorker } from '../discovery/fleet.ts';
import { workerKeyOf } from '../discovery/parameters.ts';
import type { log as Log } from '../telemetry/log.ts';
import type { Clock } from '../time/clock.ts';
import type { Ask } from '../upstream/ask.ts';
import { describe } from './describe.ts';
import { examine, unasked } from './examine.ts';
import { shortened } from './fit.ts';
import { createFleetStore, type Stored } from './fleet-store.ts';
import { createPacer } from './pacer.ts';
import { atMost, mapParallel } from './parallel.ts';
import { createTelling, type Report } from './report.ts';
import { createRosterReader, type Roster } from './roster.ts';
import { createScaleStore } from './scale-store.ts';
import type { ScaledRoster } from './scaled-roster.ts';
import { createScaler } from './scaler.ts';
import { isScaled, type readServices } from './services.ts';
import { createWorkReader } from './work.ts';

/** ECS allows 20 such calls a second for the whole account. */
const SERVICES_AT_ONCE = 5;
/** 1,000 workers, none of which answers, are through in 20 s. */
const WORKERS_AT_ONCE = 200;
/** A function has 1,024 file descriptors, and a question is a socket. */
const QUESTIONS_AT_ONCE = 500;
/** SSM's standard throughput is three `PutParameter` a second, for the whole account. */
const PUTS_PER_SECOND = 3;
/** Cache times for which gateways may go on sending to a worker that is listed as draining. */
const DRAINING_TTLS = 4;

export interface LookOptions {
  readonly prefix: string;
  readonly ssm: SSMClient;
  readonly ecs: ECSClient;
  readonly ask: Ask;
  readonly log: typeof Log;
  readonly clock: Clock;
  /** `GATEWAY_CONFIG_TTL_SECONDS` of the gateways, in milliseconds. */
  readonly configTtlMs: number;
}

/** What came of one look at everything. */
export interface Looked {
  readonly report: Report;
  /** Somebody waits for a service. */
  readonly isWaking: boolean;
}

interface Found extends Roster {
  /** They are those that were there before: nobody could tell who is there now. */
  readonly isKept?: true;
}

type Services = Awaited<ReturnType<typeof readServices>>;

/** @returns looks at all services, tasks, engines and wishes once, acts on them, and writes the fleet (docs/contract.md 9, 11). */
export const createLook = ({ prefix, ssm, ecs, ask, log, clock, configTtlMs }: LookOptions) => {
  const pace = createPacer(PUTS_PER_SECOND, clock);
  const store = createFleetStore({ ssm, prefix, clock, log, pace });
  const work = createWorkReader(atMost(QUESTIONS_AT_ONCE, ask));
  const scale = createScaler({
    ecs,
    store: createScaleStore({ ssm, prefix, log, pace }),
    work,
    log,
    clock,
    drainMs: DRAINING_TTLS * configTtlMs,
  });
  const discover = createRosterReader({ ecs, log });
  const tell = createTelling({ log, clock });

  const unique = (workers: readonly FleetWorker[]) => {
    const byId = new Map<string, FleetWorker>();
    for (const worker of workers) {
      if (byId.has(worker.id)) log('error', 'worker_listed_twice', { worker: worker.id, service: worker.service });
      else byId.set(worker.id, worker);
    }
    return [...byId.values()];
  };

  /** Who is there. A service that cannot be read keeps the workers it had. */
  const rostersOf = (services: Services, before: Stored, signal: AbortSignal) =>
    mapParallel([...services], SERVICES_AT_ONCE, async ([name, service]) => {
      const keep = (reason: string): Found => {
        const kept = (before.fleet?.listed ?? []).filter((worker) => worker.service === name);
        log('error', 'service_kept', { service: name, reason, workers: kept.length });
        return { targets: [], kept, isKept: true };
      };
      const roster = async (): Promise<Found> => {
        if ('malformed' in service) return keep(`parameter ${prefix}/services/${name}: ${service.malformed}`);
        try {
          return await discover({ name, service, before }, signal);
        } catch (error) {
          return keep(describe(error));
        }
      };
      return { name, service, ...(await roster()) };
    });

  /** What they are, each asked by itself. */
  const examined = (targets: Roster['targets'], before: Stored, signal: AbortSignal) => {
    const known = new Map((before.fleet?.workers ?? []).map((worker) => [worker.id, worker]));
    return mapParallel(targets, WORKERS_AT_ONCE, async ({ target, phase }): Promise<FleetWorker> => {
      const previously = known.get(target.id);
      if (phase !== 'running') return unasked(target, phase, previously);
      const apiKey = workerKeyOf(before.workerKeys, target.service);
      const { isKeyless } = before;
      return examine(target, { ask: work.ask, known: previously, apiKey, isKeyless, signal });
    });
  };

  /**
   * @param isFirst a run begins with it.
   * @throws errors of SSM and ConflictError.
   */
  return async (
    services: Services,
    { budgetMs, isFirst }: { readonly budgetMs: number; readonly isFirst: boolean },
  ): Promise<Looked> => {
    const signal = AbortSignal.timeout(Math.floor(budgetMs));
    const startedAt = clock.now();
    const before = await store.read(signal);
    // Half of the time may go into looking, the rest is for writing.
    const lookUntil = AbortSignal.timeout(Math.floor(budgetMs / 2));
    const found = await rostersOf(services, before, lookUntil);
    const looked = await examined(
      found.flatMap(({ targets }) => targets),
      before,
      lookUntil,
    );
    const all = unique([...looked, ...found.flatMap(({ kept }) => kept)]);
    const previous = new Map((before.fleet?.services ?? []).map((one) => [one.name, one]));
    const rosters = found.flatMap(({ name, service, discovered }): ScaledRoster[] => {
      if ('malformed' in service || !isScaled(service)) return [];
      const workers = all.filter((worker) => worker.service === name);
      const apiKey = workerKeyOf(before.workerKeys, name);
      return [{ name, service, discovered, workers, apiKey, shown: previous.get(name) }];
    });
    const scaled = rosters.length > 0 ? await scale(rosters, signal) : [];
    const isOfScaled = new Set(rosters.map(({ name }) => name));
    // Nobody knows what is to become of a service that cannot be read: it is shown as it was.
    const unread = found.flatMap(({ name, service }) => ('malformed' in service ? (previous.get(name) ?? []) : []));
    const fleet = shortened(
      {
        workers: [
          ...all.filter(({ service }) => !isOfScaled.has(service)),
          ...scaled.flatMap(({ workers }) => workers),
        ],
        services: [...unread, ...scaled.flatMap(({ service }) => service ?? [])],
      },
      log,
    );
    const confirmed = !found.some(({ isKept }) => isKept);
    const { outcome, generation } = await store.write(before, fleet, confirmed, signal);
    await Promise.all(scaled.map(({ remember }) => remember()));

    const healthy = fleet.workers.filter(({ status }) => status === 'healthy');
    const served = new Set(healthy.map(({ service }) => service));
    const unserved =
      scaled.filter(({ isUnserved }) => isUnserved).length +
      found.filter(({ name }) => !isOfScaled.has(name) && !served.has(name)).length;
    const report: Report = {
      outcome,
      generation,
      services: services.size,
      workers: fleet.workers.length,
      healthy: healthy.length,
      milliseconds: clock.now() - startedAt,
    };
    tell({ report, services: fleet.services, unserved, isFirst });
    return { report, isWaking: scaled.some(({ isWaking }) => isWaking) };
  };
};
