import { loadSourcesOf } from '../engines/index.ts';
import type { Worker } from '../worker.ts';
import { askLoad, type FetchText } from './ask-load.ts';
import type { Seen } from './policies/policy.ts';

/** A worker that answered, but nowhere with its load, is not asked again for so long. */
const silentMs = 30_000;

/** Workers remembered; the one asked longest ago is forgotten first. */
const limit = 4096;

export interface ProberOptions {
  fetchText: FetchText;
  /** Milliseconds of the wall clock. */
  now?: () => number;
  /** For all questions of one request together. */
  timeoutMs?: number;
  /** How old an answer may be, by the clock: older ones make many gateways herd. */
  reuseMs?: number;
}

export interface Prober {
  /**
   * Asks all workers at once. Settles within `timeoutMs`, at once when `signal` aborts, and never rejects.
   *
   * @returns per worker its load, `busy` when it did not answer in time or not at all (whether it is dead is for the
   *   request to find out), or `undefined` when it has no load signal
   */
  loads(workers: readonly Worker[], signal?: AbortSignal): Promise<readonly Seen[]>;
  /** The same for one worker. */
  load(worker: Worker, signal?: AbortSignal): Promise<Seen>;
}

interface Memory {
  /** Index of the source that tells this worker's load. */
  source: number | undefined;
  /** When the last probe was sent and what it saw; `flight` while it is under way. */
  askedAt: number;
  seenAt: number;
  seen: Seen;
  flight: Promise<Seen> | undefined;
  /** When the worker said that it has no load to tell. */
  silentSince: number;
}

const never = Number.NEGATIVE_INFINITY;

/** Runs `task` for at most `ms`; time-outs and failures are `busy`. Nothing of it is left running. */
const within = (ms: number, task: (signal: AbortSignal) => Promise<Seen>): Promise<Seen> =>
  new Promise((resolve) => {
    const controller = new AbortController();
    const timer = setTimeout(() => {
      resolve('busy');
      controller.abort();
    }, ms);
    task(controller.signal)
      .then(resolve, () => resolve('busy'))
      .finally(() => {
        clearTimeout(timer);
        controller.abort();
      });
  });

/**
 * Asks workers for their load, at the moment a request is routed. Nobody else's bookkeeping is needed: an environment
 * serves one request at a time and knows nothing of the others'. Concurrent questions to one worker share one probe.
 * Ages are read off the clock, since nothing runs in a frozen environment.
 */
export const createProber = ({ fetchText, now = Date.now, timeoutMs = 50, reuseMs = 100 }: ProberOptions): Prober => {
  const memories = new Map<string, Memory>();

  const isWithin = (since: number, ms: number): boolean => {
    const age = now() - since;
    return age >= 0 && age <= ms;
  };

  const memoryOf = ({ id }: Worker): Memory => {
    const memory = memories.get(id) ?? {
      source: undefined,
      askedAt: never,
      seenAt: never,
      seen: undefined,
      flight: undefined,
      silentSince: never,
    };
    memories.delete(id);
    memories.set(id, memory);
    if (memories.size > limit) memories.delete(memories.keys().next().value as string);
    return memory;
  };

  const probe = (worker: Worker): Promise<Seen> => {
    const sources = loadSourcesOf(worker).length;
    if (sources === 0) return Promise.resolve(undefined);
    const memory = memoryOf(worker);
    if (isWithin(memory.silentSince, silentMs)) return Promise.resolve(undefined);
    if (isWithin(memory.seenAt, reuseMs)) return Promise.resolve(memory.seen);
    // A probe older than its time limit was frozen together with the environment.
    if (memory.flight && isWithin(memory.askedAt, timeoutMs)) return memory.flight;
    memory.askedAt = now();
    const flight = within(timeoutMs, async (signal) => {
      const patienceMs = timeoutMs / (sources + 1);
      const { load, source, isAbsent } = await askLoad(worker, memory.source, { fetchText, patienceMs, signal });
      memory.source = source;
      memory.silentSince = isAbsent ? now() : never;
      return load;
    }).then((seen) => {
      if (memory.flight !== flight) return seen;
      memory.seen = seen;
      memory.seenAt = memory.askedAt;
      memory.flight = undefined;
      return seen;
    });
    memory.flight = flight;
    return flight;
  };

  const loads: Prober['loads'] = async (workers, signal) => {
    const nothing = workers.map(() => undefined);
    if (signal?.aborted) return nothing;
    const all = Promise.all(workers.map(probe));
    if (!signal) return all;
    let leave = () => {};
    const left = new Promise<readonly Seen[]>((resolve) => {
      leave = () => resolve(nothing);
    });
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await Promise.race([all, left]);
    } finally {
      signal.removeEventListener('abort', leave);
    }
  };

  return {
    loads,
    load: async (worker, signal) => (await loads([worker], signal))[0],
  };
};
