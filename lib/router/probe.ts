import { engineOf, loadSourcesOf } from '../engines/index.ts';
import { timeLimit } from '../time/time-limit.ts';
import type { Worker } from '../worker.ts';
import { askLoad, type FetchText, settledWithin } from './ask-load.ts';
import { askSleep, type Sleep } from './ask-sleep.ts';
import type { Seen } from './policies/policy.ts';

/** A worker that answered, but nowhere with its load, is not asked again for so long. */
const SILENT_MS = 30_000;

/** A worker that answered, but has no such thing as sleep, is not asked again for so long. */
const SLEEPLESS_MS = 300_000;

/** Workers remembered; the one asked longest ago is forgotten first. */
const LIMIT = 4096;

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
   *   request to find out), `asleep` when it must not be sent a request, or `undefined` when it has no load signal
   */
  loads(workers: readonly Worker[], signal?: AbortSignal): Promise<readonly Seen[]>;
  /** The same for one worker. */
  load(worker: Worker, signal?: AbortSignal): Promise<Seen>;
  /** Whether a request could find the worker asleep and not wake it, so that it is asked even where there is no choice. */
  maySleep(worker: Worker): boolean;
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
  /** When the worker said that it never sleeps. */
  sleeplessSince: number;
  /** It was seen asleep, and wakes by itself: it would sleep again, if its load were not asked for. */
  sleepsByItself: boolean;
}

const never = Number.NEGATIVE_INFINITY;
const idle: Seen = { running: 0, waiting: 0 };

/** Runs `task` for at most `ms`; time-outs and failures are `busy`. Nothing of it is left running. */
const within = (ms: number, task: (signal: AbortSignal) => Promise<Seen>): Promise<Seen> =>
  new Promise((resolve) => {
    const controller = new AbortController();
    const release = timeLimit(ms, () => {
      resolve('busy');
      controller.abort();
    });
    task(controller.signal)
      .then(resolve, () => resolve('busy'))
      .finally(() => {
        release();
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
      sleeplessSince: never,
      sleepsByItself: false,
    };
    memories.delete(id);
    memories.set(id, memory);
    if (memories.size > LIMIT) memories.delete(memories.keys().next().value as string);
    return memory;
  };

  const maySleep = (worker: Worker): boolean => {
    const { sleep } = engineOf(worker.engine);
    if (!sleep || sleep.wakesItself) return false;
    return !isWithin(memories.get(worker.id)?.sleeplessSince ?? never, SLEEPLESS_MS);
  };

  const sleepOf = async (worker: Worker, memory: Memory, signal: AbortSignal): Promise<Sleep> => {
    if (isWithin(memory.sleeplessSince, SLEEPLESS_MS)) return 'never';
    const sleep = await askSleep(worker, { fetchText, signal });
    memory.sleeplessSince = sleep === 'never' ? now() : never;
    return sleep;
  };

  const loadOf = async (worker: Worker, memory: Memory, signal: AbortSignal): Promise<Seen> => {
    const sources = loadSourcesOf(worker).length;
    if (sources === 0 || isWithin(memory.silentSince, SILENT_MS)) return undefined;
    const patienceMs = timeoutMs / (sources + 1);
    const { load, source, isAbsent } = await askLoad(worker, memory.source, { fetchText, patienceMs, signal });
    memory.source = source;
    memory.silentSince = isAbsent ? now() : never;
    return load;
  };

  /** The load of an engine that wakes for a request; to ask for it would wake it too, or keep it awake. */
  const gently = async (worker: Worker, memory: Memory, signal: AbortSignal): Promise<Seen> => {
    const sleep = await sleepOf(worker, memory, signal);
    if (sleep === 'asleep') {
      memory.sleepsByItself = true;
      return idle;
    }
    if (sleep === 'never') return loadOf(worker, memory, signal);
    return memory.sleepsByItself || worker.sleepsByItself ? undefined : loadOf(worker, memory, signal);
  };

  /** The load of an engine that stays asleep: both questions at once. */
  const both = async (worker: Worker, memory: Memory, signal: AbortSignal): Promise<Seen> => {
    let sleep: Sleep = 'unknown';
    const slept = sleepOf(worker, memory, signal).then((told) => {
      sleep = told;
    });
    const load = loadOf(worker, memory, signal);
    // Behind a full HAProxy the one waits in the worker's queue, while the proxy itself answers the other.
    await settledWithin(load, timeoutMs);
    await settledWithin(slept, timeoutMs / 4);
    return (sleep as Sleep) === 'asleep' ? 'asleep' : load;
  };

  const ask = (worker: Worker, memory: Memory) => (signal: AbortSignal) => {
    const { sleep } = engineOf(worker.engine);
    if (!sleep) return loadOf(worker, memory, signal);
    return sleep.wakesItself ? gently(worker, memory, signal) : both(worker, memory, signal);
  };

  const probe = (worker: Worker): Promise<Seen> => {
    const isSilent =
      loadSourcesOf(worker).length === 0 || isWithin(memories.get(worker.id)?.silentSince ?? never, SILENT_MS);
    if (isSilent && !maySleep(worker)) return Promise.resolve(undefined);
    const memory = memoryOf(worker);
    if (isWithin(memory.seenAt, reuseMs)) return Promise.resolve(memory.seen);
    // A probe older than its time limit was frozen together with the environment.
    if (memory.flight && isWithin(memory.askedAt, timeoutMs)) return memory.flight;
    memory.askedAt = now();
    const flight = within(timeoutMs, ask(worker, memory)).then((seen) => {
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
    maySleep,
    load: async (worker, signal) => (await loads([worker], signal))[0],
  };
};
