import type { Worker } from '../worker.ts';
import type { Seen } from './policies/policy.ts';
import type { Prober } from './probe.ts';

/** What one process knows of its own requests. */
export interface UnderWay {
  /** A request begins at a worker. @returns tells that it is over there. */
  begin(id: string): () => void;
  /**
   * A prober whose answers count this process's own requests as well: those that began after the worker was asked, and
   * never less than all that are there, for an engine need not count what still waits in front of it. Where a worker
   * says nothing of its load they are all that is known, and none is known as well: beside one that has some, a worker
   * without any is idle and not as busy as that one.
   */
  counted(prober: Prober): Prober;
}

interface Own {
  /** Under way now. */
  now: number;
  /** Ever begun. */
  begun: number;
  /** The worker's last answer, and `begun` when it was first seen. */
  seen: Seen;
  begunThen: number;
}

/** For a process that serves many requests at once; an environment of Lambda has one, and that is not routed yet. */
export const createUnderWay = (): UnderWay => {
  /** Only workers that are busy are remembered. */
  const all = new Map<string, Own>();

  /** @param isCounted whether anything is under way at those that are compared. */
  const withOwn = ({ id }: Worker, seen: Seen, isCounted: boolean): Seen => {
    const own = all.get(id);
    if (seen === undefined && isCounted) return { running: own?.now ?? 0, waiting: 0 };
    if (!own || seen === undefined || seen === 'busy' || seen === 'asleep') return seen;
    if (own.seen !== seen) {
      own.seen = seen;
      own.begunThen = own.begun;
    }
    const { running, waiting } = seen;
    const since = Math.min(own.begun - own.begunThen, own.now);
    return { ...seen, running: Math.max(running + since, own.now - waiting), waiting };
  };

  return {
    begin(id) {
      const own = all.get(id) ?? { now: 0, begun: 0, seen: undefined, begunThen: 0 };
      all.set(id, own);
      own.now += 1;
      own.begun += 1;
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        own.now -= 1;
        if (own.now === 0) all.delete(id);
      };
    },
    counted: (prober) => ({
      ...prober,
      async loads(workers, signal) {
        const seen = await prober.loads(workers, signal);
        const isCounted = workers.some(({ id }) => all.has(id));
        return workers.map((worker, i) => withOwn(worker, seen[i], isCounted));
      },
    }),
  };
};
