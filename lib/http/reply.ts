/** What a handler answers: the head is written when the first chunk is there, and not before. */
export interface Reply {
  /** HTTP status; without it a body starts with an implicit 200. */
  readonly status?: number;
  /** Lower-case names, one value each, as a function URL's metadata holds them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array>;
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
