import type { FleetWorker } from '../discovery/fleet.ts';
import type { ScaledService } from '../discovery/scaled-service.ts';
import type { ListedModel } from '../worker.ts';
import { type ScaleRecord, typicalWake } from './scale-record.ts';
import type { ScaledRoster } from './scaled-roster.ts';

const learned = (workers: readonly FleetWorker[]) => {
  const models = new Set(workers.flatMap((worker) => worker.models ?? []));
  const about = new Map(
    workers.flatMap((worker) => worker.about ?? []).map((one): [string, ListedModel] => [one.id, one]),
  );
  return { models: [...models].sort(), about: [...about.values()].sort((a, b) => (a.id < b.id ? -1 : 1)) };
};

/**
 * A service as the snapshot shows it. What its workers say is kept while they are gone: the models they listed, the
 * engine they run.
 */
export const shownService = ({
  roster: { name, service, workers, discovered, shown },
  record,
  desired,
  isRoused,
}: {
  readonly roster: ScaledRoster;
  readonly record: ScaleRecord;
  readonly desired: number;
  /** An engine of its that sleeps by itself is being woken. */
  readonly isRoused: boolean;
}): ScaledService => {
  const { scale, serves, models: given } = service;
  const healthy = workers.filter(({ status }) => status === 'healthy');
  const known = healthy.length > 0 ? learned(healthy) : { models: shown?.models ?? [], about: shown?.about ?? [] };
  const models = given ? [...new Set([...given, ...(given.includes('*') ? known.models : [])])] : known.models;
  const about = known.about.filter(({ id }) => models.includes(id));
  const typical = typicalWake(record);
  // An engine that sleeps by itself is awake again in seconds, whatever its service takes.
  const isDozing = record.state === 'awake' && healthy.length === 0 && workers.some(({ isAsleep }) => isAsleep);
  const last = record.wakes.at(-1);
  return {
    name,
    state: isDozing ? (isRoused ? 'waking' : 'asleep') : record.state,
    since: isDozing ? (record.rousedFor ?? record.since) : record.since,
    desired,
    running: discovered?.running ?? 0,
    healthy: healthy.length,
    models,
    ...(about.length > 0 && { about }),
    engine: service.engine ?? healthy.find(({ engine }) => engine)?.engine ?? shown?.engine,
    serves,
    min: scale.min,
    max: scale.max,
    idleMinutes: scale.idleMs / 60_000,
    ...(typical !== undefined && last !== undefined && !isDozing && { wake: { last, typical } }),
    ...(record.reason !== undefined && { reason: record.reason }),
  };
};
