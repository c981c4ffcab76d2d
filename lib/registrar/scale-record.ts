import type { ServiceState } from '../discovery/scaled-service.ts';
import type { Look } from './service-look.ts';

/** What is remembered between two looks (`runtime/scale/<service>`). */
export interface ScaleRecord {
  readonly state: ServiceState;
  /** When the state began. Of a sleep: when the draining before it began, for a wake that came meanwhile counts. */
  readonly since: number;
  /** When the wake began that `waking` is about; `undefined`: nobody asked for one, its workers were lost. */
  readonly wokenAt?: number | undefined;
  /** Since when nothing was to do. */
  readonly idleSince?: number | undefined;
  /** Each worker's `served` at the last look. */
  readonly served: Readonly<Record<string, number>>;
  /** Seconds that wakes took, the newest last. */
  readonly wakes: readonly number[];
  /** Ids of tasks that had stopped before the present wake began. */
  readonly stoppedBefore: readonly string[];
  /** Looks in a row at which requests waited everywhere. */
  readonly crowded: number;
  /** When a worker was added last. */
  readonly grownAt?: number | undefined;
  /** The wish for which engines that sleep by themselves were woken last. */
  readonly rousedFor?: number | undefined;
  /** For an operator: why it failed, or never sleeps, or what went wrong last on its way to a state. */
  readonly reason?: string | undefined;
}

/** @returns the record with a state that begins now. */
export const begin = (
  state: ServiceState,
  record: ScaleRecord,
  now: number,
  more: Partial<ScaleRecord> = {},
): ScaleRecord => ({
  ...record,
  state,
  since: now,
  crowded: 0,
  reason: undefined,
  ...more,
});

/** A wish this old may still be waited for when a service is looked at for the first time. */
const FRESH_WISH_MS = 5 * 60_000;

/** @returns the record of a service that is looked at for the first time. */
export const firstRecord = ({ now, desired, workers, stopped }: Look): ScaleRecord => {
  const isHealthy = workers.some((worker) => worker.isHealthy);
  return {
    state: desired === 0 ? 'asleep' : isHealthy ? 'awake' : 'waking',
    since: desired === 0 ? now - FRESH_WISH_MS : now,
    served: {},
    wakes: [],
    stoppedBefore: stopped,
    crowded: 0,
  };
};

/** @returns seconds a wake usually takes, the median of those known; `undefined`: there was none. */
export const typicalWake = ({ wakes }: Pick<ScaleRecord, 'wakes'>): number | undefined =>
  wakes.toSorted((a, b) => a - b)[Math.floor(wakes.length / 2)];
