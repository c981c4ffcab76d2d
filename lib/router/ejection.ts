/** Out this long after the first failure in a row; each further one triples it, up to `MAX_MS`. */
const BASE_MS = 10_000;
const GROWTH = 3;
const MAX_MS = 120_000;

/** Added by chance, as a share of the time, so that environments that saw one failure do not return together. */
const JITTER = 0.5;

/** Workers remembered; the one that failed longest ago is forgotten first. */
const LIMIT = 1024;

/** So many 500s without a success between them count as a failure. */
const ERRORS_IN_A_ROW = 3;

interface Entry {
  readonly failures: number;
  /** Clock time at which the worker is put on probation. */
  readonly until: number;
  /** How long this ejection is: also how long a probation request may stay without an outcome. */
  readonly spanMs: number;
  /** Whether it is out because a request on probation tries it. */
  readonly isOnTrial?: true;
}

export interface Ejection {
  /** A request to the worker failed before its first byte, or the worker broke off its answer. */
  failed(id: string): void;
  /**
   * The worker answered with a 500. One may be the request's own fault; three in a row are a dead engine behind a living
   * server, which looks idle to every load probe. @returns whether it is out because of that.
   */
  errored(id: string): boolean;
  /** A request to the worker went well: it is in again. */
  succeeded(id: string): void;
  /** A request is sent to the worker: when it is on probation, this request is the one that tries it. */
  started(id: string): void;
  /** @returns whether the worker is out now; false while it waits for the request that tries it. */
  isEjected(id: string): boolean;
}

/**
 * Remembers, inside one environment, which workers fail. The first failure already counts: an environment sees few
 * requests, another worker can take them, and a worker that fails fast looks idle to every load probe. It is out for
 * 10 s, 30 s, 90 s, at most 120 s (plus up to half of that), then on probation: one request tries it, and decides.
 * Time is read off the clock, never counted by timers: an environment that was frozen is right on its first request.
 *
 * @param now milliseconds of the wall clock
 * @param random uniform in [0, 1)
 */
export const createEjection = ({
  now = Date.now,
  random = Math.random,
}: {
  now?: () => number;
  random?: () => number;
} = {}): Ejection => {
  const entries = new Map<string, Entry>();
  /** 500s since the last success. */
  const errors = new Map<string, number>();

  const isEjected = (id: string): boolean => {
    const entry = entries.get(id);
    if (!entry) return false;
    const left = entry.until - now();
    // More left than the whole span: the clock was set back.
    return left > 0 && left <= entry.spanMs;
  };

  const remember = <T>(map: Map<string, T>, id: string, value: T) => {
    map.delete(id);
    map.set(id, value);
    if (map.size > LIMIT) map.delete(map.keys().next().value as string);
  };

  const failed = (id: string) => {
    const entry = entries.get(id);
    // Of many requests under way at a worker that dies each fails, and it died once.
    if (entry && !entry.isOnTrial && isEjected(id)) return;
    const failures = (entry?.failures ?? 0) + 1;
    const spanMs = Math.min(BASE_MS * GROWTH ** (failures - 1), MAX_MS) * (1 + JITTER * random());
    remember(entries, id, { failures, until: now() + spanMs, spanMs });
  };

  return {
    isEjected,
    failed,
    errored(id) {
      const count = (errors.get(id) ?? 0) + 1;
      remember(errors, id, count);
      if (count < ERRORS_IN_A_ROW) return false;
      failed(id);
      return true;
    },
    succeeded(id) {
      entries.delete(id);
      errors.delete(id);
    },
    started(id) {
      const entry = entries.get(id);
      if (entry && !isEjected(id)) entries.set(id, { ...entry, until: now() + entry.spanMs, isOnTrial: true });
    },
  };
};
