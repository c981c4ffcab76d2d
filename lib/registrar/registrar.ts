import { log as systemLog } from '../telemetry/log.ts';
import { systemClock } from '../time/clock.ts';
import { describe } from './describe.ts';
import { createLook, type LookOptions } from './look.ts';
import type { Report } from './report.ts';
import { type EcsService, readServices } from './services.ts';

/** One look at everything. */
const LOOK_MS = 52_000;
/** While something wakes, everything is looked at this often, */
const LOOK_EVERY_MS = 2_000;
/** for so long in one run. */
const RUN_MS = 280_000;

/** What EventBridge sends; a schedule has no such detail. */
export interface TaskEvent {
  readonly 'detail-type'?: string;
  readonly detail?: { readonly clusterArn?: string; readonly group?: string };
}

export type RegistrarOptions = Pick<LookOptions, 'prefix' | 'ssm' | 'ecs' | 'ask'> & Partial<LookOptions>;

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
  configTtlMs = 10_000,
}: RegistrarOptions): Registrar => {
  const look = createLook({ prefix, ssm, ecs, ask, log, clock, configTtlMs });

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

      let lookedAt = clock.now();
      let { report, isWaking } = await look(services, { budgetMs: Math.max(1, left()), isFirst: true });
      while (isWaking && lookedAt + LOOK_EVERY_MS < until) {
        await clock.sleep(Math.max(0, lookedAt + LOOK_EVERY_MS - clock.now()));
        lookedAt = clock.now();
        // Whoever waits for a service is not helped by a run that ends because one call failed.
        try {
          services = await readAll();
          ({ report, isWaking } = await look(services, { budgetMs: Math.max(1, left()), isFirst: false }));
        } catch (error) {
          log('error', 'look_failed', { reason: describe(error) });
        }
      }
      return { ...report, milliseconds: clock.now() - startedAt };
    },
  };
};
