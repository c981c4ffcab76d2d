import type { ECSClient } from '@aws-sdk/client-ecs';
import type { FleetWorker } from '../discovery/fleet.ts';
import type { ScaledService } from '../discovery/scaled-service.ts';
import type { Work } from '../engines/engine.ts';
import type { log as Log } from '../telemetry/log.ts';
import type { Clock } from '../time/clock.ts';
import type { Counted } from './counts.ts';
import { readCounts, setCount } from './counts.ts';
import { mapParallel } from './parallel.ts';
import type { Kept, ScaleStore } from './scale-store.ts';
import { type Decision, decide, hasServed, isBusy, type Look, type ScaleRecord, type SeenWorker } from './scaling.ts';
import type { ScaledEcsService } from './services.ts';
import { shownService } from './shown-service.ts';
import type { Discovered } from './tasks.ts';
import type { SeenWork, WorkReader } from './work.ts';

const SERVICES_AT_ONCE = 5;
const WORKERS_AT_ONCE = 50;
/** How old a wish may be for engines that were found asleep, and for which none has been woken yet. */
const FRESH_WISH_MS = 5 * 60_000;
/** How long an engine may take to wake. */
const ROUSE_MS = 60_000;
/** While it works, an engine that may sleep by itself is not asked for its counters again within this time. */
const LATELY_MS = 50_000;
const MINUTE_MS = 60_000;

/** A scaled service as it was just discovered. */
export interface ScaledRoster {
  readonly name: string;
  readonly service: ScaledEcsService;
  /** `undefined`: ECS did not say; then nothing is decided. */
  readonly discovered: Pick<Discovered, 'running' | 'stopped'> | undefined;
  /** Its workers, examined. */
  readonly workers: readonly FleetWorker[];
  readonly apiKey: string | undefined;
  /** As the last snapshot shows it. */
  readonly shown: ScaledService | undefined;
}

/** What became of a service. */
export interface Scaled {
  readonly service: ScaledService | undefined;
  /** With the healthy ones as `draining` while it goes to sleep. */
  readonly workers: readonly FleetWorker[];
  /** Somebody waits for it. */
  readonly isWaking: boolean;
  /** It should have a healthy worker by now, and has none. */
  readonly isUnserved: boolean;
  /** Writes down what could wait until the snapshot is out. Never rejects. */
  remember(): Promise<void>;
}

export interface ScalerOptions {
  readonly ecs: ECSClient;
  readonly store: ScaleStore;
  readonly work: WorkReader;
  readonly log: typeof Log;
  readonly clock: Clock;
  /** How long gateways may go on sending to a worker that is listed as draining: four cache times. */
  readonly drainMs: number;
}

/** Task ids as records hold them: there may be many, and a parameter is small. */
const short = (nodeId: string) => nodeId.slice(0, 8);

const describe = (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error));

const isUp = ({ status, isAsleep }: FleetWorker) => status === 'healthy' || isAsleep === true;

/** While it goes to sleep nobody may be sent there any more. */
const HIDDEN: ReadonlySet<string> = new Set(['draining', 'asleep', 'failed']);

const hidden = (workers: readonly FleetWorker[]): readonly FleetWorker[] =>
  workers.map((worker) => (worker.status === 'healthy' ? { ...worker, status: 'draining' } : worker));

/**
 * Whether a service is known to be idle, and what its engines have counted meanwhile may wait: an engine that may sleep by
 * itself would not come to it, if it were asked every minute. What was done until then shows when it is asked at last. As
 * long as there could be more workers, it is asked after 1, 2, 4, 8... minutes, for requests may wait.
 */
const mayRest = (
  { scale }: ScaledEcsService,
  { record, wantedAt }: Kept,
  at: Pick<Look, 'now' | 'desired'>,
): boolean => {
  if (record?.state !== 'awake' || record.idleSince === undefined) return false;
  if (at.now - Math.max(record.idleSince, wantedAt ?? 0) >= scale.idleMs) return false;
  if (at.desired >= scale.max) return true;
  const minutes = (at.now - record.idleSince) / MINUTE_MS;
  return minutes >= 1 && minutes - 2 ** Math.floor(Math.log2(minutes)) >= 1;
};

