import type { ScaledService, ServiceState } from '../discovery/scaled-service.ts';
import type { log as Log } from '../telemetry/log.ts';
import type { Clock } from '../time/clock.ts';

/** Looks that change nothing are told of this often. */
const TOLD_EVERY_MS = 50_000;

/** What a run has come to, for whoever started it, and for the log. */
export interface Report {
  readonly outcome: 'ignored' | 'unchanged' | 'confirmed' | 'written';
  readonly services: number;
  readonly workers: number;
  readonly healthy: number;
  readonly generation: number;
  readonly milliseconds: number;
}

interface Told {
  readonly report: Report;
  readonly services: readonly ScaledService[];
  /** Services that should have a healthy worker, and have none. */
  readonly unserved: number;
  /** A run begins with it. */
  readonly isFirst: boolean;
}

/** @returns writes a look into the log, unless it has nothing new to say. */
export const createTelling = ({ log, clock }: { readonly log: typeof Log; readonly clock: Clock }) => {
  let toldAt = 0;
  return ({ report, services, unserved, isFirst }: Told): void => {
    if (report.outcome === 'unchanged' && !isFirst && clock.now() - toldAt < TOLD_EVERY_MS) return;
    toldAt = clock.now();
    const countOf = (...states: readonly ServiceState[]) =>
      services.filter(({ state }) => states.includes(state)).length;
    log('info', 'fleet', {
      ...report,
      awake: countOf('awake', 'draining'),
      waking: countOf('waking'),
      asleep: countOf('asleep'),
      failed: countOf('failed'),
      unserved,
    });
  };
};
