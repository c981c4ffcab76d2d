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

/** What a watch is told of the request whose answer it sees. */
export interface WatchOptions {
  /** The request's own fields: how many choices it asked for decides when it is complete. */
  readonly asked?: Readonly<Record<string, unknown>>;
  /** Takes out of whole events or lines what their reader may not learn; told those that may hold it. */
  readonly scrub?: ((parts: Buffer) => Buffer) | undefined;
}

/** Watches one stream go by, and lets it pass in whole events or lines. */
export interface StreamWatch {
  /** Takes the next bytes. @returns what may leave now, `undefined` while nothing may. */
  push(chunk: Uint8Array): Uint8Array | undefined;
  /** What has left ends where something else may be put. */
  readonly atBoundary: boolean;
  /** The operation's last words are here: nothing of interest can follow. */
  readonly terminated: boolean;
  /**
   * @param isClean the worker ended its body; otherwise it died, stalled or was cut off by the deadline.
   * @returns what is still to be written, or `undefined` when the body came without the terminal marker.
   */
  finish(isClean: boolean): Uint8Array | string | undefined;
  /**
   * @returns what is to be written where a stream was cut: what is complete of it, then the error in the dialect.
   * @throws the error, where the format has no way to say it.
   */
  fail(error: GatewayError, correlationId: string): Uint8Array | string;
}

/** How an operation's stream is framed, kept alive and ended (docs/contract.md 1 and 6). */
export interface StreamFormat {
  /** `undefined`: any. */
  readonly contentType: 'text/event-stream' | 'application/x-ndjson' | undefined;
  /** What a silent worker's client hears, if anything. */
  readonly keepAlive?: string;
  watch(options: WatchOptions): StreamWatch;
  /**
   * @returns an answer that came as one JSON object, as the stream it should have been, terminal marker included;
   *   `undefined` when it is none of this operation's answers. Loaded when it is needed, which is seldom.
   */
  readonly fromJson?: (answer: Readonly<Record<string, unknown>>) => Promise<string | undefined>;
}
