import type { StreamFormat } from '../dialects/dialect.ts';
import { GatewayError, TimeoutError, UpstreamError } from '../errors.ts';
import type { WriteBody } from '../http/reply.ts';
import { createWatchdog } from '../time/silence.ts';
import type { PrimedBody } from './answer.ts';

/** How a body ended, told once. */
export type Ending = 'complete' | 'cut' | 'idle' | 'deadline' | 'client';

export interface RelayOptions {
  /** How the stream is framed; without it the body is bytes, and a cut fails the invocation. */
  readonly format: StreamFormat | undefined;
  readonly correlationId: string;
  /** The invocation's. Aborting it ends the upstream. */
  readonly signal: AbortSignal;
  readonly idleMs: number;
  readonly keepAliveMs: number;
  /** Told once, when the body is over. */
  readonly ended: (ending: Ending) => void;
}

/** Behind the terminal marker nothing of interest comes: a worker that holds the connection open is not waited for. */
const AFTER_MARKER_MS = 2000;

/** @returns why the invocation was ended. */
export const reasonOf = (signal: AbortSignal): GatewayError =>
  signal.reason instanceof GatewayError
    ? signal.reason
    : new TimeoutError('The request was ended before the worker had finished.');

export const idleError = () => new TimeoutError('The worker stopped sending in the middle of the response.');
export const cutError = (cause?: unknown) =>
  new UpstreamError('The worker ended the response before it was complete.', cause);

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
    const watch = format?.watch();
    const keepAlive = format?.keepAlive;
    const patienceMs = Math.min(idleMs, keepAlive ? keepAliveMs : idleMs, watch ? AFTER_MARKER_MS : idleMs);
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
    const stop = (reason?: Error) => {
      rest.stop(reason);
      return idleMs;
    };
    const watchdog = createWatchdog(patienceMs, (silentMs) => {
      const isOver = watch?.terminated === true;
      if (silentMs >= idleMs) return stop(idleError());
      if (isOver && silentMs >= AFTER_MARKER_MS) return stop();
      let dueMs = isOver ? Math.min(idleMs, AFTER_MARKER_MS) : idleMs;
      if (keepAlive !== undefined && watch?.atBoundary && !isOver) {
        if (silentMs - spokeMs >= keepAliveMs) {
          spokeMs = silentMs;
          speak(keepAlive);
        }
        dueMs = Math.min(dueMs, spokeMs + keepAliveMs);
      }
      return dueMs - silentMs;
    });

    const pass = (chunk: Uint8Array): boolean => {
      watch?.push(chunk);
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
      const missing = watch ? watch.finish(broken === undefined) : broken === undefined ? '' : undefined;
      if (missing !== undefined) {
        ending = 'complete';
        if (missing) sink.write(missing);
        return;
      }
      ending = endingOf(broken, signal);
      const error = signal.aborted ? reasonOf(signal) : broken instanceof GatewayError ? broken : cutError(broken);
      if (!watch) throw error;
      sink.write(watch.fail(error, correlationId));
    } finally {
      watchdog.end();
      ended(ending);
      rest.stop();
    }
  };
