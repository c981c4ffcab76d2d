import type { IncomingHttpHeaders } from 'node:http';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { pathOn, servesOperation } from '../engines/index.ts';
import { AnswerTooLargeError, GatewayError, TimeoutError } from '../errors.ts';
import type { PrimedBody } from '../relay/answer.ts';
import { type FirstPart, holdFirstEvent, holdFirstLine } from '../relay/first-event.ts';
import { namesOf, type WorkerError } from '../relay/worker-error.ts';
import { isSilent, orSilent } from '../time/silence.ts';
import { timeLimit } from '../time/time-limit.ts';
import { createChunkReader, nothingMore } from '../upstream/chunk-reader.ts';
import type { Upstream } from '../upstream/client.ts';
import type { UpstreamRequest, UpstreamResponse } from '../upstream/exchange.ts';
import { ExchangeError, type ExchangeProblem } from '../upstream/exchange-error.ts';
import type { Worker } from '../worker.ts';
import { toWorker } from './headers.ts';
import type { InferenceRequest } from './inference-request.ts';
import { type Translate, unlessMissing } from './translated.ts';
import type { TranslationMeans } from './translation.ts';

/** A worker's answer as it came, its first byte here. */
export interface RawAnswer {
  readonly kind: 'response';
  /** Of the error, where the first event is one. */
  readonly status: number;
  /** Lower-case names. */
  readonly headers: IncomingHttpHeaders;
  readonly body: PrimedBody;
  /** What a stream that said 200 turned out to be. */
  readonly error: WorkerError | undefined;
  /** Whether the body is no longer the worker's own bytes. */
  readonly isChanged: boolean;
  /** The pair it was translated by. */
  readonly translation?: string | undefined;
}

/** What one try at a worker came to, before any byte reached the client. */
export type Outcome = RawAnswer | { readonly kind: 'failure'; readonly failure: ExchangeError };

export interface AttemptOptions {
  readonly upstream: Upstream;
  readonly worker: Worker;
  readonly request: GatewayRequest;
  readonly inference: InferenceRequest;
  /** `undefined`: only the invocation's deadline counts. */
  readonly firstByteMs: number | undefined;
  /** For workers that do not speak the client's dialect; `undefined`: no pair has it. */
  readonly means?: Pick<TranslationMeans, 'canAsk' | 'translate'> | undefined;
  /** How long the worker may say nothing once it has begun, in milliseconds. */
  readonly idleMs: number;
  /**
   * Reads an answer (200, JSON) that can only be passed on whole. While it does, nothing has been sent: what it throws
   * is the worker's failure, and another worker is tried.
   */
  readonly whole?: ((worker: Worker, body: PrimedBody) => Promise<readonly Uint8Array[]>) | undefined;
  /** Nobody is asked after it: it is not risked on a connection that may be over. */
  readonly isLast?: boolean;
}

/** One try at one worker. */
export interface Attempt {
  readonly worker: Worker;
  /** Rejects only with a GatewayError: the request's own body could not be read, and no worker would fare better. */
  readonly outcome: Promise<Outcome>;
  /** Ends it; its outcome is then a failure of this kind. */
  stop(kind: ExchangeProblem): void;
}

