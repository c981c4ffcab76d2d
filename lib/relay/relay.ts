import type { StreamFormat, WatchOptions } from '../dialects/dialect.ts';
import { GatewayError, TimeoutError, UpstreamError } from '../errors.ts';
import type { WriteBody } from '../http/reply.ts';
import { createWatchdog } from '../time/silence.ts';
import { takeAll } from '../upstream/chunk-reader.ts';
import type { PrimedBody } from './answer.ts';
import { patience, shortestSilence } from './patience.ts';

/** How a body ended, told once. */
export type Ending = 'complete' | 'cut' | 'idle' | 'deadline' | 'client';

export interface RelayOptions {
  /** How the body is framed, and what is said where it is cut. */
  readonly format: StreamFormat;
  /** The request's own fields. */
  readonly asked: WatchOptions['asked'];
  /** Takes a node's name out of what leaves; `undefined` where it may be told. */
  readonly scrub: WatchOptions['scrub'];
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
 * Passes a worker's body on, chunk by chunk, and sees to its ending (docs/contract.md 6): a worker that dies, stalls or ends
 * without its terminal marker gets the dialect's error ending; where there is none (binary, JSON) this throws.
 * The happy path looks at the bytes, and copies them only where a chunk ends within an event.
 *
 * @returns writes the body; rejects with a GatewayError when one without stream framing could not be completed.
 */
export const relay =
  (
    { first, rest }: PrimedBody,
    { format, asked, scrub, correlationId, signal, idleMs, keepAliveMs, ended }: RelayOptions,
  ): WriteBody =>
  async (sink) => {
    const watch = format.watch({ asked, scrub });
    const { keepAlive = '' } = format;
    const limits = { idleMs, keepAliveMs: keepAlive ? keepAliveMs : undefined };
    /** When the client was last sent something, counted from the beginning of the present wait; in milliseconds. */
    let spokeMs = 0;

    /** Why nobody takes the bytes any more. */
    let refused: { readonly cause: unknown } | undefined;

    /** @returns how long the silence may go on. */
    const bear = (workerMs: number): number => {
      const { terminated: isOver, atBoundary: isBetween } = watch;
      const { act, forMs } = patience({ workerMs, clientMs: workerMs - spokeMs, isOver, isBetween }, limits);
      if (act === 'idle' || act === 'leave') rest.stop(act === 'idle' ? idleError() : undefined);
      if (act !== 'keep-alive') return forMs;
      spokeMs = workerMs;
      try {
        sink.write(keepAlive);
      } catch (cause) {
        refused = { cause };
        rest.stop();
      }
      return forMs;
    };
    const watchdog = createWatchdog(shortestSilence(limits), bear);

    /** @returns whether the client takes more at once. */
    const pass = (chunk: Uint8Array): boolean => {
      const parts = watch.push(chunk);
      if (parts?.length) {
        spokeMs = 0;
        return sink.write(parts);
      }
      // The worker speaks, but in pieces of which the client hears nothing.
      if (-spokeMs >= (limits.keepAliveMs ?? Number.POSITIVE_INFINITY)) bear(0);
      return true;
    };
    /** Passes what the worker said after a wait, and waits again. */
    const take = (chunk: Uint8Array): Promise<void> | undefined => {
      spokeMs -= watchdog.heard();
      try {
        if (!pass(chunk)) return sink.drained().then(watchdog.wait);
      } catch (cause) {
        refused = { cause };
        rest.stop();
      }
      watchdog.wait();
      return undefined;
    };
    /** @returns what broke the body; `undefined`: the worker ended it. */
    const passAll = async (): Promise<unknown> => {
      for (const chunk of first) if (!pass(chunk)) await sink.drained();
      watchdog.wait();
      try {
        await takeAll(rest, take);
        return undefined;
      } catch (cause) {
        return cause;
      } finally {
        spokeMs -= watchdog.heard();
      }
    };

    let ending: Ending = 'client';
    try {
      const broken = await passAll();
      if (refused) throw refused.cause;
      const missing = watch.finish(broken === undefined);
      if (missing !== undefined) {
        ending = 'complete';
        if (missing.length > 0) sink.write(missing);
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
