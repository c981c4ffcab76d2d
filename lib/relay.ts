import type { StreamFormat } from './dialects/dialect.ts';
import { GatewayError, TimeoutError, UpstreamError } from './errors.ts';
import { isSilent, listen } from './silence.ts';

/** How a body ended, told once. */
export type Ending = 'complete' | 'cut' | 'idle' | 'deadline' | 'client';

/** A worker's body whose beginning is already here. */
export interface PrimedBody {
  readonly first: readonly Uint8Array[];
  /** The rest; `return()` closes the connection. */
  readonly rest: AsyncIterator<Uint8Array>;
}

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

type Chunk = Uint8Array | string;

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

/**
 * Passes a worker's body on, chunk by chunk, and sees to its ending (CONTRACT.md 6): a worker that dies, stalls or ends
 * without its terminal marker gets the dialect's error ending; where there is none (binary, JSON) this throws.
 * The happy path looks at the bytes but never copies or rewrites them.
 *
 * @throws {GatewayError} for a body without stream framing that could not be completed.
 */
export async function* relay(body: PrimedBody, options: RelayOptions): AsyncGenerator<Chunk, void, undefined> {
  const { format, signal, idleMs, keepAliveMs } = options;
  const watch = format?.watch();
  const keepAlive = format?.keepAlive;
  const tick = Math.min(idleMs, keepAlive ? keepAliveMs : idleMs, watch ? AFTER_MARKER_MS : idleMs);
  const listening = listen();
  let ending: Ending = 'client';
  try {
    for (const chunk of body.first) {
      watch?.push(chunk);
      yield chunk;
    }
    for (;;) {
      const pending = body.rest.next();
      let result = await listening.orSilent(pending, tick);
      for (let heardAt = Date.now() - tick, spokeAt = heardAt; isSilent(result); ) {
        if (Date.now() - heardAt >= idleMs) throw idleError();
        if (watch?.terminated) break;
        const speaks = keepAlive !== undefined && watch?.atBoundary;
        if (speaks && Date.now() - spokeAt >= keepAliveMs) {
          spokeAt = Date.now();
          yield keepAlive;
        }
        const next = Math.min(heardAt + idleMs, speaks ? spokeAt + keepAliveMs : Number.POSITIVE_INFINITY);
        result = await listening.orSilent(pending, Math.max(1, next - Date.now()));
      }
      if (isSilent(result) || result.done) break;
      watch?.push(result.value);
      yield result.value;
    }
    const missing = watch ? watch.finish(true) : '';
    if (missing === undefined) throw cutError();
    ending = 'complete';
    if (missing) yield missing;
  } catch (cause) {
    const missing = watch?.finish(false);
    ending = missing === undefined ? endingOf(cause, signal) : 'complete';
    if (missing) yield missing;
    if (missing !== undefined) return;
    const error = signal.aborted ? reasonOf(signal) : cause instanceof GatewayError ? cause : cutError(cause);
    if (!watch) throw error;
    yield watch.fail(error, options.correlationId);
  } finally {
    listening.end();
    options.ended(ending);
    // Not awaited: a pending read would hold it, and closing needs no answer.
    body.rest.return?.().catch(() => {});
  }
}

const endingOf = (cause: unknown, signal: AbortSignal): Ending => {
  if (signal.aborted) return 'deadline';
  return cause instanceof TimeoutError ? 'idle' : 'cut';
};
