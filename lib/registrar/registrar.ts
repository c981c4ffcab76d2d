import type { ECSClient } from '@aws-sdk/client-ecs';
import type { SSMClient } from '@aws-sdk/client-ssm';
import { type Fleet, type FleetWorker, shardCount } from '../discovery/fleet.ts';
import { workerKeyOf } from '../discovery/parameters.ts';
import type { ScaledService } from '../discovery/scaled-service.ts';
import { log as systemLog } from '../telemetry/log.ts';
import { type Clock, systemClock } from '../time/clock.ts';
import type { Ask } from '../upstream/ask.ts';
import { describe } from './describe.ts';
import { examine, unasked } from './examine.ts';
import { fitted } from './fit.ts';
import { createFleetStore } from './fleet-store.ts';
import { createPacer } from './pacer.ts';
import { atMost, mapParallel } from './parallel.ts';
import { createRosterReader, type Roster } from './roster.ts';
import { createScaleStore } from './scale-store.ts';
import type { ScaledRoster } from './scaled-roster.ts';
import { createScaler } from './scaler.ts';
import { type EcsService, isScaled, readServices } from './services.ts';
import { createWorkReader } from './work.ts';

/** ECS allows 20 such calls a second for the whole account. */
const SERVICES_AT_ONCE = 5;
/** What can be written in half a minute, at three parameters a second, with some to spare. */
const SHARDS_PER_RUN = 60;
/** 1,000 workers, none of which answers, are through in 20 s. */
const WORKERS_AT_ONCE = 200;

/** A function has 1,024 file descriptors, and a question is a socket. */
const QUESTIONS_AT_ONCE = 500;

/** SSM's standard throughput is three `PutParameter` a second, for the whole account. */
const PUTS_PER_SECOND = 3;

/** One look at everything; of it, half may go into looking, the rest is for writing. */
const LOOK_MS = 52_000;
/** While something wakes, everything is looked at this often, */
const LOOK_EVERY_MS = 2_000;
/** for so long in one run. */
const RUN_MS = 280_000;
/** Looks that change nothing are told of this often. */
const TOLD_EVERY_MS = 50_000;
/** Cache times for which gateways may go on sending to a worker that is listed as draining. */
const DRAINING_TTLS = 4;

/** What EventBridge sends; a schedule has no such detail. */
export interface TaskEvent {
  readonly 'detail-type'?: string;
  readonly detail?: { readonly clusterArn?: string; readonly group?: string };
}

export interface RegistrarOptions {
  readonly prefix: string;
  readonly ssm: SSMClient;
  readonly ecs: ECSClient;
  readonly ask: Ask;
  readonly log?: typeof systemLog;
  readonly clock?: Clock;
  /** `GATEWAY_CONFIG_TTL_SECONDS` of the gateways, in milliseconds. */
  readonly configTtlMs?: number;
}

export interface Report {
  readonly outcome: 'ignored' | 'unchanged' | 'confirmed' | 'written';
  readonly services: number;
  readonly workers: number;
  readonly healthy: number;
  readonly generation: number;
  readonly milliseconds: number;
}

export interface Registrar {
  /**
   * Turns `services/*` into the fleet snapshot, and changes the counts of services that may sleep. While one of them
   * wakes, it goes on looking.
   * @param event a task event of a service that is nobody's is ignored; anything else starts a run.
   * @param budgetMs the time there is.
   * @throws errors of SSM and ConflictError: nothing, or no whole fleet, was written; readers keep theirs.
   */
  run(event: TaskEvent, budgetMs: number): Promise<Report>;
}

/** One look at everything. */
interface Look {
  readonly report: Report;
  readonly isWaking: boolean;
}

const concerns = ({ detail }: TaskEvent, { cluster, service }: EcsService) =>
  detail?.group === `service:${service}` && (detail.clusterArn ?? '').split('/').at(-1) === cluster.split('/').at(-1);

const countOf = (services: readonly ScaledService[], ...states: readonly ScaledService['state'][]) =>
  services.filter(({ state }) => states.includes(state)).length;

