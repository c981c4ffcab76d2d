import type { Load } from '../engines/engine.ts';
import { loadSourcesOf } from '../engines/index.ts';
import type { Worker } from '../worker.ts';
import type { Seen } from './policies/policy.ts';

/** A worker that answered, but nowhere with its load, is not asked again for so long. */
const silentMs = 30_000;

/** Workers remembered; the one asked longest ago is forgotten first. */
const limit = 4096;

/** GET. Resolves with any status; rejects when there is no answer, or once `signal` aborts. */
export type FetchText = (
  url: string,
  options: { signal: AbortSignal; headers: Record<string, string> },
) => Promise<{ status: number; body: string }>;

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
  /** Index of the source that answered last, and whether its zeros are believed. */
  source: number;
  isTrusted: boolean;
  /** When the last probe was sent and what it saw; `flight` while it is under way. */
  askedAt: number;
  seenAt: number;
  seen: Seen;
  flight: Promise<Seen> | undefined;
  silentSince: number | undefined;
}

/** Runs `task` for at most `ms`; time-outs and failures are `busy`. */
const within = (ms: number, task: (signal: AbortSignal) => Promise<Seen>): Promise<Seen> =>
  new Promise((resolve) => {
    const controller = new AbortController();
    const timer = setTimeout(() => {
      resolve('busy');
      controller.abort();
    }, ms);
    task(controller.signal)
      .then(resolve, () => resolve('busy'))
      .finally(() => clearTimeout(timer));
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

  const memoryOf = (worker: Worker): Memory => {
    const memory = memories.get(worker.id) ?? {
      source: 0,
      isTrusted: false,
      askedAt: Number.NEGATIVE_INFINITY,
      seenAt: Number.NEGATIVE_INFINITY,
      seen: undefined,
      flight: undefined,
      silentSince: undefined,
    };
    memories.delete(worker.id);
    memories.set(worker.id, memory);
    if (memories.size > limit) memories.delete(memories.keys().next().value as string);
    return memory;
  };

  /** Goes through the sources, beginning with the one that answered last, and remembers which one does. */
  const ask = async (worker: Worker, memory: Memory, signal: AbortSignal): Promise<Seen> => {
    const headers: Record<string, string> = worker.apiKey ? { authorization: `Bearer ${worker.apiKey}` } : {};
    const sources = loadSourcesOf(worker);
    const start = memory.source < sources.length ? memory.source : 0;
    let doubtful: Load | undefined;
    let isSilent = true;
    for (let step = 0; step < sources.length; step += 1) {
      const index = (start + step) % sources.length;
      const source = sources[index];
      if (!source) break;
      const { status, body } = await fetchText(worker.url + source.path, { signal, headers });
      const load = status >= 200 && status < 300 ? source.read(body) : undefined;
      // 503 while it starts or 401 with an old key may pass; 404 and a body without a load stay as they are.
      if (status >= 300 && status !== 404 && status !== 405 && status !== 501) isSilent = false;
      if (!load) continue;
      const isZero = load.running === 0 && load.waiting === 0;
      if (isZero && source.zeroIsDoubtful && !memory.isTrusted) {
        doubtful = load;
        continue;
      }
      if (source.zeroIsDoubtful) memory.isTrusted = true;
      // Two zeros settle nothing; a load where the first source saw none shows that it does not count.
      if (!doubtful || !isZero) memory.source = index;
      return load;
    }
    if (!doubtful && isSilent) memory.silentSince = now();
    return doubtful;
  };

  const probe = (worker: Worker): Promise<Seen> => {
    if (loadSourcesOf(worker).length === 0) return Promise.resolve(undefined);
    const memory = memoryOf(worker);
    if (memory.silentSince !== undefined && isWithin(memory.silentSince, silentMs)) return Promise.resolve(undefined);
    memory.silentSince = undefined;
    if (isWithin(memory.seenAt, reuseMs)) return Promise.resolve(memory.seen);
    // A probe older than its time limit was frozen together with the environment.
    if (memory.flight && isWithin(memory.askedAt, timeoutMs)) return memory.flight;
    memory.askedAt = now();
    const flight = within(timeoutMs, (signal) => ask(worker, memory, signal)).then((seen) => {
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
