import type { GatewayError } from '../errors.ts';
import type { Dialect, StreamFormat } from './dialect.ts';
import { sseStream } from './sse-stream.ts';

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
};

const errorObject = ({ status, code, message, param }: GatewayError) => ({
  message,
  type: TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error'),
  code,
  param: param ?? null,
});

/** OpenAI's error object; also what Jina (rerank) and LocalAI clients read. */
export const openai: Dialect = {
  name: 'openai',
  errorBody: (error) => JSON.stringify({ error: errorObject(error) }),
  correlationHeaders: [],
};

const DONE = 'data: [DONE]\n\n';
const isDone = (line: string) => /^data: ?\[DONE\]\s*$/.test(line);
// An unescaped quote stands in JSON only around a key or value, so model output cannot forge this.
const FINISH_REASON = /"finish_reason"\s*:\s*"/;
const ERROR_EVENT = /(?:^|\n)(?:event: ?error\r?\n)?data: ?\{\s*"(?:type"\s*:\s*"error"|error"\s*:)/;

interface SseOptions {
  /** Recognises the terminal marker by the start of its line. */
  isTerminal(line: string): boolean;
  /** Whether a line of data with a JSON object in it can be the marker. */
  readonly readsJson: boolean;
  /**
   * Judges an end without a marker by the last whole events.
   * @returns what is missing behind it, or `undefined` when the operation was not complete.
   */
  complete(events: string, isClean: boolean): string | undefined;
}

const BLANK_LINE = /\r?\n\r?\n/;

const isWhole = (event: string): boolean => {
  try {
    JSON.parse(event.replace(/^(?:(?!data:).*\n)*data: ?/, ''));
    return true;
  } catch {
    return false;
  }
};

/** Leaves a half-written last event out; one that lacks only its blank line is whole. */
const wholeEvents = (recent: string): string => {
  const events = recent.split(BLANK_LINE);
  const last = events.at(-1) ?? '';
  return isWhole(last) ? recent : events.slice(0, -1).join('\n\n');
};

/** An SSE stream in OpenAI's manner: errors are `data: {"error":...}` followed by `[DONE]`. */
const sse = ({ isTerminal, readsJson, complete }: SseOptions): StreamFormat =>
  sseStream({
    keepAlive: ': keep-alive\n\n',
    isTerminal,
    readsJson,
    complete: (recent, isClean) => complete(wholeEvents(recent), isClean),
    errorEvents: (error) => `data: ${JSON.stringify({ error: errorObject(error) })}\n\n${DONE}`,
  });

const lastEvent = (events: string): string => events.trimEnd().split(BLANK_LINE).at(-1) ?? '';

/** Chat and text completions: `[DONE]`; behind a `finish_reason` or the worker's own error it is added. */
export const completionStream = sse({
  isTerminal: isDone,
  readsJson: false,
  complete: (events) => (FINISH_REASON.test(events) || ERROR_EVENT.test(lastEvent(events)) ? DONE : undefined),
});

/** Typed events: the type stands in the `event:` line, or in the data. */
const typedStream = (types: string): StreamFormat => {
  const start = new RegExp(`^(?:event: ?|data: ?\\{\\s*"type"\\s*:\\s*")(?:${types})\\b`);
  const anywhere = new RegExp(`"type"\\s*:\\s*"(?:${types})"`);
  return sse({
    isTerminal: (line) => start.test(line) || isDone(line),
    readsJson: true,
    complete: (events) => (anywhere.test(lastEvent(events)) ? '' : undefined),
  });
};

/** Responses: `response.completed`, `.incomplete`, `.failed`, or the worker's own `error`. */
export const responseStream = typedStream('response\\.(?:completed|incomplete|failed)|error');

/** Transcription and translation: `transcript.text.done`, `[DONE]`, or the worker's own `error`. */
export const transcriptStream = typedStream('transcript\\.text\\.done|error');

/** SSE of a kind we do not know: a clean end is an end. */
export const anyStream = sse({
  isTerminal: isDone,
  readsJson: false,
  complete: (_, isClean) => (isClean ? '' : undefined),
});
