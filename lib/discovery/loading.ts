import type { ScaledService } from './scaled-service.ts';

/** `Retry-After`: in seconds. */
const SHORTEST = 5;
const LONGEST = 300;
const UNKNOWN = 30;

/** How far a service is that somebody waits for. */
export interface Progress {
  /** `pending` until a task runs. */
  readonly state: 'pending' | 'loading';
  /** `undefined`: no wake was ever measured. */
  readonly etaSeconds: number | undefined;
  /** When to ask again, in seconds. */
  readonly retryAfter: number;
}

/** @returns seconds that a wake will still take, as far as earlier ones were measured. */
export const secondsLeft = ({ state, since, wake }: ScaledService, now: number): number | undefined => {
  if (!wake || state === 'draining' || state === 'awake') return undefined;
  return state === 'waking' ? Math.max(0, wake.typical - Math.max(0, now - since) / 1000) : wake.typical;
};

/** @param now milliseconds since the epoch. */
export const progressOf = (service: ScaledService, now: number): Progress => {
  const left = secondsLeft(service, now);
  // One that was about to sleep is back as soon as the registrar has heard.
  const unknown = service.state === 'draining' ? SHORTEST : UNKNOWN;
  return {
    state: service.running > 0 ? 'loading' : 'pending',
    etaSeconds: left === undefined ? undefined : Math.round(left),
    retryAfter: left === undefined ? unknown : Math.min(LONGEST, Math.max(SHORTEST, Math.ceil(left))),
  };
};
