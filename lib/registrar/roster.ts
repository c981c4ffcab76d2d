import type { ECSClient } from '@aws-sdk/client-ecs';
import type { FleetWorker } from '../discovery/fleet.ts';
import type { log as Log } from '../telemetry/log.ts';
import type { Prospect } from './examine.ts';
import type { Stored } from './fleet-store.ts';
import { nodeId } from './node-id.ts';
import type { EcsService, Service } from './services.ts';
import { type Discovered, discoverTasks, type TaskPhase } from './tasks.ts';

/** One service's tasks or list: those to look at, and rows of the previous fleet that stay as they are. */
export interface Roster {
  readonly targets: readonly { readonly target: Prospect; readonly phase: Exclude<TaskPhase, 'gone'> }[];
  readonly kept: readonly FleetWorker[];
  /** What ECS said of its tasks. */
  readonly discovered?: Discovered;
}

/** Whose workers are wanted, and the fleet as it was. */
interface Sought {
  readonly name: string;
  readonly service: Service;
  readonly before: Stored;
}

const isEcs = (service: Service): service is EcsService => 'cluster' in service;

/** Finds out who is there, by service; nobody is asked yet. */
export const createRosterReader = ({ ecs, log }: { readonly ecs: ECSClient; readonly log: typeof Log }) => {
  const ecsTargets = async (
    { name, before, service }: Sought & { readonly service: EcsService },
    signal: AbortSignal,
  ): Promise<Roster> => {
    const discovered = await discoverTasks(ecs, service, signal);
    const { tasks, failed } = discovered;
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
    return { targets, kept, discovered };
  };

  /** @throws errors of ECS. */
  return async ({ name, service, before }: Sought, signal: AbortSignal): Promise<Roster> => {
    if (isEcs(service)) return ecsTargets({ name, service, before }, signal);
    const targets = service.workers.map((worker) => ({
      target: { ...worker, name: worker.id, service: name, listed: true },
      phase: 'running' as const,
    }));
    return { targets, kept: [] };
  };
};
