import type { GatewayError } from '../errors.ts';
import { type Fields, isObject, readJson, textOf } from '../json.ts';
import { errorObject } from './openai.ts';
import { createPretest } from './sse.ts';
import { type Follower, sseStream } from './sse-stream.ts';
import { ERROR_WORDS, typedEvent, typeOf } from './typed-events.ts';

const ITEM_DONE = 'response.output_item.done';
const LAST = new Set(['response.completed', 'response.incomplete', 'response.failed', 'error']);

/** What clients need of a response object of which the worker has said nothing yet. */
const unknownResponse = (asked: Fields, correlationId: string): Fields => ({
  id: `resp_${correlationId}`,
  object: 'response',
  created_at: Math.floor(Date.now() / 1000),
  model: textOf(asked, 'model') ?? '',
  output: [],
  parallel_tool_calls: true,
  tool_choice: 'auto',
  tools: [],
  metadata: {},
});

const follow = (asked: Fields): Follower => {
  let isOver = false;
  let response: Fields | undefined;
  const items = new Map<unknown, unknown>();
  let sequence = -1;

  const count = (value: Fields) => {
    if (Number.isSafeInteger(value.sequence_number)) sequence = Math.max(sequence, Number(value.sequence_number));
  };
  const failed = ({ code, message }: GatewayError, correlationId: string) => ({
    ...(response ?? unknownResponse(asked, correlationId)),
    ...(items.size > 0 && { output: [...items.values()] }),
    status: 'failed',
    error: { code, message },
    incomplete_details: null,
  });

  return {
    read(event) {
      const type = typeOf(event);
      isOver ||= type !== undefined && LAST.has(type);
      const value = readJson(event.data);
      if (!isObject(value)) return;
      count(value);
      if (isObject(value.response)) response = value.response;
      if (type === ITEM_DONE) items.set(value.output_index, value.item);
    },
    get isOver() {
      return isOver;
    },
    complete: () => (isOver ? '' : undefined),
    errorEvents(error, correlationId, last) {
      const value = readJson(last?.data ?? '');
      if (isObject(value)) count(value);
      const object = errorObject(error);
      const { message, code, param } = object;
      return (
        typedEvent('response.failed', { sequence_number: sequence + 1, response: failed(error, correlationId) }) +
        typedEvent('error', { sequence_number: sequence + 2, code, message, param, error: object })
      );
    },
  };
};

/**
 * Responses: `response.completed`, `.incomplete`, `.failed`, or the worker's own `error`. A cut is told as
 * `response.failed` and then as an `error` whose fields stand both flat and in an object: some clients read the one,
 * some the other, and some only the first event.
 */
export const responseStream = sseStream({
  keepAlive: ': keep-alive\n',
  pretest: createPretest(
    ERROR_WORDS,
    /response\.(?:created|in_progress|completed|incomplete|failed|output_item\.done)/,
  ),
  follow,
  fromJson: async (answer) => (await import('./response-events.ts')).responseEvents(answer),
});
