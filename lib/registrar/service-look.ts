import type { SeenWork } from './work.ts';

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
