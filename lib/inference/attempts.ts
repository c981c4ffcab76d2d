import { type GatewayError, TimeoutError, UnavailableError, UpstreamError } from '../errors.ts';
import { stamp } from '../holder.ts';
import type { Answered } from '../relay/answer.ts';
import { readShort } from '../relay/collect.ts';
import { toGatewayError } from '../relay/worker-error.ts';
import type { Route, Router } from '../router/router.ts';
import type { Worker } from '../worker.ts';
import { type Attempt, type AttemptOptions, type Outcome, type RawAnswer, startAttempt } from './attempt.ts';
import { sayWait, type Verdict, verdict, waitOf } from './failover.ts';
import { localLocation, toClient } from './headers.ts';
import type { Sleepers } from './sleepers.ts';

export interface AttemptsOptions extends Omit<AttemptOptions, 'worker' | 'isLast'> {
  readonly router: Router;
  readonly route: Omit<Route, 'tried' | 'signal' | 'holder'>;
  readonly maxAttempts: number;
  /** Told before another worker is looked for. */
  readonly beforeFailover?: (() => Promise<void>) | undefined;
  /** Services that may have to be woken; `undefined`: there are none. */
  readonly sleepers?: Sleepers | undefined;
}

/** One request's way through the workers until one of them has answered. */
export interface Attempts {
  readonly answered: Promise<Answered>;
  /** Who is being waited for; `undefined` while somebody is chosen. */
  readonly worker: Worker | undefined;
  /** A service is waited for: there is nobody yet who could be named. */
  readonly isWaking: boolean;
  /** How many workers were tried. */
  readonly count: number;
  /** From here on there is no other worker: what was sent to the client names this one. */
  commit(): void;
  /** Gives the present worker up, if there is another one. @returns whether there was. */
  giveUp(): boolean;
}

/** An answer that passes only if no other worker has one. */
interface Kept {
  readonly worker: Worker;
  readonly answer: RawAnswer;
}

/** Longer error bodies are not kept but pass at once. */
const KEPT_BYTES = 64 * 1024;

const noAnswer = (cause?: unknown, retryAfter?: number) =>
  new UpstreamError('No worker could answer this request.', { cause, retryAfter });

const isEmpty = ({ body }: RawAnswer) => body.first.length === 0;

/** What the client is told when nobody could answer, and no worker's own words may pass. */
const exhausted = (outcome: Outcome, wait: number | undefined): GatewayError => {
  if (outcome.kind === 'response') {
    return outcome.status === 503 && isEmpty(outcome)
      ? new UnavailableError('No worker takes this request at the moment.', { retryAfter: wait })
      : noAnswer(undefined, wait);
  }
  const { failure } = outcome;
  return failure.kind === 'timeout'
    ? new TimeoutError('No worker sent the first byte in time.', { cause: failure })
    : noAnswer(failure, wait);
};

const isOf = (type: RegExp, { headers }: RawAnswer) => type.test(headers['content-type'] ?? '');
const isJson = (answer: RawAnswer) => isOf(/^application\/(?:[a-z0-9.+-]+\+)?json\b/i, answer);
/** A load balancer's, in front of a worker that is not there: no SDK can read it. */
const isPage = (answer: RawAnswer) => answer.status >= 500 && isOf(/^text\/html\b/i, answer);

/** @returns whether the last worker's own word passes where another one could have been asked: "later", or "no such model". */
const hasLastWord = (answer: RawAnswer): boolean => {
  if (answer.error) return true;
  // One without a byte says nothing that a client could read.
  if (answer.status === 503) return isJson(answer) && !isEmpty(answer);
  return [404, 429, 500].includes(answer.status) && !isPage(answer);
};

