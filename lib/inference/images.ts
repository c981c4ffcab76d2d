import type { Config } from '../config.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import type { PrimedBody } from '../relay/answer.ts';
import { collect } from '../relay/collect.ts';
import { idleError, reasonOf } from '../relay/relay.ts';
import { log } from '../telemetry/log.ts';
import type { Uploads } from '../uploads/uploads.ts';
import { createFetch } from '../upstream/ask.ts';
import type { Upstream } from '../upstream/client.ts';
import { keyHeader, type Worker } from '../worker.ts';
import { forwardedProto } from './headers.ts';
import type { InferenceRequest } from './inference-request.ts';
import { type Image, inlineImages } from './inline-images.ts';
import { pictureType } from './picture-type.ts';

/** Lambda streams no longer answers, by default. */
const LONGEST_ANSWER = 200 * 1024 * 1024;

export interface ImagesParts {
  readonly config: Config;
  readonly upstream: Upstream;
  /** `undefined`: images are inlined. */
  readonly uploads?: Uploads | undefined;
}

/** An answer with images, and what it answers. */
export interface ImagesAnswer {
  readonly worker: Worker;
  readonly body: PrimedBody;
  readonly inference: InferenceRequest;
  readonly request: GatewayRequest;
}

/** @returns how a worker's answer with images becomes one that a client can use (docs/contract.md 2, "Images"). */
export const createImages = ({ config: { idleTimeoutMs: idleMs }, upstream, uploads }: ImagesParts) => {
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

  /** @throws {GatewayError} when the answer breaks off or stops, or the worker does not give out an image it named. */
  return async ({ worker, body, inference, request }: ImagesAnswer): Promise<readonly Buffer[]> => {
    const { origin } = new URL(worker.url);
    const { signal } = request.deadline;
    const answer = await collect(body, { signal, idleMs, maxBytes: LONGEST_ANSWER });
    return inlineImages(answer, {
      origins: [origin, `${forwardedProto(request)}://${request.host}`],
      fetchImage: async (path, maxBytes) => {
        // A file on its disk: it comes at once, or not at all.
        const limit = AbortSignal.any([signal, AbortSignal.timeout(idleMs)]);
        try {
          const {
            status,
            headers,
            body: content,
          } = await fetch(origin + path, {
            headers: keyHeader(worker),
            signal: limit,
            maxBytes,
          });
          const contentType = status === 200 ? pictureType(content, headers['content-type']) : undefined;
          return contentType === undefined ? undefined : { content, contentType };
        } catch (error) {
          if (error instanceof RangeError) return 'too large';
          if (limit.aborted) throw signal.aborted ? reasonOf(signal) : idleError();
          return undefined;
        }
      },
      store: storeFor(inference, signal),
    });
  };
};
