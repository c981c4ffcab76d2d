import { type Fields, isObject } from '../json.ts';

const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;

/** What a chunk has in place of a message. @returns the events of one choice. */
const choiceEvents = (answer: Fields, choice: Fields): string => {
  const { message, text, finish_reason, ...rest } = choice;
  if (!isObject(message)) return event({ ...answer, choices: [choice] });
  const calls = Array.isArray(message.tool_calls) && message.tool_calls.filter(isObject);
  const delta = { ...message, ...(calls && { tool_calls: calls.map((call, index) => ({ index, ...call })) }) };
  const chunk = (part: object) =>
    event({ ...answer, object: 'chat.completion.chunk', choices: [{ ...rest, ...part }] });
  return chunk({ delta, finish_reason: null }) + chunk({ delta: {}, finish_reason: finish_reason ?? 'stop' });
};

/**
 * @returns the events that a whole completion would have come in, terminal marker included; `undefined` when it is none.
 * @see https://platform.openai.com/docs/api-reference/chat-streaming
 */
export const completionEvents = ({ choices, usage, ...answer }: Fields): string | undefined => {
  const all = Array.isArray(choices) ? choices.filter(isObject) : [];
  if (all.length === 0) return undefined;
  const object = all.some(({ message }) => isObject(message)) ? 'chat.completion.chunk' : answer.object;
  const summary = usage ? event({ ...answer, object, choices: [], usage }) : '';
  return `${all.map((choice) => choiceEvents(answer, choice)).join('')}${summary}data: [DONE]\n\n`;
};
