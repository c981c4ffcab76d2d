import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { GatewayError, TimeoutError, UpstreamError } from '../errors.ts';
import type { Answered, PrimedBody } from '../relay/answer.ts';
import { holdFirstEvent } from '../relay/first-event.ts';
import type { Route, Router } from '../router/router.ts';
import { timeLimit } from '../time/time-limit.ts';
import { createChunkReader, nothingMore } from '../upstream/chunk-reader.ts';
import { type Upstream, UpstreamFailure, type UpstreamResponse } from '../upstream/client.ts';
import type { Worker } from '../worker.ts';
import { type Outcome, retryAfterSeconds, verdict } from './failover.ts';
import { localLocation, toClient, toWorker } from './headers.ts';
import type { InferenceRequest } from './inference-request.ts';

export interface AttemptsOptions {
  readonly router: Router;
  readonly upstream: Upstream;
  readonly request: GatewayRequest;
  readonly inference: InferenceRequest;
  readonly route: Omit<Route, 'tried' | 'signal' | 'holder'>;
  readonly maxAttempts: number;
  /** `undefined`: only the invocation's deadline counts. */
  readonly firstByteMs: number | undefined;
  /**
   * Reads an answer (200, JSON) that can only be passed on whole. While it does, nothing has been sent: what it throws
   * is the worker's failure, and another worker is tried.
   */
  readonly whole?: ((worker: Worker, body: PrimedBody) => Promise<Buffer>) | undefined;
}

/** One request's way through the workers until one of them has answered. */
export interface Attempts {
  readonly answered: Promise<Answered>;
  /** Who is being waited for; `undefined` while somebody is chosen. */
  readonly worker: Worker | undefined;
  /** How many workers were tried. */
  readonly count: number;
  /** From here on there is no other worker: something was sent to the client. */
  commit(): void;
  /** Gives the present worker up, if there is another one. @returns whether there was. */
  giveUp(): boolean;
}

const isEventStream = (headers: UpstreamResponse['headers']) =>
  /^text\/event-stream\b/i.test(headers['content-type'] ?? '');

const isLines = (headers: UpstreamResponse['headers']) =>
  /^application\/x-ndjson\b/i.test(headers['content-type'] ?? '');

const prime = async ({ status, headers, body, discard }: UpstreamResponse) => {
  const rest = createChunkReader(body, discard);
  const first = await rest.read();
  // A stream without a single event has not begun.
  if (!first && status === 200 && (isEventStream(headers) || isLines(headers))) {
    throw new UpstreamFailure('reset', true);
  }
  const primed: PrimedBody = { first: first ? [first] : [], rest };
  return status === 200 && isEventStream(headers) ? holdFirstEvent(primed) : { body: primed, error: undefined };
};

const isJson = ({ status, headers }: UpstreamResponse) =>
  status === 200 && /^application\/json\b/i.test(headers['content-type'] ?? '');

/** What the client is told when nobody could answer. */
const exhausted = (outcome: Outcome): GatewayError => {
  if (outcome.kind === 'failure' && outcome.failure.kind === 'timeout') {
    return new TimeoutError('No worker sent the first byte in time.');
  }
  return new UpstreamError(
    'No worker could answer this request.',
    outcome.kind === 'failure' ? outcome.failure : undefined,
  );
};

/** The worker's own word for "later", which the client gets to read. */
const isBusy = (status: number) => status === 429 || status === 503;

