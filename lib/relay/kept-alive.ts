import type { StreamFormat } from '../dialects/dialect.ts';
import { GatewayError, UpstreamError } from '../errors.ts';
import { type Holder, stampOf } from '../holder.ts';
import type { WriteBody } from '../http/reply.ts';
import { isObject, readJson } from '../json.ts';
import { isSilent, orSilent } from '../time/silence.ts';
import type { Answered } from './answer.ts';
import { type CollectOptions, collect } from './collect.ts';
import { readWorkerError, toGatewayError } from './worker-error.ts';

export interface KeptAliveOptions {
  /** The workers' answer, whenever it comes. */
  readonly answered: Promise<Answered>;
  readonly format: StreamFormat;
  readonly keepAliveMs: number;
  readonly correlationId: string;
  /** The request's own fields. */
  readonly asked: Readonly<Record<string, unknown>>;
  /** For a body that came late and is no stream. */
  readonly limits: CollectOptions;
  /** @returns names of a worker that its words must not tell; `undefined`: they may tell any. */
  readonly hidden: (answered: Answered) => readonly string[] | undefined;
  /** Turns the late answer into the stream that was promised; `undefined` when it is none. */
  readonly relayed: (answered: Answered) => Promise<WriteBody | undefined>;
  /**
   * The head left while there was no worker yet that it could name: a comment names who answers, or was tried last.
   * `undefined`: the head names somebody, or nobody is to be named.
   */
  readonly unnamed?: Holder | undefined;
  /** Told when an answer that was no stream has been delivered as one. */
  readonly delivered: (answered: Answered) => void;
}

/** A worker's answer that came too late for a status of its own, or for another form. */
const lateAnswer = async (
  answered: Answered,
  { format, limits, hidden }: Pick<KeptAliveOptions, 'format' | 'limits' | 'hidden'>,
): Promise<string> => {
  const { status } = answered;
  const value = readJson((await collect(answered.body, limits)).toString());
  const error = readWorkerError(value, hidden(answered));
  if (error) throw toGatewayError(status < 400 ? error : { ...error, status });
  if (status >= 400) throw new GatewayError(status, 'upstream_error', 'The worker answered with an error.');
  const events = status === 200 && isObject(value) ? await format.fromJson?.(value) : undefined;
  if (events === undefined) throw new UpstreamError('The worker did not stream.');
  return events;
};

/**
 * The body of a stream whose head left with a keep-alive, before the worker said anything: there is no way back to
 * another status, so whatever goes wrong is told inside the stream (docs/contract.md 6).
 */
export const keptAlive =
  (options: KeptAliveOptions): WriteBody =>
  async (sink) => {
    const { answered, format, keepAliveMs, correlationId, asked, relayed, unnamed, delivered } = options;
    const keepAlive = format.keepAlive ?? '';
    /** Sends the head. */
    const begin = () => {
      const tried = stampOf(unnamed);
      // Who has failed already is not who answers.
      if (unnamed) unnamed.nodeId = undefined;
      sink.write(keepAlive);
      if (unnamed) unnamed.nodeId = tried;
    };
    const name = () => {
      const nodeId = stampOf(unnamed);
      if (nodeId) sink.write(`: x-localai-node ${nodeId}\n`);
    };
    let isNamed = false;
    let body: WriteBody | undefined;
    try {
      begin();
      let answer = await orSilent(answered, keepAliveMs);
      while (isSilent(answer)) {
        sink.write(keepAlive);
        answer = await orSilent(answered, keepAliveMs);
      }
      body = await relayed(answer);
      const late = body ? undefined : await lateAnswer(answer, options);
      isNamed = true;
      name();
      if (late !== undefined) {
        sink.write(late);
        delivered(answer);
        return;
      }
    } catch (cause) {
      const error =
        cause instanceof GatewayError ? cause : new UpstreamError('No worker could answer this request.', { cause });
      if (!isNamed) name();
      sink.write(format.watch({ asked }).fail(error, correlationId));
      return;
    }
    await body?.(sink);
  };
