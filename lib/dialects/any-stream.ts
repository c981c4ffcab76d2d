import { errorEvents, isDone } from './completion-stream.ts';
import { createPretest } from './sse.ts';
import { sseStream } from './sse-stream.ts';

/** SSE of a kind we do not know: a clean end is an end. */
export const anyStream = sseStream({
  keepAlive: ': keep-alive\n',
  pretest: createPretest(['[DONE]']),
  follow: () => {
    let isOver = false;
    return {
      read(event) {
        isOver ||= isDone(event);
      },
      get isOver() {
        return isOver;
      },
      complete: (isClean) => (isOver || isClean ? '' : undefined),
      errorEvents,
    };
  },
});
