import type { GatewayError } from '../errors.ts';

/** How one client family wants to be spoken to. */
export interface Dialect {
  readonly name: string;
  /** A request header, lower-case, that its clients and no others send, whatever path they call. */
  readonly header?: string;
  /** The paths that are taken for its own where no endpoint has them. */
  readonly paths?: RegExp;
  /** Whether its clients send JSON under any content type, or none. */
  readonly anyContentType?: true;
  /** @returns the JSON text of an error body. */
  errorBody(error: GatewayError, correlationId: string): string;
  /** Headers beside `x-correlation-id` and `x-request-id` that carry the correlation id. */
  readonly correlationHeaders: readonly string[];
}

/** Watches one stream go by. */
export interface StreamWatch {
  /** Shows the next bytes on their way to the client. */
  push(chunk: Uint8Array): void;
  /** Something else may be put here without breaking an event or line. */
  readonly atBoundary: boolean;
  /** The operation's last words have gone by: nothing of interest can follow. */
  readonly terminated: boolean;
  /**
   * @param isClean the worker ended its body; otherwise it died, stalled or was cut off by the deadline.
   * @returns what to write behind the end, or `undefined` when it came without the terminal marker.
   */
  finish(isClean: boolean): string | undefined;
  /**
   * @returns what to write behind a cut: closes a half-written event, then says the error in the dialect.
   * @throws the error, where the format has no way to say it.
   */
  fail(error: GatewayError, correlationId: string): string;
}

/** How an operation's stream is framed, kept alive and ended (CONTRACT.md 1 and 6). */
export interface StreamFormat {
  /** `undefined`: any. */
  readonly contentType: 'text/event-stream' | 'application/x-ndjson' | undefined;
  /** What a silent worker's client hears, if anything. */
  readonly keepAlive?: string;
  watch(): StreamWatch;
}
