import type { Answered } from './attempts.ts';
import { collect } from './collect.ts';
import type { Config } from './config.ts';
import type { StreamFormat } from './dialects/dialect.ts';
import { anyStream } from './dialects/openai.ts';
import type { ForwardedEndpoint } from './endpoints/endpoint.ts';
import type { InferenceRequest } from './endpoints/inference-request.ts';
import type { GatewayRequest } from './http/event.ts';
import type { Reply } from './http/reply.ts';
import { type Image, inlineImages } from './inline-images.ts';
import { withoutLoadingNode } from './model-loading.ts';
import { idleError, reasonOf, relay } from './relay.ts';
import type { Router } from './router/router.ts';
import { log } from './telemetry/log.ts';
import type { Uploads } from './uploads/uploads.ts';
import { createFetch, keyHeader } from './upstream/ask.ts';
import type { Upstream } from './upstream/client.ts';
import { forwardedProto } from './upstream/headers.ts';

/** A 4K image as PNG; base64 makes it a third more. */
const IMAGE_BYTES = 64 * 1024 * 1024;
/** Lambda streams no longer answers, by default. */
const LONGEST_ANSWER = 200 * 1024 * 1024;
/** Longer words for "not now" are none. */
const LONGEST_REFUSAL = 1024 * 1024;

/** What a worker calls its image; anything but an image must not open as such. */
const imageType = (type: string | string[] | undefined): string =>
  typeof type === 'string' && /^image\/[\w.+-]+/i.test(type) ? type : 'application/octet-stream';

const mediaType = ({ headers }: Answered) => (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();

/** @returns what an answer is framed as, by its own word and by what the endpoint streams; `undefined`: bytes. */
export const formatOf = (endpoint: ForwardedEndpoint, answered: Answered): StreamFormat | undefined => {
  if (answered.status !== 200) return undefined;
  const type = mediaType(answered);
  if (type === endpoint.stream?.contentType) return endpoint.stream;
  return type === anyStream.contentType ? anyStream : undefined;
};

export interface ReplierParts {
  readonly config: Config;
  readonly router: Router;
  readonly upstream: Upstream;
  /** `undefined`: images are inlined. */
  readonly uploads?: Uploads | undefined;
}

/** @returns how a worker's answer becomes the client's: relayed as it comes, but for the few bodies that must change. */
export const createReplier = ({ config, router, upstream, uploads }: ReplierParts) => {
  const fetch = createFetch(upstream);

  /** A client that asked for URLs gets them, where there is a place to open them from. */
  const storeFor = ({ fields }: InferenceRequest, signal: AbortSignal) => {
    if (!uploads || fields.response_format !== 'url') return undefined;
    return ({ content, contentType }: Image) =>
      uploads.storeImage(content, contentType, signal).catch((error) => {
        log('warn', 'image_not_stored', { error: String(error) });
        return undefined;
      });
  };

  const withImages = async (
    { worker, body }: Answered,
    inference: InferenceRequest,
    request: GatewayRequest,
  ): Promise<Uint8Array> => {
    const { origin } = new URL(worker.url);
    const { signal } = request.deadline;
    const answer = await collect(body, { signal, idleMs: config.idleTimeoutMs, maxBytes: LONGEST_ANSWER });
    return inlineImages(answer, {
      origins: [origin, `${forwardedProto(request)}://${request.host}`],
      fetchImage: async (path) => {
        // A file on its disk: it comes at once, or not at all.
        const limit = AbortSignal.any([signal, AbortSignal.timeout(config.idleTimeoutMs)]);
        try {
          const image = await fetch(origin + path, {
            headers: keyHeader(worker),
            signal: limit,
            maxBytes: IMAGE_BYTES,
          });
          const contentType = imageType(image.headers['content-type']);
          return image.status === 200 ? { content: image.body, contentType } : undefined;
        } catch {
          if (limit.aborted) throw signal.aborted ? reasonOf(signal) : idleError();
          return undefined;
        }
      },
      store: storeFor(inference, signal),
    });
  };

  return async (answered: Answered, inference: InferenceRequest, request: GatewayRequest): Promise<Reply> => {
    const { endpoint, forgetUploads } = inference;
    const { worker, status, body } = answered;
    const { 'content-length': _, ...unsized } = answered.headers;
    const completed = () => {
      router.succeeded(worker);
      if (forgetUploads && status < 300) request.afterwards.push(forgetUploads);
    };
    if (status === 503 && !request.holder) {
      const limits = { signal: request.deadline.signal, idleMs: config.idleTimeoutMs, maxBytes: LONGEST_REFUSAL };
      return { status, headers: unsized, body: withoutLoadingNode(await collect(body, limits)) };
    }
    if (endpoint.hasImages && status === 200 && mediaType(answered) === 'application/json') {
      const content = await withImages(answered, inference, request);
      completed();
      return { status, headers: unsized, body: content };
    }
    const format = formatOf(endpoint, answered);
    return {
      status,
      headers: format ? unsized : answered.headers,
      body: relay(body, {
        format,
        correlationId: request.id,
        signal: request.deadline.signal,
        idleMs: config.idleTimeoutMs,
        keepAliveMs: config.keepAliveMs,
        ended: (ending) => {
          if (request.record) request.record.ending = ending;
          if (ending === 'cut' || ending === 'idle') router.failed(worker);
          else if (ending === 'complete' && status !== 429 && status < 502) completed();
        },
      }),
    };
  };
};

export type Replier = ReturnType<typeof createReplier>;