/** Carries out what `decide` decides (docs/contract.md 11): the record first, then the count. */
export const createScaler = ({ ecs, store, work, log, clock, drainMs }: ScalerOptions) => {
  /** What engines that may sleep by themselves said last. */
  const lately = new Map<string, { readonly at: number; readonly work: SeenWork }>();

  /** @param sofar what a worker said last, where that may do for an engine that may sleep by itself. */
  const readWorks = (
    { workers, apiKey }: ScaledRoster,
    signal: AbortSignal,
    sofar: (worker: FleetWorker) => Work | undefined = () => undefined,
  ): Promise<SeenWorker[]> =>
    mapParallel(workers, WORKERS_AT_ONCE, async (worker): Promise<SeenWorker> => {
      const id = short(worker.id);
      if (!isUp(worker)) return { id, isHealthy: false, work: undefined };
      const known = sofar(worker);
      const seen = await work.read({ ...worker, apiKey }, { signal, lately: known });
      if (typeof seen === 'object' && !known) lately.set(worker.id, { at: clock.now(), work: seen });
      return { id, isHealthy: true, work: seen };
    });

  const sofarOf = ({ service }: ScaledRoster, kept: Kept, at: Pick<Look, 'now' | 'desired'>) => {
    const isResting = mayRest(service, kept, at);
    const served = kept.record?.served ?? {};
    return ({ id }: FleetWorker): Work | undefined => {
      const last = lately.get(id);
      const age = at.now - (last?.at ?? 0);
      if (last && age >= 0 && age < Math.min(LATELY_MS, service.scale.idleMs / 4)) return last.work;
      const count = Object.hasOwn(served, short(id)) ? served[short(id)] : undefined;
      return isResting && count !== undefined ? { running: 0, waiting: 0, served: count } : undefined;
    };
  };

  /** Engines that are being woken. */
  const roused = new Set<string>();

  /** Wakes engines that sleep and that a request would not wake; the look does not wait for it. */
  const rouse = ({ name, workers, apiKey }: ScaledRoster) => {
    for (const worker of workers.filter(({ id, isAsleep }) => isAsleep && !roused.has(id))) {
      log('info', 'engine_woken', { service: name, worker: worker.id });
      roused.add(worker.id);
      void work
        .wake({ ...worker, apiKey }, AbortSignal.timeout(ROUSE_MS))
        .catch(() => false)
        .then(() => roused.delete(worker.id));
    }
  };

  const putToSleep = async (
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

  const scaleOne = async (
    roster: ScaledRoster,
    { count, kept, signal }: { count: Counted; kept: Kept; signal: AbortSignal },
  ): Promise<Scaled> => {
    const { name, service, shown, workers, discovered } = roster;
    const now = clock.now();
    const { wantedAt } = kept;
    const isOpen = kept.record?.state === 'awake' || kept.record?.state === 'draining';
    const look: Look = {
      now,
      ...count,
      wantedAt,
      // What a service that is just waking has done is of no interest yet.
      workers: isOpen
        ? await readWorks(roster, signal, sofarOf(roster, kept, { now, desired: count.desired }))
        : workers.map((worker) => ({ id: short(worker.id), isHealthy: isUp(worker), work: undefined })),
      stopped: (discovered?.stopped ?? []).map(short),
    };
    let before = kept.record;
    // Draining counts from when gateways can see it.
    if (before?.state === 'draining' && !(shown?.state === 'draining' && shown.since === before.since)) {
      if (!((wantedAt ?? 0) > before.since)) before = { ...before, since: now };
    }

    let decision = decide({ ...service.scale, drainMs }, before, look);
    let { desired } = count;
    try {
      if (before && decision.desired !== undefined && decision.desired < desired && before.state === 'draining') {
        decision = await putToSleep(roster, { before, look }, signal);
        desired = decision.desired ?? desired;
      } else if (decision.desired !== undefined && decision.desired !== desired) {
        await store.write(name, decision.record, now, signal);
        await setCount(ecs, service, decision.desired, signal);
        desired = decision.desired;
        // What went wrong before does no longer.
        if (decision.record.state === 'waking') decision = { record: { ...decision.record, reason: undefined } };
      }
    } catch (error) {
      // What was remembered and not done is done by the next look; what was not remembered has not happened.
      const reason = describe(error);
      log('error', 'service_not_scaled', { service: name, reason });
      const found = await store.read([name], clock.now(), signal).catch(() => undefined);
      decision = { record: { ...(found?.get(name)?.record ?? before ?? decision.record), reason } };
    }

    let { record } = decision;
    const sleeping = workers.filter(({ isAsleep }) => isAsleep);
    const isWished = wantedAt !== undefined && wantedAt > (record.rousedFor ?? now - FRESH_WISH_MS);
    if (sleeping.length > 0 && isWished && !HIDDEN.has(record.state)) {
      record = { ...record, rousedFor: wantedAt };
      rouse(roster);
    }
    const isRoused = workers.some(({ id }) => roused.has(id));
    const next = shownService({ roster, record, desired, isRoused });
    if (next.state !== shown?.state) {
      const { state, reason } = next;
      log('info', 'service_state', { service: name, from: shown?.state, to: state, desired, reason });
    }
    const { typical } = next.wake ?? {};
    const hasHealthy = workers.some(({ status }) => status === 'healthy');
    return {
      service: next,
      workers: HIDDEN.has(record.state) ? hidden(workers) : workers,
      isWaking: next.state === 'waking',
      isUnserved:
        !hasHealthy &&
        (next.state === 'awake' ||
          (next.state === 'waking' && typical !== undefined && now - record.since > typical * 1500)),
      async remember() {
        try {
          await store.write(name, record, now, signal);
        } catch (error) {
          log('warn', 'service_not_remembered', { service: name, reason: describe(error) });
        }
      },
    };
  };

  /** As it was: nobody knows better. */
  const untouched = ({ workers, shown }: ScaledRoster): Scaled => ({
    service: shown,
    workers: shown && HIDDEN.has(shown.state) ? hidden(workers) : workers,
    isWaking: shown?.state === 'waking',
    isUnserved: false,
    remember: async () => {},
  });

  /**
   * Looks at scaled services and changes their counts. What fails with one leaves the others alone, and is done by the
   * next look.
   */
  return async (rosters: readonly ScaledRoster[], signal: AbortSignal): Promise<readonly Scaled[]> => {
    const names = rosters.map(({ name }) => name);
    const [counts, kept] = await Promise.all([
      readCounts(
        ecs,
        rosters.map(({ name, service }) => [name, service] as const),
        signal,
      ),
      store.read(names, clock.now(), signal).catch((error: unknown) => {
        log('error', 'scale_unreadable', { reason: describe(error) });
        return undefined;
      }),
    ]);
    return mapParallel(rosters, SERVICES_AT_ONCE, async (roster) => {
      const count = counts.get(roster.name);
      if (count instanceof Error) log('error', 'service_not_scaled', { service: roster.name, reason: count.message });
      if (!kept || !count || count instanceof Error || !roster.discovered) return untouched(roster);
      return scaleOne(roster, {
        count,
        kept: kept.get(roster.name) ?? { record: undefined, wantedAt: undefined },
        signal,
      });
    });
  };
};

export type Scaler = ReturnType<typeof createScaler>;
