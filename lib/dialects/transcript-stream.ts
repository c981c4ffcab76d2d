import { errorEvents, isDone } from './completion-stream.ts';
import { createPretest } from './sse.ts';
import { sseStream } from './sse-stream.ts';
import { ERROR_WORDS, typeOf } from './typed-events.ts';

const DONE = 'transcript.text.done';

/** Transcription and translation: `transcript.text.done`, `[DONE]`, or the worker's own `error`. */
export const transcriptStream = sseStream({
  keepAlive: ': keep-alive\n',
  pretest: createPretest(['transcript.text.done', '[DONE]', ...ERROR_WORDS]),
  follow: () => {
    let isOver = false;
    return {
      read(event) {
        const type = typeOf(event);
        isOver ||= isDone(event) || type === DONE || type === 'error';
      },
      get isOver() {
        return isOver;
      },
      complete: () => (isOver ? '' : undefined),
      errorEvents,
    };
  },
  fromJson: async (answer) =>
    typeof answer.text === 'string' ? `data: ${JSON.stringify({ ...answer, type: DONE })}\n\n` : undefined,
});
