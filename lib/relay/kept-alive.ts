import type { StreamFormat } from '../dialects/dialect.ts';
import { GatewayError, UpstreamError } from '../errors.ts';
import type { WriteBody } from '../http/reply.ts';
import { isSilent, orSilent } from '../time/silence.ts';
import type { Answered } from './answer.ts';
import { type CollectOptions, collect } from './collect.ts';
import { withoutLoadingNode } from './loading-node.ts';

/** A worker's error that came too late for a status of its own. */
const lateError = async ({ status, body }: Answered, limits: CollectOptions): Promise<GatewayError> => {
  if (status < 400) {
    body.rest.stop();
    return new UpstreamError('The worker did not stream.');
  }
  let message = 'The worker answered with an error.';
  try {
    const { error } = JSON.parse(withoutLoadingNode(await collect(body, limits)).toString());
    message = typeof error === 'string' ? error : (error?.message ?? message);
  } catch {
    // Not JSON, or not whole: a worker's page is not for this client.
  }
  return new GatewayError(status, 'upstream_error', message);
};

export interface KeptAliveOptions {
  /** The workers' answer, whenever it comes. */
  readonly answered: Promise<Answered>;
  readonly format: StreamFormat;
  readonly keepAliveMs: number;
  readonly correlationId: string;
  /** For the body of an error that came late. */
  readonly limits: CollectOptions;
  /** Turns the late answer into the stream that was promised; `undefined` when it is none. */
  readonly relayed: (answered: Answered) => Promise<WriteBody | undefined>;
}

/**
 * The body of a stream whose head left with a keep-alive, before the worker said anything: there is no way back to
 * another worker or status, so whatever goes wrong is told inside the stream (CONTRACT.md 6).
 */
export const keptAlive =
  ({ answered, format, keepAliveMs, correlationId, limits, relayed }: KeptAliveOptions): WriteBody =>
  async (sink) => {
    const keepAlive = format.keepAlive ?? '';
    let body: WriteBody | undefined;
    try {
      sink.write(keepAlive);
      let answer = await orSilent(answered, keepAliveMs);
      while (isSilent(answer)) {
        sink.write(keepAlive);
        answer = await orSilent(answered, keepAliveMs);
      }
      body = await relayed(answer);
      if (!body) throw await lateError(answer, limits);
    } catch (cause) {
      const error =
        cause instanceof GatewayError ? cause : new UpstreamError('No worker could answer this request.', { cause });
      sink.write(format.watch().fail(error, correlationId));
      return;
    }
    await body(sink);
  };
