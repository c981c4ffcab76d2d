import type { Config } from '../config.ts';
import { anyStream } from '../dialects/any-stream.ts';
import { bytes } from '../dialects/bytes.ts';
import type { StreamFormat } from '../dialects/dialect.ts';
import type { ForwardedEndpoint } from '../endpoints/endpoint.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import type { Reply } from '../http/reply.ts';
import type { Answered } from '../relay/answer.ts';
import { scrubFor } from '../relay/loading-node.ts';
import { withoutNames } from '../relay/refusal.ts';
import { type Ending, relay } from '../relay/relay.ts';
import type { Router } from '../router/router.ts';
import type { InferenceRequest } from './inference-request.ts';

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

/** How workers' answers become clients'. */
export interface Replier {
  /** Relays an answer as it comes. */
  reply(answered: Answered, inference: InferenceRequest, request: GatewayRequest): Promise<Reply>;
  /** Draws the conclusions from how an answer ended. */
  ended(ending: Ending, answered: Answered, inference: InferenceRequest, request: GatewayRequest): void;
}

export const createReplier = ({ config, router }: ReplierParts): Replier => {
  const ended: Replier['ended'] = (ending, { worker, status }, { forgetUploads }, request) => {
    if (request.record) request.record.ending = ending;
    if (ending === 'cut' || ending === 'idle') router.failed(worker);
    if (ending !== 'complete' || status === 429 || status >= 500) return;
    router.succeeded(worker);
    if (forgetUploads && status < 300) request.afterwards.push(forgetUploads);
  };

  return {
    ended,
    async reply(answered, inference, request) {
      const { status } = answered;
      const { signal } = request.deadline;
      const { idleTimeoutMs: idleMs, keepAliveMs } = config;
      const format = formatOf(inference.endpoint, answered);
      const isAnonymous = !request.holder;
      const scrubbed = isAnonymous && format === bytes ? await withoutNames(answered, { signal, idleMs }) : undefined;
      const { 'content-length': _, ...unsized } = answered.headers;
      return {
        status,
        headers: format === bytes && !scrubbed ? answered.headers : unsized,
        body: relay(scrubbed ?? answered.body, {
          format,
          asked: inference.fields,
          scrub: isAnonymous ? scrubFor(format.contentType) : undefined,
          correlationId: request.id,
          signal,
          idleMs,
          keepAliveMs,
          ended: (ending) => ended(ending, answered, inference, request),
        }),
      };
    },
  };
};
