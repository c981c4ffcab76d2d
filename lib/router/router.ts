import { UnavailableError } from '../errors.ts';
import { type Holder, stamp } from '../holder.ts';
import type { Worker } from '../worker.ts';
import { candidatesFor, type Need, orderOf } from './candidates.ts';
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
   * @throws {GatewayError} when nobody could serve it in the first place (`candidatesFor`), or all of them sleep.
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

  /** Those to choose among: the surest that are not ejected; when all are, the surest. */
  const preferred = (candidates: readonly Worker[], { need }: Route): readonly Worker[] => {
    const parts = orderOf(candidates, need);
    for (const part of parts) {
      const open = part.filter(({ id }) => !ejection.isEjected(id));
      if (open.length > 0) return open;
    }
    return parts[0] ?? [];
  };

  /** @returns the one to take, and those that were found asleep meanwhile. */
  const choice = async (candidates: readonly Worker[], { hints, signal }: Route) => {
    // With one there is no choice, so its prompt need not be hashed.
    const places =
      candidates.length > 1
        ? policy.places(candidates, hints, random)
        : candidates.map((worker) => ({ worker, penalty: 0, odds: 1 }));
    const workers = places.map(({ worker }) => worker);
    const isAsked = places.length > 1 || workers.some((worker) => prober.maySleep(worker));
    const seen = isAsked ? await prober.loads(workers, signal) : [];
    return {
      worker: choose(places, seen, random)?.worker,
      asleep: new Set(workers.filter((_, i) => seen[i] === 'asleep')),
    };
  };

  return {
    hasNext: (route) => untried(route).length > 0,
    async pick(route) {
      // Counted once a request: a failover is the same request again.
      const isFirst = route.tried.size === 0;
      let candidates = untried(route);
      const hints =
        isFirst && candidates.length > 1 ? { ...route.hints, repeats: repeats.count(route.hints) } : route.hints;
      let sleeping = 0;
      while (candidates.length > 0) {
        const { worker, asleep } = await choice(preferred(candidates, route), { ...route, hints });
        if (worker) {
          ejection.started(worker.id);
          stamp(route.holder, worker.id);
          return worker;
        }
        if (asleep.size === 0) break;
        sleeping += asleep.size;
        candidates = candidates.filter((one) => !asleep.has(one));
      }
      if (isFirst && sleeping > 0) throw new UnavailableError('The workers that could serve this request are asleep.');
      return undefined;
    },
    succeeded: ({ id }) => ejection.succeeded(id),
    failed: ({ id }) => ejection.failed(id),
    errored: ({ id }) => ejection.errored(id),
  };
};
