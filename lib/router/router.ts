import { type Holder, stamp } from '../holder.ts';
import type { Worker } from '../worker.ts';
import { candidatesFor, type Need } from './candidates.ts';
import type { Ejection } from './ejection.ts';
import { choose, type Hints, type Policy, type Random } from './policies/policy.ts';
import type { Prober } from './probe.ts';
import type { Repeats } from './repeats.ts';

/** One request on its way to a worker. */
export interface Route {
  readonly workers: readonly Worker[];
  readonly need: Need;
  readonly hints: Hints;
  readonly signal: AbortSignal;
  /** Stamped with each worker chosen; absent while the node header is off. */
  readonly holder: Holder | undefined;
  /** Ids of the workers that were tried already. */
  readonly tried: ReadonlySet<string>;
}

export interface Router {
  /**
   * Chooses a worker among those that have the model and serve the endpoint, and stamps the holder.
   * @returns `undefined` when all of them were tried.
   * @throws {GatewayError} when nobody could serve it in the first place (`candidatesFor`).
   */
  pick(route: Route): Promise<Worker | undefined>;
  /** Whether anybody is left to pick. */
  hasNext(route: Route): boolean;
  /** How a try at a worker went, told once. */
  succeeded(worker: Worker): void;
  failed(worker: Worker): void;
  /** Its engine answered with a 500. @returns whether it is out because of that. */
  errored(worker: Worker): boolean;
}

export interface RouterParts {
  readonly policy: Policy;
  readonly prober: Prober;
  readonly ejection: Ejection;
  readonly repeats: Repeats;
  readonly random?: Random;
}

export const createRouter = ({ policy, prober, ejection, repeats, random = Math.random }: RouterParts): Router => {
  const untried = ({ workers, need, tried }: Route) => candidatesFor(workers, need).filter(({ id }) => !tried.has(id));

  const chosen = async (candidates: readonly Worker[], { hints: given, tried, signal }: Route) => {
    // Counted once a request: a failover is the same request again.
    const hints = tried.size === 0 ? { ...given, repeats: repeats.count(given) } : given;
    const places = policy.places(candidates, hints, random);
    const workers = places.map(({ worker }) => worker);
    const seen = places.length > 1 ? await prober.loads(workers, signal) : [];
    return choose(places, seen, random)?.worker;
  };

  return {
    hasNext: (route) => untried(route).length > 0,
    async pick(route) {
      const candidates = ejection.filter(untried(route));
      // With one there is no choice, so its prompt need not be hashed.
      const worker = candidates.length > 1 ? await chosen(candidates, route) : candidates[0];
      if (!worker) return undefined;
      ejection.started(worker.id);
      stamp(route.holder, worker.id);
      return worker;
    },
    succeeded: ({ id }) => ejection.succeeded(id),
    failed: ({ id }) => ejection.failed(id),
    errored: ({ id }) => ejection.errored(id),
  };
};
