import { type Answered, type Attempts, startAttempts } from './attempts.ts';
import type { Config } from './config.ts';
import type { StreamFormat } from './dialects/dialect.ts';
import { anyStream } from './dialects/openai.ts';
import type { Snapshot } from './discovery/source.ts';
import type { ForwardedEndpoint } from './endpoints/endpoint.ts';
import { type InferenceRequest, readInferenceRequest } from './endpoints/inference-request.ts';
import { engineOf } from './engines/index.ts';
import { GatewayError, UpstreamError } from './errors.ts';
import type { GatewayRequest } from './http/event.ts';
import type { Reply } from './http/reply.ts';
import { inlineImages } from './inline-images.ts';
import { withoutLoadingNode } from './model-loading.ts';
import { isSilent, orSilent, relay } from './relay.ts';
import type { Hints } from './router/policies/policy.ts';
import type { Router } from './router/router.ts';
import { type Ask, createFetch, keyHeader } from './upstream/ask.ts';
import type { Upstream } from './upstream/client.ts';
import { forwardedProto } from './upstream/headers.ts';
import type { Worker } from './worker.ts';

export interface InferenceParts {
  readonly config: Config;
  readonly router: Router;
  readonly upstream: Upstream;
  readonly ask: Ask;
}

/** Streams may think for two minutes before their first byte; buffered requests until the deadline. */
const STREAM_FIRST_BYTE_MS = 120_000;
const HEALTH_MS = 1000;
/** A 4K image as PNG; base64 makes it a third more. */
const IMAGE_BYTES = 64 * 1024 * 1024;

const hintsOf = ({ servedModel, session, prefix, body }: InferenceRequest): Hints => {
  const system = prefix?.system ?? '';
  const start = system + (prefix?.firstUser ?? '');
  return {
    model: servedModel,
    conversationKey: session ?? (start || undefined),
    systemKey: system || undefined,
    systemTokens: system.length / 4,
    promptTokens: body.length / 4,
  };
};

/** What a reply is framed as, by its own word and by what the endpoint streams. */
const formatOf = (endpoint: ForwardedEndpoint, { status, headers }: Answered): StreamFormat | undefined => {
  if (status !== 200) return undefined;
  const type = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (type === endpoint.stream?.contentType) return endpoint.stream;
  return type === anyStream.contentType ? anyStream : undefined;
};

/** A worker's error that came too late for a status of its own. */
const lateError = async ({ status, body }: Answered): Promise<GatewayError> => {
  const text = Buffer.from(await withoutLoadingNode(body)).toString();
  let message = 'The worker answered with an error.';
  try {
    const { error } = JSON.parse(text);
    message = typeof error === 'string' ? error : (error?.message ?? message);
  } catch {
    // Not JSON: the worker's words may be anything, ours are not.
  }
  return status >= 400
    ? new GatewayError(status, 'upstream_error', message)
    : new UpstreamError('The worker did not stream.');
};

/** The pipeline: read, route, send, relay. */
export const createInference = ({ config, router, upstream, ask }: InferenceParts) => {
  const fetch = createFetch(upstream);

  const replyWith = async (
    answered: Answered,
    inference: InferenceRequest,
    request: GatewayRequest,
  ): Promise<Reply> => {
    const { worker, status, body } = answered;
    const format = formatOf(inference.endpoint, answered);
    const headers = { ...answered.headers };
    if (format) delete headers['content-length'];
    if (status === 503 && !request.holder) {
      delete headers['content-length'];
      return { status, headers, body: await withoutLoadingNode(body) };
    }
    if (inference.endpoint.hasImages && status === 200 && /^application\/json\b/i.test(headers['content-type'] ?? '')) {
      delete headers['content-length'];
      const { signal } = request.deadline;
      const content = await inlineImages(body, {
        origins: [new URL(worker.url).origin, `${forwardedProto(request)}://${request.host}`],
        fetchImage: (path) =>
          fetch(new URL(worker.url).origin + path, { headers: keyHeader(worker), signal, maxBytes: IMAGE_BYTES }).then(
            (image) => (image.status === 200 ? image.body : undefined),
            () => undefined,
          ),
      });
      router.succeeded(worker);
      return { status, headers, body: content };
    }
    const isAnswer = status !== 429 && status < 502;
    return {
      status,
      headers,
      body: relay(body, {
        format,
        correlationId: request.id,
        signal: request.deadline.signal,
        idleMs: config.idleTimeoutMs,
        keepAliveMs: config.keepAliveMs,
        ended: (ending) => {
          if (ending === 'cut' || ending === 'idle') router.failed(worker);
          else if (ending === 'complete' && isAnswer) router.succeeded(worker);
        },
      }),
    };
  };

  const isAlive = async (worker: Worker, signal: AbortSignal): Promise<boolean> => {
    const answer = await ask(worker, engineOf(worker.engine).healthPath, { timeoutMs: HEALTH_MS, signal });
    return answer !== undefined && answer.status < 500;
  };

  /** The body of a stream whose head left with a keep-alive: there is no way back to another worker or status. */
  async function* keptAlive(
    attempts: Attempts,
    format: StreamFormat,
    inference: InferenceRequest,
    request: GatewayRequest,
  ) {
    const keepAlive = format.keepAlive ?? '';
    try {
      let answered: Awaited<ReturnType<typeof orSilent<Answered>>>;
      do {
        yield keepAlive;
        answered = await orSilent(attempts.answered, config.keepAliveMs);
      } while (isSilent(answered));
      if (!formatOf(inference.endpoint, answered)) throw await lateError(answered);
      yield* (await replyWith(answered, inference, request)).body as AsyncIterable<Uint8Array>;
    } catch (cause) {
      const error =
        cause instanceof GatewayError ? cause : new UpstreamError('No worker could answer this request.', cause);
      yield format.watch().fail(error, request.id);
    }
  }

  /**
   * Serves one request from a worker.
   * @param params the path's parameters.
   * @throws {GatewayError} in words for the client, before the first byte.
   */
  return async (
    endpoint: ForwardedEndpoint,
    params: Readonly<Record<string, string>>,
    request: GatewayRequest,
    snapshot: Snapshot,
  ): Promise<Reply> => {
    const inference = await readInferenceRequest(endpoint, params, request, snapshot.aliases);
    const { servedModel: model, requestedModel, stream } = inference;
    const attempts = startAttempts({
      router,
      upstream,
      request,
      inference,
      route: {
        workers: snapshot.workers,
        need: { operation: endpoint.operation, model, requestedModel },
        hints: hintsOf(inference),
      },
      maxAttempts: config.maxAttempts,
      firstByteMs: config.firstByteTimeoutMs ?? (stream ? STREAM_FIRST_BYTE_MS : undefined),
    });
    const format = stream ? endpoint.stream : undefined;
    if (!format?.keepAlive) return replyWith(await attempts.answered, inference, request);
    for (;;) {
      const answered = await orSilent(attempts.answered, config.keepAliveMs);
      if (!isSilent(answered)) return replyWith(answered, inference, request);
      const { worker } = attempts;
      if (worker && !(await isAlive(worker, request.deadline.signal)) && attempts.giveUp()) continue;
      break;
    }
    attempts.commit();
    return {
      status: 200,
      headers: { 'content-type': `${format.contentType}; charset=utf-8`, 'cache-control': 'no-cache' },
      body: keptAlive(attempts, format, inference, request),
    };
  };
};
