import type { ScaleRecord } from './scale-record.ts';
import type { Look } from './service-look.ts';
import type { SeenWork } from './work.ts';

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

/** What the counters say of a moment. */
export interface Counted {
  readonly record: ScaleRecord;
  /** Nothing runs, waits, or was served since the last look, and every worker has said so. */
  readonly isIdle: boolean;
  /** Whether every worker has counters at all. */
  readonly isKnown: boolean;
  /** Nothing but what engines hold for ever keeps it from being idle. */
  readonly isPinned: boolean;
}

/** Reads what a service's workers have counted since the last look. */
export const count = (record: ScaleRecord, { now, workers }: Look): Counted => {
  const healthy = workers.filter(({ isHealthy }) => isHealthy);
  const counted = healthy.flatMap(({ id, work }) => (typeof work === 'object' ? [{ id, work }] : []));
  const isComplete = counted.length === healthy.length;
  const busy = counted.filter(({ id, work }) => isBusy(work) || hasServed(id, work, record.served));
  const isIdle = isComplete && busy.length === 0;
  const isCrowded = isComplete && counted.length > 0 && counted.every(({ work }) => work.waiting > 0);
  const here = new Set(workers.map(({ id }) => id));
  const known = Object.entries(record.served).filter(([id]) => here.has(id));
  const served = Object.fromEntries([...known, ...counted.map(({ id, work }): [string, number] => [id, work.served])]);
  return {
    isIdle,
    isKnown: healthy.every(({ work }) => work !== 'none'),
    isPinned: isComplete && busy.length > 0 && busy.every(({ work }) => work.isPinned),
    record: {
      ...record,
      served,
      idleSince: isIdle ? (record.idleSince ?? now) : undefined,
      crowded: isCrowded ? record.crowded + 1 : 0,
    },
  };
};
