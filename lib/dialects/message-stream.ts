import { errorBody } from './anthropic.ts';
import { createPretest } from './sse.ts';
import { sseStream } from './sse-stream.ts';
import { ERROR_WORDS, typeOf } from './typed-events.ts';

/** Messages: ended by `message_stop`, or by the worker's own `event: error`. */
export const messageStream = sseStream({
  keepAlive: 'event: ping\ndata: {"type": "ping"}\n\n',
  pretest: createPretest(['message_stop', ...ERROR_WORDS]),
  follow: () => {
    let isOver = false;
    return {
      read(event) {
        const type = typeOf(event);
        isOver ||= type === 'message_stop' || type === 'error';
      },
      get isOver() {
        return isOver;
      },
      complete: () => (isOver ? '' : undefined),
      errorEvents: (error, correlationId) => `event: error\ndata: ${errorBody(error, correlationId)}\n\n`,
    };
  },
  fromJson: async (answer) => (await import('./message-events.ts')).messageEvents(answer),
});
