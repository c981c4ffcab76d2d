import type { ECSClient } from '@aws-sdk/client-ecs';
import type { SSMClient } from '@aws-sdk/client-ssm';
import { type FleetWorker, shardCount } from '../discovery/fleet.ts';
import { workerKeyOf } from '../discovery/parameters.ts';
import { log as systemLog } from '../telemetry/log.ts';
import { type Clock, systemClock } from '../time/clock.ts';
import type { Ask } from '../upstream/ask.ts';
import { examine, type Prospect, unasked } from './examine.ts';
import { fitted } from './fit.ts';
import { createFleetStore, type Stored } from './fleet-store.ts';
import { nodeId } from './node-id.ts';
import { atMost, mapParallel } from './parallel.ts';
import { type EcsService, readServices, type Service } from './services.ts';
import { discoverTasks, type TaskPhase } from './tasks.ts';

/** ECS allows 20 such calls a second for the whole account. */
const SERVICES_AT_ONCE = 5;
/** What can be written in half a minute, at three parameters a second, with some to spare. */
const SHARDS_PER_RUN = 60;
/** 1,000 workers, none of which answers, are through in 20 s. */
const WORKERS_AT_ONCE = 200;

/** A function has 1,024 file descriptors, and a question is a socket. */
const QUESTIONS_AT_ONCE = 500;

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
   * Turns `services/*` into the fleet snapshot, once.
   * @param event a task event of a service that is nobody's is ignored; anything else starts a run.
   * @param budgetMs the time there is; half of it may go into looking, the rest is for writing.
   * @throws errors of SSM and ConflictError: nothing, or no whole fleet, was written; readers keep theirs.
   */
  run(event: TaskEvent, budgetMs: number): Promise<Report>;
}

/** One service's tasks or list: those to look at, and rows of the previous fleet that stay as they are. */
interface Roster {
  readonly targets: readonly { readonly target: Prospect; readonly phase: Exclude<TaskPhase, 'gone'> }[];
  readonly kept: readonly FleetWorker[];
}

const describe = (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

const isEcs = (service: Service): service is EcsService => 'cluster' in service;

const concerns = ({ detail }: TaskEvent, { cluster, service }: EcsService) =>
  detail?.group === `service:${service}` && (detail.clusterArn ?? '').split('/').at(-1) === cluster.split('/').at(-1);

/** One registrar runs at a time (reserved concurrency 1); the pointer's check before its write holds the rest. */
export const createRegistrar = ({
  prefix,
  ssm,
  ecs,
  ask,
  log = systemLog,
  clock = systemClock,
}: RegistrarOptions): Registrar => {
  const store = createFleetStore(ssm, prefix, clock, log);
  const politely = atMost(QUESTIONS_AT_ONCE, ask);

  const ecsTargets = async (
    name: string,
    service: EcsService,
    before: Stored,
    signal: AbortSignal,
  ): Promise<Roster> => {
    const { tasks, failed } = await discoverTasks(ecs, service, signal);
    const bare = tasks.filter(({ address }) => !address);
    if (bare.length) {
      // A task that is starting has no interface yet; one that runs without never will.
      const running = bare.filter(({ phase }) => phase === 'running').length;
      log(running ? 'warn' : 'info', 'tasks_without_address', { service: name, tasks: bare.length, running });
    }
    const undescribed = new Set(failed.map(nodeId));
    const kept = (before.fleet?.listed ?? []).filter((known) => known.service === name && undescribed.has(known.id));
    if (failed.length) log('warn', 'tasks_not_described', { service: name, tasks: failed.length, kept: kept.length });
    const targets = tasks.flatMap(({ taskArn, phase, address }) => {
      if (!address) return [];
      const id = nodeId(taskArn);
      const { scheme, port, engine, serves, load, models, labels } = service;
      const url = `${scheme}://${address}:${port}`;
      const target: Prospect = {
        id,
        name: `${name}-${id.slice(0, 8)}`,
        service: name,
        url,
        engine,
        serves,
        load,
        models,
        labels,
      };
      return [{ target, phase }];
    });
    return { targets, kept };
  };

  /** Who is there, by service; nobody is asked yet. */
  const discover = async (name: string, service: Service, before: Stored, signal: AbortSignal): Promise<Roster> => {
    if (isEcs(service)) return ecsTargets(name, service, before, signal);
    const targets = service.workers.map((worker) => ({
      target: { ...worker, name: worker.id, service: name, listed: true },
      phase: 'running' as const,
    }));
    return { targets, kept: [] };
  };

  const unique = (workers: readonly FleetWorker[]) => {
    const byId = new Map<string, FleetWorker>();
    for (const worker of workers) {
      if (byId.has(worker.id)) log('error', 'worker_listed_twice', { worker: worker.id, service: worker.service });
      else byId.set(worker.id, worker);
    }
    return [...byId.values()];
  };

  const shortened = (workers: readonly FleetWorker[]) => {
    const cut = fitted(workers, (some) => shardCount(some) <= SHARDS_PER_RUN);
    const lists = cut.flatMap((worker, at) => {
      const { models } = workers[at] ?? {};
      return models && worker.models !== models
        ? [{ worker: worker.id, service: worker.service, models: models.length }]
        : [];
    });
    for (const list of lists) log('warn', 'model_list_cut', list);
    return cut;
  };

  return {
    async run(event, budgetMs) {
      const signal = AbortSignal.timeout(Math.floor(budgetMs));
      const startedAt = clock.now();
      const services = [...(await readServices(ssm, prefix, signal))];
      const about = (workers: readonly FleetWorker[]) => ({
        services: services.length,
        workers: workers.length,
        healthy: workers.filter(({ status }) => status === 'healthy').length,
        milliseconds: clock.now() - startedAt,
      });
      const isTaskEvent = event['detail-type'] === 'ECS Task State Change';
      if (isTaskEvent && !services.some(([, one]) => 'cluster' in one && concerns(event, one))) {
        return { outcome: 'ignored', generation: 0, ...about([]) };
      }

      const before = await store.read(signal);
      let confirmed = true;
      const keep = (name: string, reason: string) => {
        confirmed = false;
        const kept = (before.fleet?.listed ?? []).filter((worker) => worker.service === name);
        log('error', 'service_kept', { service: name, reason, workers: kept.length });
        return { targets: [], kept };
      };
      const lookUntil = AbortSignal.timeout(Math.floor(budgetMs / 2));
      const found = await mapParallel(services, SERVICES_AT_ONCE, async ([name, service]): Promise<Roster> => {
        if ('malformed' in service) return keep(name, `parameter ${prefix}/services/${name}: ${service.malformed}`);
        try {
          return await discover(name, service, before, lookUntil);
        } catch (error) {
          return keep(name, describe(error));
        }
      });
      const known = new Map((before.fleet?.workers ?? []).map((worker) => [worker.id, worker]));
      const targets = found.flatMap((one) => one.targets);
      const looked = await mapParallel(targets, WORKERS_AT_ONCE, async ({ target, phase }): Promise<FleetWorker> => {
        const previous = known.get(target.id);
        if (phase !== 'running') return unasked(target, phase, previous);
        const apiKey = workerKeyOf(before.workerKeys, target.service);
        return examine(target, {
          ask: politely,
          known: previous,
          apiKey,
          isKeyless: before.isKeyless,
          signal: lookUntil,
        });
      });
      const workers = shortened(unique([...looked, ...found.flatMap(({ kept }) => kept)]));
      const { outcome, generation } = await store.write(before, workers, confirmed, signal);
      const report = { outcome, generation, ...about(workers) };
      log('info', 'fleet', { ...report });
      return report;
    },
  };
};
