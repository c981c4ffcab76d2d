import { count, isBusy } from './idleness.ts';
import { begin, firstRecord, type ScaleRecord } from './scale-record.ts';
import type { Look } from './service-look.ts';

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

const PINNED = 'its engine holds a model for ever (keep_alive: -1), which counts as work';

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
  const { record, isIdle, isKnown, isPinned } = count(before, look);
  if (desired < limits.min) return { record, desired: limits.min };
  if (!isKnown) return grow(limits, { ...record, reason: 'its engine has no counters that say when it is idle' }, look);
  const known = { ...record, reason: isPinned ? PINNED : undefined };
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
