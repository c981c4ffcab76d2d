/** What a stand-in worker is about to say, in the pieces it will write one by one. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** One entry per event, line or block; a buffered answer has one. */
  readonly parts: readonly Buffer[];
  /** Index of the first part that belongs to the terminal marker; `parts.length` when the format has none. */
  readonly terminal: number;
  /** Sent chunked, part by part; otherwise with `content-length`. */
  readonly streamed: boolean;
}

/** What the stand-in understood of a request: enough to answer it in character. */
export interface Asked {
  /** The stand-in's own name, which goes into the content so that a test can prove who answered. */
  readonly name: string;
  readonly method: string;
  /** Path without the query, percent-decoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The parsed JSON body, or the text fields of a multipart body; `{}` when there is none. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Files of a multipart body by field name: their sizes in bytes. */
  readonly files: Readonly<Record<string, number>>;
  readonly models: readonly string[];
  /** What its model list says owns the models: servers put their own name there. */
  readonly owner: string;
  /** `http://host:port` of the stand-in itself. */
  readonly origin: string;
}

/** The words every textual answer is made of. Not ASCII on purpose: chunks can be cut inside its characters. */
export const wordsOf = (name: string): string[] => ['Grüße', ' from', ` ${name}`, ' 🦙', ' — done.'];

export const jsonAnswer = (body: unknown, status = 200, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  parts: [Buffer.from(JSON.stringify(body))],
  terminal: 1,
  streamed: false,
});

export const textAnswer = (body: string, contentType = 'text/plain; charset=utf-8'): Answer => ({
  status: 200,
  headers: { 'content-type': contentType },
  parts: [Buffer.from(body)],
  terminal: 1,
  streamed: false,
});

/** Blocks of bytes, sent chunked. */
export const binaryAnswer = (contentType: string, parts: readonly Buffer[]): Answer => ({
  status: 200,
  headers: { 'content-type': contentType },
  parts,
  terminal: parts.length,
  streamed: true,
});

export interface SseEvent {
  readonly event?: string;
  readonly data: unknown;
}

/** One server-sent event; a string goes out as it is, anything else as JSON. */
export const sseFrame = ({ event, data }: SseEvent): string =>
  `${event ? `event: ${event}\n` : ''}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;

/** @param endings how many of the last events make up the terminal marker */
export const sseAnswer = (events: readonly SseEvent[], endings: number): Answer => ({
  status: 200,
  headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' },
  parts: events.map((event) => Buffer.from(sseFrame(event))),
  terminal: events.length - endings,
  streamed: true,
});

export const ndjsonAnswer = (lines: readonly unknown[]): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/x-ndjson' },
  parts: lines.map((line) => Buffer.from(`${JSON.stringify(line)}\n`)),
  terminal: lines.length - 1,
  streamed: true,
});
