import type { Config } from '../config.ts';
import { bytes } from '../dialects/bytes.ts';
import type { Snapshot } from '../discovery/source.ts';
import type { ForwardedEndpoint, Match } from '../endpoints/endpoint.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { engineOf } from '../engines/index.ts';
import type { Forms } from '../http/form-fields.ts';
import type { Reply, WriteBody } from '../http/reply.ts';
import { keptAlive } from '../relay/kept-alive.ts';
import { namesOf } from '../relay/worker-error.ts';
import { candidatesFor } from '../router/candidates.ts';
import type { Hints } from '../router/policies/policy.ts';
import type { Router } from '../router/router.ts';
import { isSilent, orSilent } from '../time/silence.ts';
import type { Uploads } from '../uploads/uploads.ts';
import type { Ask } from '../upstream/ask.ts';
import type { Upstream } from '../upstream/client.ts';
import type { Worker } from '../worker.ts';
import { type Attempts, startAttempts } from './attempts.ts';
import type { createImages as CreateImages } from './images.ts';
import { type InferenceRequest, readInferenceRequest } from './inference-request.ts';
import { createReplier, formatOf } from './replier.ts';
import { createSleepers, type Waking, workersOf } from './sleepers.ts';
import type { Translations } from './translation.ts';
import type { TakeUploads } from './uploaded-files.ts';
import { wayOut } from './way-out.ts';

export interface InferenceParts {
  readonly config: Config;
  readonly router: Router;
  readonly upstream: Upstream;
  readonly ask: Ask;
  /** Only in functions whose endpoints take forms. */
  readonly forms?: Forms | undefined;
  /** Only in functions whose answers have images. */
  readonly createImages?: typeof CreateImages | undefined;
  /** Only where uploads are on. */
  readonly uploads?: Uploads | undefined;
  readonly takeUploads?: TakeUploads | undefined;
  /** Only where clients speak a dialect that some engines lack, and translation is on. */
  readonly translation?: Translations | undefined;
  /** Only where the fleet comes from SSM. */
  readonly waking?: Waking | undefined;
}

/** Streams may think for ten minutes before their first byte; buffered requests until the deadline. */
const STREAM_FIRST_BYTE_MS = 600_000;
const HEALTH_MS = 1000;
const LATE_ANSWER_BYTES = 16 * 1024 * 1024;

const hintsOf = ({ servedModel, session, prefix, body }: InferenceRequest): Hints => {
  const system = prefix?.system ?? '';
  const start = system + (prefix?.firstUser ?? '');
  return {
    model: servedModel,
    conversationKey: session ?? (start || undefined),
    systemKey: system || undefined,
    systemTokens: system.length / 4,
    // The size of a file says nothing of a prompt.
    promptTokens: body instanceof Uint8Array ? body.length / 4 : 0,
  };
};

/** Which endpoint a request asks for, with the path's parameters. */
export interface Asked {
  readonly endpoint: ForwardedEndpoint;
  readonly params: Match['params'];
}