/** Starts at once; before the first byte a failing worker is replaced by another one (docs/contract.md 5 and 6). */
export const startAttempts = (options: AttemptsOptions): Attempts => {
  const { router, request, inference, idleMs, beforeFailover, sleepers } = options;
  const { signal } = request.deadline;
  const { record, holder } = request;
  const hasModel = inference.servedModel !== undefined;
  const tried = new Set<string>();
  let route: Route = { ...options.route, tried, signal, holder };
  let current: Attempt | undefined;
  let isWaking = false;
  let hasLookedAgain = false;
  let { maxAttempts } = options;
  let isCommitted = false;
  let isLast = false;
  /** The shortest wait a worker has asked for, in seconds. */
  let wait: number | undefined;

  const canMove = () => !isCommitted && !isLast && tried.size < maxAttempts && router.hasNext(route);

  const name = ({ id }: Worker) => {
    if (record) record.nodeId = id;
    stamp(holder, id);
  };

  const next = async (): Promise<Attempt> => {
    // Nobody, while another one is chosen: a head written now would name the one that failed.
    current = undefined;
    if (sleepers && sleepers.candidates.length > 0) {
      isWaking = true;
      route = { ...route, workers: await sleepers.wake() };
      isWaking = false;
      // Another fleet than the one that was tried.
      maxAttempts = tried.size + options.maxAttempts;
    }
    const worker = await router.pick(route);
    if (!worker) throw noAnswer();
    tried.add(worker.id);
    if (record) record.attempts = tried.size;
    name(worker);
    request.occupies?.(worker.id);
    current = startAttempt({ ...options, worker, isLast });
    return current;
  };

  const blame = (worker: Worker, fault: Verdict['fault']) => {
    if (fault === 'failed') router.failed(worker);
    const isOut = fault === 'failed' || (fault === 'errored' && router.errored(worker));
    if (record && isOut) record.ejections += 1;
  };

  /** @returns whether a worker failed because its service has gone to sleep meanwhile: then the request wakes it. */
  const hasGoneToSleep = async ({ scaledBy }: Worker): Promise<boolean> => {
    if (!sleepers || scaledBy === undefined || isCommitted || hasLookedAgain) return false;
    hasLookedAgain = true;
    await sleepers.lookAgain();
    return sleepers.candidates.length > 0;
  };

  /** The worker's answer as the client gets it. @throws {GatewayError} where it must not pass. */
  const pass = (worker: Worker, answer: RawAnswer): Answered => {
    const { status, body, error, isChanged, translation } = answer;
    if (record) record.translation = translation;
    const refuse = (refusal: GatewayError): never => {
      body.rest.stop();
      throw refusal;
    };
    if (error) return refuse(toGatewayError(error, { retryAfter: wait }));
    if (isPage(answer)) return refuse(new UpstreamError('Something in front of the worker answered in its place.'));
    const headers = toClient(answer.headers);
    if (isChanged) delete headers['content-length'];
    if (headers.location !== undefined) {
      const location = localLocation(headers.location, worker.url + inference.path);
      if (location === undefined) {
        return refuse(new UpstreamError('The worker answered with a redirect to another place.'));
      }
      headers.location = location;
    }
    if (wait !== undefined && (status === 429 || status === 503)) sayWait(headers, wait);
    return { worker, status, headers, body };
  };

  const run = async (): Promise<Answered> => {
    let kept: Kept | undefined;
    for (;;) {
      const { worker, outcome: pending } = await next();
      const outcome = await pending;
      const { another, fault } = verdict(outcome, hasModel);
      if (another === 'over') throw signal.reason;
      blame(worker, fault);
      const asked = outcome.kind === 'response' ? waitOf(outcome.headers, Date.now()) : undefined;
      if (asked !== undefined) wait = Math.min(asked, wait ?? asked);
      // After a 500 whatever another worker says is the answer.
      const isAnswer = another === 'no' || (kept && outcome.kind === 'response' && !isPage(outcome));
      if (isAnswer && outcome.kind === 'response') return pass(worker, outcome);
      await beforeFailover?.();
      const isAsleep = fault === 'failed' && (await hasGoneToSleep(worker));
      if (!isAsleep && !canMove()) {
        // A page would not pass: what is said then is the gateway's own, and names who was tried last.
        if (kept && !isPage(kept.answer)) {
          name(kept.worker);
          return pass(kept.worker, kept.answer);
        }
        if (outcome.kind === 'response' && hasLastWord(outcome)) return pass(worker, outcome);
        if (outcome.kind === 'response') outcome.body.rest.stop();
        throw exhausted(outcome, wait);
      }
      isLast = another === 'once';
      if (outcome.kind === 'failure') continue;
      if (outcome.status !== 500) {
        outcome.body.rest.stop();
        continue;
      }
      const read = await readShort(outcome.body, { signal, idleMs, maxBytes: KEPT_BYTES }).catch((error) => {
        if (signal.aborted) throw error;
      });
      // It did not come to its end: there is nothing to keep.
      if (!read) continue;
      const answer = { ...outcome, body: read.body };
      if (!read.isWhole) return pass(worker, answer);
      kept = { worker, answer };
    }
  };

  const answered = run();
  // Whoever waits for it sees the failure; until then it must not end the process as an unhandled one.
  answered.catch(() => {});
  return {
    answered,
    get worker() {
      return current?.worker;
    },
    get isWaking() {
      return isWaking;
    },
    get count() {
      return tried.size;
    },
    commit: () => {
      isCommitted = true;
    },
    giveUp: () => {
      if (!current || !canMove()) return false;
      current.stop('unreachable');
      return true;
    },
  };
};
