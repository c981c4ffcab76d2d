import type { ServiceState } from '../discovery/scaled-service.ts';
import type { SeenWork } from './work.ts';

/** How an operator lets a service's count change (`scale` in `services/<name>`); times in milliseconds. */
export interface ScaleSettings {
  /** What it sleeps at. */
  readonly min: number;
  readonly max: number;
  /** So long without work or wake, and it goes to sleep. */
  readonly idleMs: number;
  /** So long without a healthy worker, and its wake has failed. */
  readonly wakeMs: number;
}

/** A worker as it was just seen. */
export interface SeenWorker {
  readonly id: string;
  readonly isHealthy: boolean;
  /** `none`: its engine counts nothing, so nobody can know. `undefined`: it did not answer this time. */
  readonly work: SeenWork | 'none' | undefined;
}

/** A service at one moment, from outside. */
export interface Look {
  /** Milliseconds since the epoch, as all times here. */
  readonly now: number;
  /** ECS's. */
  readonly desired: number;
  readonly workers: readonly SeenWorker[];
  /** Ids of its tasks that have stopped lately, by themselves or not. */
  readonly stopped: readonly string[];
  /** Why ECS says that it cannot place a task, and when it said so last. */
  readonly unplaced?: { readonly at: number; readonly reason: string } | undefined;
  /** When somebody wanted it last (`runtime/wake/<service>`). */
  readonly wantedAt?: number | undefined;
}

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

/** What follows from a look. */
export interface Decision {
  readonly record: ScaleRecord;
  /** The count that ECS is to have; `undefined`: as it is. */
  readonly desired?: number | undefined;
}

export interface ScaleLimits extends ScaleSettings {
  /** How long gateways may go on sending to a worker that is listed as draining: four cache times. */
  readonly drainMs: number;
}

/** Tasks of one wake that may stop before one is healthy. */
const STOPS = 3;
/** Looks in a row at which requests wait at every worker, before there is one more. */
const CROWDED_LOOKS = 2;
/** A worker that was added is waited for, but not for longer. */
const GROWTH_MS = 10 * 60_000;
const WAKES_KEPT = 9;

export const isBusy = ({ running, waiting }: SeenWork): boolean => running + waiting > 0;

/**
 * @param before as `ScaleRecord.served`.
 * @returns whether anything was served since then, beside what the registrar asked. A counter lower than before has
 *   started anew.
 */
export const hasServed = (id: string, { served, own }: SeenWork, before: ScaleRecord['served']): boolean => {
  const last = Object.hasOwn(before, id) ? (before[id] as number) : 0;
  return (served >= last ? served - last : served) > own;
};

