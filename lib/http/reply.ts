/** Where a body goes, chunk by chunk. */
export interface Sink {
  /** @returns false when the next chunk should wait until it has `drained`. @throws when nobody takes it any more. */
  write(chunk: string | Uint8Array): boolean;
  drained(): Promise<void>;
}

/** Writes a body that comes bit by bit, and resolves at its end. */
export type WriteBody = (sink: Sink) => Promise<void>;

/** What leaves before the body: the metadata of a function URL's streamed response. */
export interface Head {
  statusCode: number;
  headers: Record<string, string>;
}

/** What a handler answers: the head is written when the first chunk is there, and not before. */
export interface Reply {
  /** HTTP status; without it a body starts with an implicit 200. */
  readonly status?: number;
  /** Lower-case names, one value each, as a function URL's metadata holds them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | WriteBody;
}

/** @returns a JSON reply. */
export const json = (status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify(value),
});

/** @returns a plain text reply. */
export const text = (status: number, body: string): Reply => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body,
});
