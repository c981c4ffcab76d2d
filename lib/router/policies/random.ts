import type { Worker } from '../../worker.ts';
import type { Policy, Random } from './policy.ts';

/** @returns one of the workers, each as likely as the other. */
export const anyOf = (workers: readonly Worker[], random: Random): Worker | undefined =>
  workers[Math.floor(random() * workers.length)];

/** One worker by chance; asks nobody. */
export const random: Policy = {
  name: 'random',
  places(candidates, _hints, draw) {
    const worker = anyOf(candidates, draw);
    return worker ? [{ worker, penalty: 0, odds: 1 }] : [];
  },
};
