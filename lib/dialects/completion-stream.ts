import type { EventSourceMessage } from 'eventsource-parser';
import { type Fields, isObject, readJson, textOf } from '../json.ts';
import { errorObject } from './openai.ts';
import { createPretest } from './sse.ts';
import { type Follower, sseStream } from './sse-stream.ts';

const DONE = 'data: [DONE]\n\n';

/** Nearly every event has a `finish_reason` of `null`. */
const FINISHED = /finish_reason"(?!\s*:\s*(?:null|""))/;

export const isDone = ({ data }: EventSourceMessage): boolean => data.trim() === '[DONE]';

/** @returns the error a worker tells of in an event, in any of the shapes that engines have. */
const isError = ({ event, data }: EventSourceMessage): boolean => {
  if (event === 'error') return true;
  const value = readJson(data);
  return isObject(value) && (!!value.error || value.type === 'error' || value.object === 'error');
};

/** @returns how many choices a request will be answered with. */
const choicesFor = ({ n, prompt }: Fields): number => {
  const each = Number.isInteger(n) && Number(n) > 0 ? Number(n) : 1;
  // One prompt may be a list of tokens.
  const prompts = Array.isArray(prompt) && typeof prompt[0] !== 'number' ? prompt.length : 1;
  return each * Math.max(1, prompts);
};

/** An SSE stream in OpenAI's manner: errors are `data: {"error":...}` followed by `[DONE]`. */
export const errorEvents: Follower['errorEvents'] = (error) =>
  `data: ${JSON.stringify({ error: errorObject(error) })}\n\n${DONE}`;

const follow = (asked: Fields): Follower => {
  const expected = choicesFor(asked);
  const finished = new Set<unknown>();
  let isOver = false;
  return {
    read(event) {
      if (isDone(event)) {
        isOver = true;
        return;
      }
      const value = readJson(event.data);
      const choices = isObject(value) && Array.isArray(value.choices) ? value.choices.filter(isObject) : [];
      for (const choice of choices) if (textOf(choice, 'finish_reason')) finished.add(choice.index ?? 0);
    },
    get isOver() {
      return isOver;
    },
    complete: (_, last) => {
      if (isOver) return '';
      return finished.size >= expected || (last && isError(last)) ? DONE : undefined;
    },
    errorEvents,
  };
};

/** Chat and text completions: `[DONE]`; after every choice's `finish_reason`, or the worker's own error, it is added. */
export const completionStream = sseStream({
  keepAlive: ': keep-alive\n',
  pretest: createPretest(['[DONE]'], FINISHED),
  follow,
  fromJson: async (answer) => (await import('./completion-events.ts')).completionEvents(answer),
});
