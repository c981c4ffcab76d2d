import type { ListedModel, Worker } from '../worker.ts';

export type ServiceState = 'awake' | 'waking' | 'asleep' | 'draining' | 'failed';

/** A service whose count the registrar changes, as the fleet snapshot has it (docs/contract.md 11). */
export interface ScaledService {
  /** `<name>` of `services/<name>`. */
  readonly name: string;
  readonly state: ServiceState;
  /** When the state began, milliseconds since the epoch; of a sleep: when the draining before it did. */
  readonly since: number;
  /** Tasks that ECS is to have, that run, and that are healthy. */
  readonly desired: number;
  readonly running: number;
  readonly healthy: number;
  /** As the operator names them, else as its workers listed them when it was last awake. */
  readonly models: readonly string[];
  readonly about?: readonly ListedModel[] | undefined;
  readonly engine?: string | undefined;
  readonly serves?: readonly string[] | undefined;
  readonly min: number;
  readonly max: number;
  readonly idleMinutes: number;
  /** Seconds that wakes took; `undefined`: none was measured. */
  readonly wake?: { readonly last: number; readonly typical: number } | undefined;
  /** Why it failed, or never sleeps. For an operator. */
  readonly reason?: string | undefined;
}

/**
 * @returns a service as if it were a worker that is not ready: who could serve which model, once awake. One whose models
 *   nobody knows has none, and `*` names none.
 */
const sleeperOf = ({ name, models, about, engine, serves }: ScaledService): Worker => ({
  id: `service:${name}`,
  name,
  url: 'http://asleep.invalid',
  status: 'pending',
  engine,
  serves,
  models: models.filter((model) => model !== '*'),
  about,
  scaledBy: name,
});

/** @returns those of the services that have no healthy worker, as `sleeperOf` has them. */
export const sleepersOf = (services: readonly ScaledService[], workers: readonly Worker[]): readonly Worker[] => {
  const healthy = new Set(workers.map(({ status, scaledBy }) => (status === 'healthy' ? scaledBy : undefined)));
  return services.filter(({ name }) => !healthy.has(name)).map(sleeperOf);
};
