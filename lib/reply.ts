import type { Answered } from './attempts.ts';
import type { Config } from './config.ts';
import type { StreamFormat } from './dialects/dialect.ts';
import { anyStream } from './dialects/openai.ts';
import type { ForwardedEndpoint } from './endpoints/endpoint.ts';
import type { InferenceRequest } from './endpoints/inference-request.ts';
import type { GatewayRequest } from './http/event.ts';
import type { Reply } from './http/reply.ts';
import { inlineImages } from './inline-images.ts';
import { withoutLoadingNode } from './model-loading.ts';
import { relay } from './relay.ts';
import type { Router } from './router/router.ts';
import { createFetch, keyHeader } from './upstream/ask.ts';
import type { Upstream } from './upstream/client.ts';
import { forwardedProto } from './upstream/headers.ts';

/** A 4K image as PNG; base64 makes it a third more. */
const IMAGE_BYTES = 64 * 1024 * 1024;

const mediaType = ({ headers }: Answered) => (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();

/** @returns what an answer is framed as, by its own word and by what the endpoint streams; `undefined`: bytes. */
export const formatOf = (endpoint: ForwardedEndpoint, answered: Answered): StreamFormat | undefined => {
  if (answered.status !== 200) return undefined;
  const type = mediaType(answered);
  if (type === endpoint.stream?.contentType) return endpoint.stream;
  return type === anyStream.contentType ? anyStream : undefined;
};

/** @returns how a worker's answer becomes the client's: relayed as it comes, but for the few bodies that must change. */
export const createReplier = ({ config, router, upstream }: { config: Config; router: Router; upstream: Upstream }) => {
  const fetch = createFetch(upstream);

  const withImages = ({ worker, body }: Answered, request: GatewayRequest): Promise<Uint8Array> => {
    const { origin } = new URL(worker.url);
    const { signal } = request.deadline;
    return inlineImages(body, {
      origins: [origin, `${forwardedProto(request)}://${request.host}`],
      fetchImage: (path) =>
        fetch(origin + path, { headers: keyHeader(worker), signal, maxBytes: IMAGE_BYTES }).then(
          (image) => (image.status === 200 ? image.body : undefined),
          () => undefined,
        ),
    });
  };

  return async (answered: Answered, { endpoint }: InferenceRequest, request: GatewayRequest): Promise<Reply> => {
    const { worker, status, body } = answered;
    const { 'content-length': _, ...unsized } = answered.headers;
    if (status === 503 && !request.holder) return { status, headers: unsized, body: await withoutLoadingNode(body) };
    if (endpoint.hasImages && status === 200 && mediaType(answered) === 'application/json') {
      const content = await withImages(answered, request);
      router.succeeded(worker);
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
          if (ending === 'cut' || ending === 'idle') router.failed(worker);
          else if (ending === 'complete' && status !== 429 && status < 502) router.succeeded(worker);
        },
      }),
    };
  };
};

export type Replier = ReturnType<typeof createReplier>;
