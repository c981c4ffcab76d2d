import type { Config } from '../config.ts';
import { bytes } from '../dialects/bytes.ts';
import type { StreamFormat } from '../dialects/dialect.ts';
import { anyStream } from '../dialects/openai.ts';
import type { ForwardedEndpoint } from '../endpoints/endpoint.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import type { Reply } from '../http/reply.ts';
import type { Answered } from '../relay/answer.ts';
import { collect } from '../relay/collect.ts';
import { withoutLoadingNode } from '../relay/loading-node.ts';
import { relay } from '../relay/relay.ts';
import type { Router } from '../router/router.ts';
import type { InferenceRequest } from './inference-request.ts';

/** Longer words for "not now" are none. */
const LONGEST_REFUSAL = 1024 * 1024;

const mediaType = ({ headers }: Answered) => (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();

/** @returns what an answer is framed as, by its own word and by what the endpoint streams. */
export const formatOf = (endpoint: ForwardedEndpoint, answered: Answered): StreamFormat => {
  // What stayed encoded has no events that could be seen.
  if (answered.status !== 200 || answered.headers['content-encoding'] !== undefined) return bytes;
  const type = mediaType(answered);
  if (endpoint.stream && type === endpoint.stream.contentType) return endpoint.stream;
  return type === anyStream.contentType ? anyStream : bytes;
};

export interface ReplierParts {
  readonly config: Config;
  readonly router: Router;
}

/** @returns how a worker's answer becomes the client's: relayed as it comes. */
export const createReplier =
  ({ config, router }: ReplierParts) =>
  async (answered: Answered, inference: InferenceRequest, request: GatewayRequest): Promise<Reply> => {
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
    const format = formatOf(endpoint, answered);
    return {
      status,
      headers: format === bytes ? answered.headers : unsized,
      body: relay(body, {
        format,
        correlationId: request.id,
        signal: request.deadline.signal,
        idleMs: config.idleTimeoutMs,
        keepAliveMs: config.keepAliveMs,
        ended: (ending) => {
          if (request.record) request.record.ending = ending;
          if (ending === 'cut' || ending === 'idle') router.failed(worker);
          else if (ending === 'complete' && status !== 429 && status < 500) completed();
        },
      }),
    };
  };

export type Replier = ReturnType<typeof createReplier>;
