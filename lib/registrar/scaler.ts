import type { ECSClient } from '@aws-sdk/client-ecs';
import type { FleetWorker } from '../discovery/fleet.ts';
import type { ScaledService } from '../discovery/scaled-service.ts';
import type { log as Log } from '../telemetry/log.ts';
import type { Clock } from '../time/clock.ts';
import type { Counted } from './counts.ts';
import { readCounts, setCount } from './counts.ts';
import { describe } from './describe.ts';
import { nodeId } from './node-id.ts';
import { mapParallel } from './parallel.ts';
import { createPutToSleep } from './put-to-sleep.ts';
import type { Kept, ScaleStore } from './scale-store.ts';
import type { ScaledRoster } from './scaled-roster.ts';
import { createScaledWork, isUp, short } from './scaled-work.ts';
import { decide } from './scaling.ts';
import type { Look } from './service-look.ts';
import { shownService } from './shown-service.ts';
import type { WorkReader } from './work.ts';

const SERVICES_AT_ONCE = 5;
/** How old a wish may be for engines that were found asleep, and for which none has been woken yet. */
const FRESH_WISH_MS = 5 * 60_000;
/** How long an engine may take to wake. */
const ROUSE_MS = 60_000;

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

/** While it goes to sleep nobody may be sent there any more. */
const HIDDEN: ReadonlySet<string> = new Set(['draining', 'asleep', 'failed']);

const hidden = (workers: readonly FleetWorker[]): readonly FleetWorker[] =>
  workers.map((worker) => (worker.status === 'healthy' ? { ...worker, status: 'draining' } : worker));

/** Carries out what `decide` decides (docs/contract.md 11): the record first, then the count. */
export const createScaler = ({ ecs, store, work, log, clock, drainMs }: ScalerOptions) => {
  const { readWorks, sofarOf } = createScaledWork({ work, clock });
  const putToSleep = createPutToSleep({ ecs, store, clock, drainMs, readWorks });

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
      stopped: (discovered?.stopped ?? []).map((arn) => short(nodeId(arn))),
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
    // They were told to stop before the count was raised again; the next look shows whom ECS has kept.
    const isLeaving = before?.state === 'draining' && record.state === 'waking';
    return {
      service: next,
      workers: isLeaving || HIDDEN.has(record.state) ? hidden(workers) : workers,
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