/** Starts at once; before the first byte a failing worker is replaced by another one (CONTRACT.md 5 and 6). */
export const startAttempts = (options: AttemptsOptions): Attempts => {
  const { router, upstream, request, inference, maxAttempts, firstByteMs, whole } = options;
  const { signal } = request.deadline;
  const { record } = request;
  const tried = new Set<string>();
  const route: Route = { ...options.route, tried, signal, holder: request.holder };
  let worker: Worker | undefined;
  let isCommitted = false;
  let isLast = false;
  let retryAfter: number | undefined;
  let stop: (kind: UpstreamFailure['kind']) => void = () => {};

  const canMove = () => !isCommitted && !isLast && tried.size < maxAttempts && router.hasNext(route);

  /** Sends the request to one worker and waits for its first byte. */
  const attempt = async (target: Worker) => {
    const controller = new AbortController();
    let stopped: UpstreamFailure['kind'] | undefined;
    stop = (kind) => {
      stopped ??= kind;
      controller.abort();
    };
    const abort = () => controller.abort();
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    const release = firstByteMs === undefined ? undefined : timeLimit(firstByteMs, () => stop('timeout'));
    let response: UpstreamResponse | undefined;
    try {
      response = await upstream.send({
        worker: target,
        method: request.method,
        path: inference.path,
        headers: {
          ...toWorker(request, target.apiKey),
          ...(inference.contentType === undefined ? {} : { 'content-type': inference.contentType }),
        },
        body: inference.body,
        signal: controller.signal,
      });
      const { body, error } = await prime(response);
      const status = error?.status ?? response.status;
      const outcome: Outcome = { kind: 'response', status };
      if (!whole || error || !isJson(response)) return { outcome, response, body, error };
      release?.();
      const bytes = await whole(target, body).catch((cause) => {
        throw new UpstreamFailure(cause instanceof TimeoutError ? 'timeout' : 'reset', true, cause);
      });
      return { outcome, response, body: { first: [bytes], rest: nothingMore }, isChanged: true };
    } catch (cause) {
      // The request's own body could not be read: no worker's fault, and none would fare better.
      if (cause instanceof GatewayError) throw cause;
      const failure = cause instanceof UpstreamFailure ? cause : new UpstreamFailure('reset', true, cause);
      const kind = signal.aborted ? 'aborted' : (stopped ?? failure.kind);
      const outcome: Outcome = { kind: 'failure', failure: new UpstreamFailure(kind, failure.sent, cause) };
      return { outcome };
    } finally {
      release?.();
    }
  };

  const answer = (target: Worker, result: Awaited<ReturnType<typeof attempt>>): Answered => {
    const { response, body, error, isChanged } = result;
    if (!response || !body) throw new UpstreamError('No worker could answer this request.');
    if (error) {
      response.discard();
      throw new GatewayError(error.status, 'upstream_error', error.message, { retryAfter });
    }
    const headers = toClient(response.headers);
    if (isChanged) delete headers['content-length'];
    if (headers.location !== undefined) {
      const location = localLocation(headers.location, target.url + inference.path);
      if (location === undefined) {
        response.discard();
        throw new UpstreamError('The worker answered with a redirect to another place.');
      }
      headers.location = location;
    }
    if (retryAfter !== undefined && isBusy(response.status)) headers['retry-after'] = String(retryAfter);
    return { worker: target, status: response.status, headers, body };
  };

  const run = async (): Promise<Answered> => {
    worker = await router.pick(route);
    for (;;) {
      if (!worker) throw new UpstreamError('No worker could answer this request.');
      tried.add(worker.id);
      if (record) {
        record.attempts = tried.size;
        record.nodeId = worker.id;
      }
      const result = await attempt(worker);
      const { outcome, response } = result;
      const decision = verdict(outcome);
      if (decision === 'answer') return answer(worker, result);
      if (decision === 'stop') throw signal.reason;
      router.failed(worker);
      if (record) record.ejections += 1;
      const wait = retryAfterSeconds(response?.headers['retry-after'], Date.now());
      if (wait !== undefined) retryAfter = Math.min(wait, retryAfter ?? wait);
      if (!canMove()) {
        if (outcome.kind === 'response' && (isBusy(outcome.status) || result.error)) return answer(worker, result);
        response?.discard();
        throw exhausted(outcome);
      }
      response?.discard();
      isLast = decision === 'last';
      // Nobody, while another one is chosen: a head written now would name the one that failed.
      worker = undefined;
      worker = await router.pick(route);
    }
  };

  const answered = run();
  // Whoever waits for it sees the failure; until then it must not end the process as an unhandled one.
  answered.catch(() => {});
  return {
    answered,
    get worker() {
      return worker;
    },
    get count() {
      return tried.size;
    },
    commit: () => {
      isCommitted = true;
    },
    giveUp: () => {
      if (!canMove()) return false;
      stop('unreachable');
      return true;
    },
  };
};