/** The pipeline: read, route, send, relay. */
export const createInference = (parts: InferenceParts) => {
  const { config, router, upstream, ask } = parts;
  const { reply: replyWith, ended } = createReplier(parts);
  const readImages = parts.createImages?.(parts);

  const isAlive = async (worker: Worker, signal: AbortSignal): Promise<boolean> => {
    const answer = await ask(worker, engineOf(worker.engine).healthPath, { timeoutMs: HEALTH_MS, signal });
    return answer !== undefined && answer.status < 500;
  };

  const start = async (
    inference: InferenceRequest,
    request: GatewayRequest,
    snapshot: Snapshot,
  ): Promise<Attempts | Reply> => {
    const { endpoint, servedModel: model, requestedModel, stream } = inference;
    const { operation } = endpoint;
    const workers = workersOf(snapshot);
    const means = parts.translation?.meansFor({ inference, request, idleMs: config.idleTimeoutMs });
    const need = { operation, model, requestedModel, translates: means?.canAsk, wayOut: wayOut(operation) };
    // What the gateway can answer itself wakes nobody.
    const sleepers =
      parts.waking && snapshot.services && !endpoint.fallback
        ? createSleepers({
            ...parts.waking,
            snapshot,
            need,
            request,
            limitMs: stream && endpoint.stream?.keepAlive ? config.wakeHoldMs : config.wakeWaitMs,
          })
        : undefined;
    // Nobody is asked, woken or named where the request cannot be carried at all.
    const asleep = sleepers?.candidates ?? [];
    const own = means && (await means.prepare(asleep.length > 0 ? asleep : candidatesFor(workers, need)));
    if (own) return own;
    return startAttempts({
      router,
      upstream,
      request,
      inference,
      route: {
        workers,
        need,
        hints: hintsOf(inference),
      },
      maxAttempts: config.maxAttempts,
      idleMs: config.idleTimeoutMs,
      firstByteMs: config.firstByteTimeoutMs ?? (stream ? STREAM_FIRST_BYTE_MS : undefined),
      means,
      beforeFailover: means?.check,
      sleepers,
      whole: endpoint.hasImages && readImages && ((worker, body) => readImages({ worker, body, inference, request })),
    });
  };

  /**
   * Serves one request from a worker.
   * @throws {GatewayError} in words for the client, before the first byte.
   */
  return async ({ endpoint, params }: Asked, request: GatewayRequest, snapshot: Snapshot): Promise<Reply> => {
    const { aliases } = snapshot;
    const { forms, takeUploads } = parts;
    const inference = await readInferenceRequest({ endpoint, params, request, aliases, forms, takeUploads });
    if (request.record)
      Object.assign(request.record, { requestedModel: inference.requestedModel, servedModel: inference.servedModel });
    const attempts = await start(inference, request, snapshot);
    if ('headers' in attempts) return attempts;
    const format = inference.stream ? endpoint.stream : undefined;
    if (!format?.keepAlive) return replyWith(await attempts.answered, inference, request);
    let isUnnamed = false;
    for (let isWaitedFor = false; !isWaitedFor; ) {
      const answered = await orSilent(attempts.answered, config.keepAliveMs);
      if (!isSilent(answered)) return replyWith(answered, inference, request);
      isUnnamed = attempts.isWaking;
      if (isUnnamed) break;
      const { worker } = attempts;
      const isDead = worker !== undefined && !(await isAlive(worker, request.deadline.signal));
      // While its health was asked it may have answered, or made way for another one.
      const meanwhile = await orSilent(attempts.answered, 0);
      if (!isSilent(meanwhile)) return replyWith(meanwhile, inference, request);
      isWaitedFor = worker !== undefined && worker === attempts.worker && !(isDead && attempts.giveUp());
    }
    // Without a node in the head nothing has been promised: until the worker's own first byte another one may answer.
    if (request.holder && !isUnnamed) attempts.commit();
    return {
      status: 200,
      headers: { 'content-type': `${format.contentType}; charset=utf-8`, 'cache-control': 'no-cache' },
      body: keptAlive({
        answered: attempts.answered,
        format,
        keepAliveMs: config.keepAliveMs,
        correlationId: request.id,
        asked: inference.fields,
        limits: { signal: request.deadline.signal, idleMs: config.idleTimeoutMs, maxBytes: LATE_ANSWER_BYTES },
        relayed: async (answered) =>
          formatOf(endpoint, answered) === bytes
            ? undefined
            : ((await replyWith(answered, inference, request)).body as WriteBody),
        hidden: ({ worker }) => (request.holder ? undefined : namesOf(worker)),
        unnamed: isUnnamed ? request.holder : undefined,
        delivered: (answered) => ended('complete', answered, inference, request),
      }),
    };
  };
};
