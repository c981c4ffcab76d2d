import type { IncomingHttpHeaders } from 'node:http';
import type { ExchangeError } from '../upstream/exchange-error.ts';

/** What one try at a worker came to, as far as it decides about another one. */
export type Tried =
  | {
      readonly kind: 'response';
      readonly status: number;
      /** What a stream that said 200 began with, where that is an error. */
      readonly error?: object | undefined;
    }
  | { readonly kind: 'failure'; readonly failure: Pick<ExchangeError, 'kind' | 'sent'> };

/** What follows from a try (docs/contract.md 5 and 6). */
export interface Verdict {
  /**
   * May another worker be tried?
   * - `no`: this is the worker's word, it passes.
   * - `next`: yes; without one, this is what the client gets.
   * - `once`: one more and no further: the worker may still be at it, or the request itself may be what it died of.
   * - `over`: the invocation has ended.
   */
  readonly another: 'no' | 'next' | 'once' | 'over';
  /** What the worker has to answer for: it is out at once, or after the third time in a row, or not at all. */
  readonly fault: 'failed' | 'errored' | 'none';
}

/** Statuses that say "not me, not now" (RFC 6585, RFC 9110 15.6): another worker may do better. */
const RETRIED = new Set([429, 502, 503, 504]);

const PASSES: Verdict = { another: 'no', fault: 'none' };

/** @param hasModel whether the worker was chosen for a model: a 404 then says that it has lost it. */
export const verdict = (tried: Tried, hasModel: boolean): Verdict => {
  if (tried.kind === 'response') {
    if (RETRIED.has(tried.status)) return { another: 'next', fault: 'failed' };
    // The engine behind it works: it has begun a stream to say so.
    if (tried.error) return PASSES;
    if (tried.status === 500) return { another: 'once', fault: 'errored' };
    return tried.status === 404 && hasModel ? { another: 'next', fault: 'none' } : PASSES;
  }
  const { kind, sent } = tried.failure;
  if (kind === 'aborted') return { another: 'over', fault: 'none' };
  return { another: sent ? 'once' : 'next', fault: 'failed' };
};

/** A year, in seconds: what is longer has no meaning. */
const LONGEST_SECONDS = 31_536_000;

const inReach = (seconds: number) => Math.min(LONGEST_SECONDS, Math.max(0, seconds));

/**
 * @param value a `Retry-After` header: seconds (fractions too, which some servers send) or an HTTP date (RFC 9110
 *   10.2.3).
 * @param now milliseconds since the epoch.
 * @returns seconds from now, within 0 and a year; `undefined` when it is neither.
 */
export const retryAfterSeconds = (value: string | undefined, now: number): number | undefined => {
  if (!value) return undefined;
  if (/^\s*\d+(?:\.\d+)?\s*$/.test(value)) return inReach(Number(value));
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : inReach((date - now) / 1000);
};

/**
 * How long a worker asks to be left alone, in whichever of the two headers says it more exactly; OpenAI's and
 * Anthropic's SDKs read them in this order.
 * @returns seconds; `undefined` where it does not say.
 */
export const waitOf = (headers: IncomingHttpHeaders, now: number): number | undefined => {
  const given = headers['retry-after-ms'];
  const ms = typeof given === 'string' && /^\s*\d+(?:\.\d+)?\s*$/.test(given) ? Number(given) : undefined;
  return ms === undefined ? retryAfterSeconds(headers['retry-after'], now) : inReach(ms / 1000);
};

/** Says the same wait in both headers, where the worker has said one in milliseconds. @param seconds see `waitOf`. */
export const sayWait = (headers: Record<string, string>, seconds: number): void => {
  headers['retry-after'] = String(Math.ceil(seconds));
  if (headers['retry-after-ms'] !== undefined) headers['retry-after-ms'] = String(Math.ceil(seconds * 1000));
};
