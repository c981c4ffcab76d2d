import { type Fleet, shardCount } from '../discovery/fleet.ts';
import type { log as Log } from '../telemetry/log.ts';
import type { ListedModel, Worker } from '../worker.ts';

/** Whoever has models: workers and services. */
type Listing = Pick<Worker, 'models' | 'about'>;

/** What can be written in half a minute, at three parameters a second, with some to spare. */
const SHARDS_PER_RUN = 60;

/** Bytes of JSON that one worker's models may take, tried in this order until the whole fleet can be written. */
const capsInBytes = [24_576, 6_144, 1_536] as const;

const sizeOf = (value: unknown) => Buffer.byteLength(JSON.stringify(value)) + 1;

/** Takes from the front of a list what fits. @returns it, and what room is left. */
const fitting = <T>(items: readonly T[], room: number): { readonly taken: readonly T[]; readonly left: number } => {
  let left = room;
  const taken: T[] = [];
  for (const item of items) {
    left -= sizeOf(item);
    if (left < 0) break;
    taken.push(item);
  }
  return { taken, left: Math.max(0, left) };
};

/**
 * Names first, then what is said about them. A worker whose names do not fit may have any model besides those that do,
 * so that none of its models is out of reach: it then comes after workers that name the one wanted.
 */
const capped = <T extends Listing>(worker: T, cap: number): T => {
  const { models = [], about = [] } = worker;
  if (sizeOf(models) + sizeOf(about) <= cap) return worker;
  const names = fitting(models, cap);
  const isCut = names.taken.length < models.length;
  const named = new Set(names.taken);
  const facts = fitting<ListedModel>(
    about.filter(({ id }) => named.has(id)),
    names.left,
  );
  return {
    ...worker,
    models: isCut ? [...new Set([...names.taken, '*'])] : models,
    about: facts.taken.length > 0 ? facts.taken : undefined,
  };
};

/**
 * Cuts the longest model lists until the fleet can be written in one run: one worker's list must not freeze the fleet
 * for all. Workers with lists of usual length stay as they are.
 * @param isWritable whether so many workers with so much to say can be written.
 */
const fitted = <T extends Listing>(
  workers: readonly T[],
  isWritable: (workers: readonly T[]) => boolean,
): readonly T[] => {
  let cut = workers;
  for (const cap of capsInBytes) {
    cut = workers.map((worker) => capped(worker, cap));
    if (isWritable(cut)) break;
  }
  return cut;
};

/** @returns the fleet as one run can write it; whose list was cut is told in the log. */
export const shortened = ({ workers, services }: Fleet, log: typeof Log): Fleet => {
  const known = fitted(services, (some) => shardCount([], some) <= SHARDS_PER_RUN / 2);
  const cut = fitted(workers, (some) => shardCount(some, known) <= SHARDS_PER_RUN);
  const lists = cut.flatMap((worker, at) => {
    const { models } = workers[at] ?? {};
    return models && worker.models !== models
      ? [{ worker: worker.id, service: worker.service, models: models.length }]
      : [];
  });
  for (const list of lists) log('warn', 'model_list_cut', list);
  return { workers: cut, services: known };
};
