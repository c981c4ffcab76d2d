import type { ScaledService, ServiceState } from '../discovery/scaled-service.ts';
import type { Snapshot, Source } from '../discovery/source.ts';
import type { Wishes } from '../discovery/wishes.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { servesOperation } from '../engines/index.ts';
import { ModelLoadingError, UnavailableError } from '../errors.ts';
import type { Need } from '../router/candidates.ts';
import { systemClock } from '../time/clock.ts';
import { namesModel, type Worker } from '../worker.ts';

/** What is needed for services that may sleep. */
export interface Waking {
  readonly source: Pick<Source, 'refreshed'>;
  /** Loaded when the first service is wanted. */
  readonly wishes: () => Promise<Wishes>;
}

export interface SleepersOptions extends Waking {
  readonly snapshot: Snapshot;
  readonly need: Need;
  readonly request: GatewayRequest;
  /** How long may be waited, in milliseconds. */
  readonly limitMs: number;
}

/** One request's way to a service that sleeps. */
export interface Sleepers {
  /** Those that could serve it, once awake, and that nobody who is awake stands in for; the first choice first. */
  readonly candidates: readonly Worker[];
  /**
   * Wakes one of them and waits for it.
   * @returns the workers there are then.
   * @throws {ModelLoadingError} when it does not come in time, {UnavailableError} when it cannot wake.
   */
  wake(): Promise<readonly Worker[]>;
  /** Reads the fleet once more; `candidates` are of that then. */
  lookAgain(): Promise<void>;
}

/** @returns the workers of a snapshot, with services that sleep as workers that are not ready. */
export const workersOf = ({ workers, sleepers }: Snapshot): readonly Worker[] =>
  sleepers ? [...workers, ...sleepers] : workers;

/** Whom to wait for, where more than one could serve. */
const READINESS: readonly ServiceState[] = ['awake', 'draining', 'waking', 'asleep', 'failed'];

/**
 * A service that names the model comes before workers that merely may have it, and after all that are awake and name it,
 * in whichever dialect they are asked (docs/contract.md 11 and 13).
 */
const candidatesIn = ({ workers, sleepers = [] }: Snapshot, { model, operation, translates }: Need) => {
  if (model === undefined || sleepers.length === 0) return [];
  const isNative = (worker: Worker) => servesOperation(worker, operation);
  const isAble = (worker: Worker) => namesModel(worker, model) && (isNative(worker) || translates?.(worker) === true);
  if (workers.some((worker) => worker.status === 'healthy' && isAble(worker))) return [];
  const able = sleepers.filter(isAble);
  const native = able.filter(isNative);
  return [...native, ...able.filter((worker) => !native.includes(worker))];
};

export const createSleepers = (options: SleepersOptions): Sleepers => {
  const { need, request, source, limitMs } = options;
  const { signal, endsAt } = request.deadline;
  let { snapshot } = options;

  const wanted = (from: Snapshot): ScaledService | undefined => {
    const candidates = candidatesIn(from, need);
    const [first] = candidates;
    // Of those that speak the client's dialect, else of the others.
    const isNative = first !== undefined && servesOperation(first, need.operation);
    const peers = candidates.filter((worker) => servesOperation(worker, need.operation) === isNative);
    const names = new Set(peers.map(({ scaledBy }) => scaledBy));
    return from.services
      ?.filter(({ name }) => names.has(name))
      .toSorted((a, b) => READINESS.indexOf(a.state) - READINESS.indexOf(b.state))[0];
  };

  return {
    get candidates() {
      return candidatesIn(snapshot, need);
    },
    async lookAgain() {
      snapshot = await source.refreshed(signal);
    },
    async wake() {
      const { wishes } = options;
      const { waitForService } = await import('./waking.ts');
      const refreshed = (until: AbortSignal) => source.refreshed(until);
      const later = (task: () => Promise<void>) => void request.afterwards.push(task);
      const common = { wanted, refreshed, wishes, limitMs, endsAt, signal, later, clock: systemClock };
      const woken = await waitForService({ ...common, snapshot });
      if (woken.kind === 'ready') {
        snapshot = woken.snapshot;
        return workersOf(snapshot);
      }
      const model = need.requestedModel ?? need.model ?? '';
      const { retryAfter } = woken;
      if (woken.kind === 'failed') {
        throw new UnavailableError(`The model '${model}' cannot be loaded at the moment.`, { retryAfter });
      }
      const { state, etaSeconds } = woken;
      const eta = etaSeconds === undefined ? {} : { eta_seconds: etaSeconds };
      throw new ModelLoadingError({ model, state, ...eta }, retryAfter);
    },
  };
};