/** One registrar runs at a time (reserved concurrency 1); the pointer's check before its write holds the rest. */
export const createRegistrar = ({
  prefix,
  ssm,
  ecs,
  ask,
  log = systemLog,
  clock = systemClock,
  configTtlMs = 10_000,
}: RegistrarOptions): Registrar => {
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
  let toldAt = 0;

  const unique = (workers: readonly FleetWorker[]) => {
    const byId = new Map<string, FleetWorker>();
    for (const worker of workers) {
      if (byId.has(worker.id)) log('error', 'worker_listed_twice', { worker: worker.id, service: worker.service });
      else byId.set(worker.id, worker);
    }
    return [...byId.values()];
  };

  const shortened = ({ workers, services }: Fleet): Fleet => {
    const known = fitted(services, (some) => shardCount([], some) <= SHARDS_PER_RUN / 2);
    const cut = fitted(workers, (some) => shardCount(some, known) <= SHARDS_PER_RUN);
    const lists = cut.flatMap((worker, at) => {
      const { models } = workers[at] ?? {};
      return models && worker.models !== models
        ? [{ worker: worker.id, service: worker.service, models: models.length }]
        : [];
    });
    for (const list of lists) log('warn', 'model_list_cut', list);
    return { workers: cut, services: known };
  };

  const look = async (services: Awaited<ReturnType<typeof readServices>>, budgetMs: number): Promise<Look> => {
    const signal = AbortSignal.timeout(Math.floor(budgetMs));
    const startedAt = clock.now();
    const before = await store.read(signal);
    const previous = new Map((before.fleet?.services ?? []).map((one) => [one.name, one]));
    let confirmed = true;
    const keep = (name: string, reason: string) => {
      confirmed = false;
      const kept = (before.fleet?.listed ?? []).filter((worker) => worker.service === name);
      log('error', 'service_kept', { service: name, reason, workers: kept.length });
      return { targets: [], kept };
    };
    const lookUntil = AbortSignal.timeout(Math.floor(budgetMs / 2));
    const found = await mapParallel([...services], SERVICES_AT_ONCE, async ([name, service]) => {
      const roster = async (): Promise<Roster> => {
        if ('malformed' in service) return keep(name, `parameter ${prefix}/services/${name}: ${service.malformed}`);
        try {
          return await discover({ name, service, before }, lookUntil);
        } catch (error) {
          return keep(name, describe(error));
        }
      };
      return { name, service, ...(await roster()) };
    });
    const known = new Map((before.fleet?.workers ?? []).map((worker) => [worker.id, worker]));
    const targets = found.flatMap((one) => one.targets);
    const looked = await mapParallel(targets, WORKERS_AT_ONCE, async ({ target, phase }): Promise<FleetWorker> => {
      const previously = known.get(target.id);
      if (phase !== 'running') return unasked(target, phase, previously);
      const apiKey = workerKeyOf(before.workerKeys, target.service);
      return examine(target, {
        ask: work.ask,
        known: previously,
        apiKey,
        isKeyless: before.isKeyless,
        signal: lookUntil,
      });
    });
    const all = unique([...looked, ...found.flatMap(({ kept }) => kept)]);
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
    const fleet = shortened({
      workers: [...all.filter(({ service }) => !isOfScaled.has(service)), ...scaled.flatMap(({ workers }) => workers)],
      services: [...unread, ...scaled.flatMap(({ service }) => service ?? [])],
    });
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
    const states = {
      awake: countOf(fleet.services, 'awake', 'draining'),
      waking: countOf(fleet.services, 'waking'),
      asleep: countOf(fleet.services, 'asleep'),
      failed: countOf(fleet.services, 'failed'),
      unserved,
    };
    if (outcome !== 'unchanged' || !(clock.now() - toldAt < TOLD_EVERY_MS)) {
      toldAt = clock.now();
      log('info', 'fleet', { ...report, ...states });
    }
    return { report, isWaking: scaled.some(({ isWaking }) => isWaking) };
  };

  return {
    async run(event, budgetMs) {
      const startedAt = clock.now();
      const until = startedAt + Math.min(budgetMs, RUN_MS);
      const left = () => Math.min(LOOK_MS, until - clock.now());
      const readAll = () => readServices(ssm, prefix, AbortSignal.timeout(Math.max(1, Math.floor(left()))));
      let services = await readAll();
      const isTaskEvent = event['detail-type'] === 'ECS Task State Change';
      if (isTaskEvent && ![...services.values()].some((one) => 'cluster' in one && concerns(event, one))) {
        const milliseconds = clock.now() - startedAt;
        return { outcome: 'ignored', generation: 0, services: services.size, workers: 0, healthy: 0, milliseconds };
      }

      toldAt = 0;
      let lookedAt = clock.now();
      let { report, isWaking } = await look(services, Math.max(1, left()));
      while (isWaking && lookedAt + LOOK_EVERY_MS < until) {
        await clock.sleep(Math.max(0, lookedAt + LOOK_EVERY_MS - clock.now()));
        lookedAt = clock.now();
        // Whoever waits for a service is not helped by a run that ends because one call failed.
        try {
          services = await readAll();
          ({ report, isWaking } = await look(services, Math.max(1, left())));
        } catch (error) {
          log('error', 'look_failed', { reason: describe(error) });
        }
      }
      return { ...report, milliseconds: clock.now() - startedAt };
    },
  };
};
