import type { ECSClient } from '@aws-sdk/client-ecs';
import type { Clock } from '../time/clock.ts';
import { setCount } from './counts.ts';
import { hasServed, isBusy } from './idleness.ts';
import type { ScaleRecord } from './scale-record.ts';
import type { ScaleStore } from './scale-store.ts';
import type { ScaledRoster } from './scaled-roster.ts';
import type { ReadWorks } from './scaled-work.ts';
import { type Decision, decide } from './scaling.ts';
import type { Look, SeenWorker } from './service-look.ts';

export interface PutToSleepOptions {
  readonly ecs: ECSClient;
  readonly store: ScaleStore;
  readonly clock: Clock;
  readonly drainMs: number;
  readonly readWorks: ReadWorks;
}

/**
 * Lowers a drained service's count. Wishes and counters are read again directly before and after: where something came,
 * the count stays, or is raised again (docs/contract.md 11).
 */
export const createPutToSleep = ({ ecs, store, clock, drainMs, readWorks }: PutToSleepOptions) => {
  return async (
    roster: ScaledRoster,
    { before, look }: { readonly before: ScaleRecord; readonly look: Look },
    signal: AbortSignal,
  ): Promise<Decision> => {
    const { name, service } = roster;
    const limits = { ...service.scale, drainMs };
    /** The record with what was counted last: what comes on top is new. */
    const counted = (seen: readonly SeenWorker[]): ScaleRecord => ({
      ...before,
      served: Object.fromEntries(
        seen.flatMap(({ id, work: one }) => (typeof one === 'object' ? [[id, one.served]] : [])),
      ),
    });
    const lookAgain = async (): Promise<Look> => {
      const [kept, workers] = await Promise.all([store.read([name], clock.now(), signal), readWorks(roster, signal)]);
      return { ...look, now: clock.now(), workers, wantedAt: kept.get(name)?.wantedAt };
    };

    const again = await lookAgain();
    const known = counted(look.workers);
    const isBusyAgain = again.workers.some(
      ({ id, work: one }) => typeof one === 'object' && hasServed(id, one, known.served),
    );
    const second = decide(limits, { ...known, idleSince: before.idleSince }, again);
    if (second.desired === undefined || isBusyAgain) {
      return isBusyAgain ? { record: { ...known, state: 'awake', since: again.now, idleSince: undefined } } : second;
    }
    await store.write(name, second.record, again.now, signal);
    await setCount(ecs, service, second.desired, signal);

    const after = await lookAgain();
    const last = counted(again.workers);
    const hasCome =
      (after.wantedAt ?? 0) > before.since ||
      after.workers.some(
        ({ id, work: one }) => typeof one === 'object' && (isBusy(one) || hasServed(id, one, last.served)),
      );
    if (!hasCome) return second;
    const isGone = second.desired === 0;
    const record: ScaleRecord = {
      ...second.record,
      state: isGone ? 'waking' : 'awake',
      since: after.now,
      wokenAt: isGone ? after.now : undefined,
      stoppedBefore: look.stopped,
      idleSince: undefined,
    };
    await store.write(name, record, after.now, signal);
    await setCount(ecs, service, look.desired, signal);
    return { record, desired: look.desired };
  };
};
