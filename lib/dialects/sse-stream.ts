import type { GatewayError } from '../errors.ts';
import type { StreamFormat } from './dialect.ts';
import { createSseTail } from './sse.ts';

/** What one dialect's SSE streams have of their own. */
export interface SseStreamOptions {
  readonly keepAlive: string;
  /** Recognises the terminal marker by the start of its line. */
  isTerminal(line: string): boolean;
  /** Whether a line of data with a JSON object in it can be the marker. */
  readonly readsJson: boolean;
  /**
   * Judges an end without a marker by the last bytes.
   * @returns what is missing behind it, or `undefined` when the operation was not complete.
   */
  complete(recent: string, isClean: boolean): string | undefined;
  /** The error in the dialect's own events. */
  errorEvents(error: GatewayError, correlationId: string): string;
}

/** @returns the format of a server-sent stream; a half-written event is closed before anything is put behind it. */
export const sseStream = (options: SseStreamOptions): StreamFormat => ({
  contentType: 'text/event-stream',
  keepAlive: options.keepAlive,
  watch: () => {
    const tail = createSseTail(options.isTerminal, options.readsJson);
    const closing = () => (tail.atBoundary ? '' : '\n\n');
    return {
      push: tail.push,
      get atBoundary() {
        return tail.atBoundary;
      },
      get terminated() {
        return tail.terminated;
      },
      finish(isClean) {
        if (tail.terminated) return closing();
        const missing = options.complete(tail.recent(), isClean);
        return missing === undefined ? undefined : closing() + missing;
      },
      fail: (error, correlationId) => closing() + options.errorEvents(error, correlationId),
    };
  },
});
