import type { Source } from '../discovery/source.ts';
import type { Wishes } from '../discovery/wishes.ts';
import type { Clock } from '../time/clock.ts';

/** A wish is looked at this often, or four times in the idle time of the service where that is more often. */
const LOOK_MS = 60_000;

export interface SessionWishesOptions {
  /** The service whose worker the session is with. */
  readonly name: string;
  readonly source: Pick<Source, 'current'>;
  readonly wishes: () => Promise<Wishes>;
  readonly clock: Clock;
  /** The session's end. */
  readonly signal: AbortSignal;
}

/**
 * Keeps the service of a session awake for as long as that is under way. Engines count what they generate, and a session in
 * which nobody speaks for a while is idle to them; to its client it is not (docs/contract.md 12). Resolves at its end, and
 * never rejects.
 */
export const wishForSession = async (options: SessionWishesOptions): Promise<void> => {
  const { name, source, wishes, clock, signal } = options;
  while (!signal.aborted) {
    const { services } = await source.current(signal).catch(() => ({ services: undefined }));
    const service = services?.find((one) => one.name === name);
    if (service && !signal.aborted)
      await wishes().then(
        (all) => all.renew(service, signal),
        () => {},
      );
    await clock.sleep(Math.min(LOOK_MS, ((service?.idleMinutes ?? 15) * 60_000) / 4), signal);
  }
};
