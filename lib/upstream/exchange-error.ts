/** Why a worker gave no response head. */
export type ExchangeProblem = 'unreachable' | 'reset' | 'timeout' | 'aborted';

export interface ExchangeDetails {
  /** The whole request had left, so the worker may be working on it. */
  readonly sent: boolean;
  readonly cause?: unknown;
}

/** One request to a worker came to nothing. */
export class ExchangeError extends Error {
  readonly kind: ExchangeProblem;
  readonly sent: boolean;
  constructor(kind: ExchangeProblem, { sent, cause }: ExchangeDetails) {
    super(`upstream ${kind}`, { cause });
    this.name = 'ExchangeError';
    this.kind = kind;
    this.sent = sent;
  }
}

/** A kept connection turned out to be over before the worker can have seen the request. */
export class StaleConnectionError extends ExchangeError {}