const begin = (
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

const wake = (limits: ScaleLimits, record: ScaleRecord, look: Look): Decision => ({
  record: begin('waking', record, look.now, { wokenAt: look.now, stoppedBefore: look.stopped, idleSince: undefined }),
  desired: Math.max(1, limits.min, look.desired),
});

const fail = ({ min }: ScaleLimits, record: ScaleRecord, { now }: Look, reason: string): Decision => ({
  record: begin('failed', record, now, { reason }),
  desired: min,
});

const whileWaking = (limits: ScaleLimits, record: ScaleRecord, look: Look): Decision => {
  const { now, workers, stopped, unplaced } = look;
  if (workers.some(({ isHealthy }) => isHealthy)) {
    const { wokenAt, wakes } = record;
    const took = wokenAt === undefined ? [] : [Math.round((now - wokenAt) / 1000)];
    return {
      record: begin('awake', record, now, { wokenAt: undefined, wakes: [...wakes, ...took].slice(-WAKES_KEPT) }),
    };
  }
  const stops = stopped.filter((id) => !record.stoppedBefore.includes(id)).length;
  if (stops >= STOPS) return fail(limits, record, look, `${stops} of its tasks stopped before they were healthy`);
  if (unplaced && unplaced.at > record.since) return fail(limits, record, look, unplaced.reason);
  if (now - record.since >= limits.wakeMs) {
    return fail(limits, record, look, record.reason ?? 'no worker became healthy in time');
  }
  // A registrar that was ended between remembering and doing: it is done now.
  const least = Math.max(1, limits.min);
  return { record, desired: look.desired < least ? least : undefined };
};

/** What the counters say of a moment. */
interface Counted {
  readonly record: ScaleRecord;
  /** Nothing runs, waits, or was served since the last look, and every worker has said so. */
  readonly isIdle: boolean;
  /** Whether every worker has counters at all. */
  readonly isKnown: boolean;
}

const count = (record: ScaleRecord, { now, workers }: Look): Counted => {
  const healthy = workers.filter(({ isHealthy }) => isHealthy);
  const counted = healthy.flatMap(({ id, work }) => (typeof work === 'object' ? [{ id, work }] : []));
  const isComplete = counted.length === healthy.length;
  const isIdle = isComplete && !counted.some(({ id, work }) => isBusy(work) || hasServed(id, work, record.served));
  const isCrowded = isComplete && counted.length > 0 && counted.every(({ work }) => work.waiting > 0);
  const here = new Set(workers.map(({ id }) => id));
  const known = Object.entries(record.served).filter(([id]) => here.has(id));
  const served = Object.fromEntries([...known, ...counted.map(({ id, work }): [string, number] => [id, work.served])]);
  return {
    isIdle,
    isKnown: healthy.every(({ work }) => work !== 'none'),
    record: {
      ...record,
      served,
      idleSince: isIdle ? (record.idleSince ?? now) : undefined,
      crowded: isCrowded ? record.crowded + 1 : 0,
    },
  };
};

const grow = ({ max }: ScaleLimits, record: ScaleRecord, { now, desired, workers }: Look): Decision => {
  const healthy = workers.filter(({ isHealthy }) => isHealthy).length;
  const isSettled = healthy >= desired || now - (record.grownAt ?? 0) >= GROWTH_MS;
  if (record.crowded < CROWDED_LOOKS || desired >= max || !isSettled) return { record };
  return { record: { ...record, crowded: 0, grownAt: now }, desired: desired + 1 };
};

const whileAwake = (limits: ScaleLimits, before: ScaleRecord, look: Look): Decision => {
  const { now, desired, workers, wantedAt = 0 } = look;
  if (desired === 0) return { record: begin('asleep', before, now) };
  if (!workers.some(({ isHealthy }) => isHealthy)) {
    return {
      record: begin('waking', before, now, { wokenAt: undefined, stoppedBefore: look.stopped, idleSince: undefined }),
    };
  }
  const { record, isIdle, isKnown } = count(before, look);
  if (desired < limits.min) return { record, desired: limits.min };
  if (!isKnown) return grow(limits, { ...record, reason: 'its engine has no counters that say when it is idle' }, look);
  const known = { ...record, reason: undefined };
  const quietSince = Math.max(known.idleSince ?? now, wantedAt);
  if (isIdle && desired > limits.min && now - quietSince >= limits.idleMs)
    return { record: begin('draining', known, now) };
  return grow(limits, known, look);
};

const whileDraining = (limits: ScaleLimits, before: ScaleRecord, look: Look): Decision => {
  const { now, desired, workers, wantedAt = 0 } = look;
  const { record } = count(before, look);
  if (wantedAt > before.since) return { record: begin('awake', record, now, { idleSince: undefined }) };
  // Ended between doing and remembering: it is done. A sleep is as old as its draining.
  if (desired <= limits.min) return { record: asleep(limits, record, now) };
  const isQuiet = workers.every(({ isHealthy, work }) => !isHealthy || (typeof work === 'object' && !isBusy(work)));
  if (!isQuiet || now - before.since < limits.drainMs) return { record };
  return { record: asleep(limits, record, now), desired: limits.min };
};

const asleep = ({ min }: ScaleLimits, record: ScaleRecord, now: number): ScaleRecord =>
  min === 0
    ? { ...begin('asleep', record, record.since), served: {} }
    : begin('awake', record, now, { idleSince: undefined });

/**
 * Decides what a service's count is to be, from one look at it and what is remembered of the last. It reads no clock and
 * calls nobody. Whoever carries it out remembers the record first and changes the count then: a run that ends between
 * the two, or two runs at once, leave nothing that the next look does not put right.
 */
export const decide = (limits: ScaleLimits, remembered: ScaleRecord | undefined, look: Look): Decision => {
  const record = remembered ?? firstRecord(look);
  const isWanted = look.wantedAt !== undefined && look.wantedAt > record.since;
  switch (record.state) {
    case 'waking':
      return whileWaking(limits, record, look);
    case 'awake':
      return whileAwake(limits, record, look);
    case 'draining':
      return whileDraining(limits, record, look);
    default:
      // Somebody raised the count by hand, or its workers came after all: no wake that could be measured.
      if (look.desired > limits.min || (look.desired > 0 && look.workers.some(({ isHealthy }) => isHealthy))) {
        return { record: { ...wake(limits, record, look).record, wokenAt: undefined } };
      }
      return isWanted || (record.state === 'asleep' && look.desired < limits.min)
        ? wake(limits, record, look)
        : { record };
  }
};

/** @returns seconds a wake usually takes, the median of those known; `undefined`: there was none. */
export const typicalWake = ({ wakes }: Pick<ScaleRecord, 'wakes'>): number | undefined =>
  wakes.toSorted((a, b) => a - b)[Math.floor(wakes.length / 2)];
