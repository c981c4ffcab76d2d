import type { StreamFormat } from '../dialects/dialect.ts';
import { GatewayError, TimeoutError, UpstreamError } from '../errors.ts';
import type { WriteBody } from '../http/reply.ts';
import { createWatchdog } from '../time/silence.ts';
import type { PrimedBody } from './answer.ts';
import { patience, shortestSilence } from './patience.ts';

/** How a body ended, told once. */
export type Ending = 'complete' | 'cut' | 'idle' | 'deadline' | 'client';

export interface RelayOptions {
  /** How the body is framed, and what is said where it is cut. */
  readonly format: StreamFormat;
  readonly correlationId: string;
  /** The invocation's. Aborting it ends the upstream. */
  readonly signal: AbortSignal;
  readonly idleMs: number;
  readonly keepAliveMs: number;
  /** Told once, when the body is over. */
  readonly ended: (ending: Ending) => void;
}

/** @returns why the invocation was ended. */
export const reasonOf = (signal: AbortSignal): GatewayError =>
  signal.reason instanceof GatewayError
    ? signal.reason
    : new TimeoutError('The request was ended before the worker had finished.');

export const idleError = () => new TimeoutError('The worker stopped sending in the middle of the response.');
export const cutError = (cause?: unknown) =>
  new UpstreamError('The worker ended the response before it was complete.', { cause });

const endingOf = (cause: unknown, signal: AbortSignal): Ending => {
  if (signal.aborted) return 'deadline';
  return cause instanceof TimeoutError ? 'idle' : 'cut';
};

/**
 * Passes a worker's body on, chunk by chunk, and sees to its ending (CONTRACT.md 6): a worker that dies, stalls or ends
 * without its terminal marker gets the dialect's error ending; where there is none (binary, JSON) this throws.
 * The happy path looks at the bytes but never copies or rewrites them.
 *
 * @returns writes the body; rejects with a GatewayError when one without stream framing could not be completed.
 */
export const relay =
  (
    { first, rest }: PrimedBody,
    { format, correlationId, signal, idleMs, keepAliveMs, ended }: RelayOptions,
  ): WriteBody =>
  async (sink) => {
    const watch = format.watch();
    const { keepAlive = '' } = format;
    const limits = { idleMs, keepAliveMs: keepAlive ? keepAliveMs : undefined };
    /** How much of the present silence was over when the client last heard something, in milliseconds. */
    let spokeMs = 0;

    /** Why nobody takes the bytes any more. */
    let refused: { readonly cause: unknown } | undefined;

    const speak = (text: string) => {
      try {
        sink.write(text);
      } catch (cause) {
        refused = { cause };
        rest.stop();
      }
    };
    const watchdog = createWatchdog(shortestSilence(limits), (workerMs) => {
      const { terminated: isOver, atBoundary: isBetween } = watch;
      const { act, forMs } = patience({ workerMs, clientMs: workerMs - spokeMs, isOver, isBetween }, limits);
      if (act === 'keep-alive') {
        spokeMs = workerMs;
        speak(keepAlive);
      } else if (act !== 'wait') rest.stop(act === 'idle' ? idleError() : undefined);
      return forMs;
    });

    const pass = (chunk: Uint8Array): boolean => {
      watch.push(chunk);
      return sink.write(chunk);
    };
    /** @returns what broke the body; `undefined`: the worker ended it. */
    const passAll = async (): Promise<unknown> => {
      for (const chunk of first) if (!pass(chunk)) await sink.drained();
      for (;;) {
        let chunk: Uint8Array | undefined;
        watchdog.wait();
        try {
          chunk = await rest.read();
        } catch (cause) {
          return cause;
        }
        watchdog.heard();
        spokeMs = 0;
        if (!chunk) return undefined;
        if (!pass(chunk)) await sink.drained();
      }
    };

    let ending: Ending = 'client';
    try {
      const broken = await passAll();
      if (refused) throw refused.cause;
      const missing = watch.finish(broken === undefined);
      if (missing !== undefined) {
        ending = 'complete';
        if (missing) sink.write(missing);
        return;
      }
      ending = endingOf(broken, signal);
      const error = signal.aborted ? reasonOf(signal) : broken instanceof GatewayError ? broken : cutError(broken);
      sink.write(watch.fail(error, correlationId));
    } finally {
      watchdog.end();
      ended(ending);
      rest.stop();
    }
  };
