import { type Progress, progressOf, secondsLeft } from '../discovery/loading.ts';
import type { ScaledService } from '../discovery/scaled-service.ts';
import type { Snapshot } from '../discovery/source.ts';
import type { Wishes } from '../discovery/wishes.ts';
import type { Clock } from '../time/clock.ts';

/** The fleet is read again after so long, at random between the two. */
const READ_MS = [2_500, 4_000] as const;
/** A service that could not wake is tried again after so long. */
const FAILED_MS = 300_000;
/** Many who want the same come within a second: a few early ones are to be heard before the others look. */
const JITTER_MS = 1_000;
/** How much sparser the beginning of that second is than its end, as a power of e: for five that come at once, or hundreds. */
const SPARSENESS = 6;
/** What a wish takes is loaded so long before, or the early ones would still do that when the others look already. */
const LOAD_MS = 100;
/** Seconds after which whoever was refused because of that may ask again. */
const FAILED_RETRY = 300;

/** What became of a wait. */
export type Woken =
  /** Somebody can serve it now, as far as this snapshot knows. */
  | { readonly kind: 'ready'; readonly snapshot: Snapshot }
  /** Not in time. */
  | ({ readonly kind: 'loading' } & Progress)
  /** It cannot wake. */
  | { readonly kind: 'failed'; readonly retryAfter: number };

export interface WakingOptions {
  /** As read last. */
  readonly snapshot: Snapshot;
  /** @returns the service that is waited for; `undefined`: none, for somebody can serve the request, or nobody ever will. */
  readonly wanted: (snapshot: Snapshot) => ScaledService | undefined;
  readonly refreshed: (signal: AbortSignal) => Promise<Snapshot>;
  /** Loaded when the first wish is to be expressed. */
  readonly wishes: () => Promise<Wishes>;
  /** How long it may be waited for, in milliseconds, */
  readonly limitMs: number;
  /** but not beyond this time. */
  readonly endsAt: number;
  readonly signal: AbortSignal;
  /** Runs what a client need not wait for. */
  readonly later: (task: () => Promise<void>) => void;
  readonly clock: Clock;
  readonly random?: () => number;
}

/** Exponentially more come later, so that whoever is first is alone for long (Jamieson, Balakrishnan, Tay: "Sift", 2003). */
const jitterOf = (random: number): number => (JITTER_MS * Math.log1p(random * Math.expm1(SPARSENESS))) / SPARSENESS;

/** Wakes the service that a request needs, and waits for it (docs/contract.md 11). Never rejects but as `refreshed`. */
export const waitForService = async (options: WakingOptions): Promise<Woken> => {
  const { wanted, refreshed, wishes, limitMs, endsAt, signal, later, clock, random = Math.random } = options;
  const startedAt = clock.now();
  const until = Math.min(startedAt + limitMs, endsAt);
  const [shortest, longest] = READ_MS;
  let { snapshot } = options;
  const express = async (service: ScaledService, until: AbortSignal) => {
    if (service.state === 'waking' || service.state === 'awake') return;
    await (await wishes()).want(service, until);
  };
  for (let isFirst = true; ; isFirst = false) {
    const service = wanted(snapshot);
    if (!service) return { kind: 'ready', snapshot };
    const now = clock.now();
    const failedMs = service.state === 'failed' ? now - service.since : FAILED_MS;
    // A clock that was set back: it is long over.
    if (failedMs >= 0 && failedMs < FAILED_MS) return { kind: 'failed', retryAfter: FAILED_RETRY };
    const isTooLong = isFirst && (secondsLeft(service, now) ?? 0) * 1000 > until - now;
    if (signal.aborted || isTooLong || now >= until) {
      if (isFirst) later(() => express(service, AbortSignal.timeout(10_000)).catch(() => {}));
      return { kind: 'loading', ...progressOf(service, now) };
    }
    if (isFirst && service.state !== 'waking') {
      const jitterMs = jitterOf(random());
      const loadMs = Math.min(LOAD_MS, jitterMs);
      await clock.sleep(jitterMs - loadMs, signal);
      const loading = wishes().catch(() => {});
      await clock.sleep(loadMs, signal);
      await loading;
    }
    await express(service, signal);
    const pause = shortest + random() * (longest - shortest);
    await clock.sleep(Math.max(0, Math.min(pause, until - clock.now())), signal);
    snapshot = await refreshed(signal);
  }
};
