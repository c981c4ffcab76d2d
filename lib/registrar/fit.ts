import type { ListedModel, Worker } from '../worker.ts';

/** Whoever has models: workers and services. */
type Listing = Pick<Worker, 'models' | 'about'>;

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
export const fitted = <T extends Listing>(
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
