import type { UpstreamFailure } from '../upstream/client.ts';

/** What one try at a worker came to, before any byte reached the client. */
export type Outcome =
  | { readonly kind: 'response'; readonly status: number }
  | { readonly kind: 'failure'; readonly failure: UpstreamFailure };

/**
 * May another worker be tried?
 * - `answer`: this is the worker's word, pass it on.
 * - `next`: try another worker; without one, this is what the client gets.
 * - `last`: a fully sent request timed out, the worker may still be working on it: one more try and no further.
 * - `stop`: the invocation itself is over.
 */
export type Verdict = 'answer' | 'next' | 'last' | 'stop';

/** Statuses that say "not me, not now" (RFC 6585, RFC 9110 15.6): another worker may do better. */
const RETRIED = new Set([429, 502, 503, 504]);

export const verdict = (outcome: Outcome): Verdict => {
  if (outcome.kind === 'response') return RETRIED.has(outcome.status) ? 'next' : 'answer';
  const { kind, sent } = outcome.failure;
  if (kind === 'aborted') return 'stop';
  return kind === 'timeout' && sent ? 'last' : 'next';
};

/**
 * @param value a `Retry-After` header: seconds or an HTTP date (RFC 9110 10.2.3).
 * @param now milliseconds since the epoch.
 * @returns seconds from now, at least 0; `undefined` when it is neither.
 */
export const retryAfterSeconds = (value: string | undefined, now: number): number | undefined => {
  if (!value) return undefined;
  if (/^\s*\d+\s*$/.test(value)) return Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
};