const typeOf = ({ headers }: Pick<UpstreamResponse, 'headers'>) =>
  (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();

/**
 * Waits for the first byte, and of a stream for its first event or line.
 * @param begun told when the first byte is here.
 * @throws {ExchangeError} when a stream ends or stops before: it has not begun then.
 */
const prime = async (
  response: UpstreamResponse,
  { worker, request, inference, idleMs }: AttemptOptions,
  begun: () => void,
): Promise<FirstPart> => {
  const rest = createChunkReader(response.body, response.discard);
  const first = await rest.read();
  begun();
  const { status, headers } = response;
  // What stayed encoded has no events that could be seen.
  const type = status === 200 && headers['content-encoding'] === undefined ? typeOf(response) : undefined;
  const isEvents = type === 'text/event-stream';
  const body: PrimedBody = { first: first ? [first] : [], rest };
  if (!isEvents && type !== 'application/x-ndjson') return { body };
  if (!first) throw new ExchangeError('reset', { sent: true });
  const read = async () => {
    const chunk = await orSilent(rest.read(), idleMs);
    if (!isSilent(chunk)) return chunk;
    rest.stop();
    throw new ExchangeError('timeout', { sent: true });
  };
  const impatient: PrimedBody = { ...body, rest: { ...rest, read } };
  const hidden = request.holder ? undefined : namesOf(worker);
  const part = await (isEvents ? holdFirstEvent(impatient, hidden) : holdFirstLine(impatient));
  const isKnown = type === inference.endpoint.stream?.contentType;
  if (part.isCut && !part.error && isKnown) throw new ExchangeError('reset', { sent: true });
  return { ...part, body: { ...part.body, rest } };
};

/** Sends the request to one worker and waits for its first byte. */
export const startAttempt = (options: AttemptOptions): Attempt => {
  const { upstream, worker, request, inference, firstByteMs, whole, means } = options;
  const { signal } = request.deadline;
  const controller = new AbortController();
  let stopped: ExchangeProblem | undefined;
  const stop = (kind: ExchangeProblem) => {
    stopped ??= kind;
    controller.abort();
  };
  const abort = () => controller.abort();
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  const release = firstByteMs === undefined ? () => {} : timeLimit(firstByteMs, () => stop('timeout'));

  const ask = async (
    { path, body }: Pick<UpstreamRequest, 'path' | 'body'>,
    contentType: string | undefined,
    begun: () => void,
  ): Promise<RawAnswer> => {
    const response = await upstream.send({
      worker,
      method: request.method,
      path,
      headers: {
        ...toWorker(request, worker.apiKey),
        ...(contentType === undefined ? {} : { 'content-type': contentType }),
      },
      body,
      signal: controller.signal,
      isAnew: options.isLast,
    });
    const { headers } = response;
    const { body: primed, error } = await prime(response, options, begun);
    return {
      kind: 'response',
      status: error?.status ?? response.status,
      headers,
      body: primed,
      error,
      isChanged: false,
    };
  };

  const native = async (begun: () => void): Promise<RawAnswer> => {
    const path = pathOn(worker, inference.endpoint.operation, inference.path);
    const answer = await ask({ path, body: inference.bodyFor(worker) }, inference.contentType, begun);
    const { status, error, body } = answer;
    if (!whole || error || status !== 200 || typeOf(answer) !== 'application/json') return answer;
    const first = await whole(worker, body).catch((cause) => {
      // Another worker would make the same pictures.
      if (cause instanceof AnswerTooLargeError) throw cause;
      throw new ExchangeError(cause instanceof TimeoutError ? 'timeout' : 'reset', { sent: true, cause });
    });
    return { ...answer, body: { first, rest: nothingMore }, isChanged: true };
  };

  const translated = async (carry: Translate): Promise<RawAnswer> => {
    const carried = await carry(worker);
    const answer = await carried.answer(await ask(carried, 'application/json', release));
    return { ...answer, translation: carried.name };
  };

  const send = async (): Promise<RawAnswer> => {
    if (!means?.canAsk(worker)) return native(release);
    if (!servesOperation(worker, inference.endpoint.operation)) return translated(means.translate);
    const answer = await native(release);
    if (answer.status !== 404) return answer;
    return (await unlessMissing(answer, { signal, idleMs: options.idleMs })) ?? translated(means.translate);
  };

  const run = async (): Promise<Outcome> => {
    try {
      return await send();
    } catch (cause) {
      if (cause instanceof GatewayError) throw cause;
      const { kind, sent } = cause instanceof ExchangeError ? cause : new ExchangeError('reset', { sent: true, cause });
      const reason = signal.aborted ? 'aborted' : (stopped ?? kind);
      return { kind: 'failure', failure: new ExchangeError(reason, { sent, cause }) };
    } finally {
      release();
    }
  };

  return { worker, outcome: run(), stop };
};
