import { isThoughtless } from './anthropic-request.ts';
import { type Choice, choiceOf, type FinishReason, finishOf, noUsage, type Usage, usageOf } from './chat.ts';
import { argumentsOf, listOf, textOf } from './fields.ts';
import type { Asked, Fields } from './translation.ts';

const STOP_REASONS: Readonly<Record<FinishReason, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  content_filter: 'refusal',
};

/** Why the answer ended, as `message` and `message_delta` say it. */
export interface Stop {
  readonly finishReason: FinishReason | undefined;
  readonly stopSequence: string | undefined;
  readonly hasCalls: boolean;
}

export const stopFields = ({ finishReason, stopSequence, hasCalls }: Stop, { body }: Asked): Fields => {
  const reason = finishOf(finishReason, hasCalls);
  const isSequence = reason === 'stop' && listOf(body.stop_sequences).includes(stopSequence);
  return {
    stop_reason: isSequence ? 'stop_sequence' : STOP_REASONS[reason],
    stop_sequence: isSequence ? stopSequence : null,
  };
};

/** Anthropic counts what was read from the cache apart. */
export const usageFields = ({ promptTokens, completionTokens, cachedTokens }: Usage): Fields => ({
  input_tokens: Math.max(0, promptTokens - cachedTokens),
  output_tokens: completionTokens,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: cachedTokens,
});

/** @returns the worker's id in Anthropic's manner; the request's own where it gives none. */
export const messageId = (answer: Fields, { id }: Asked): string =>
  `msg_${(textOf(answer.id) ?? id).replace(/^(?:chatcmpl|msg|cmpl)[-_]/, '')}`;

export const modelOf = (answer: Fields, { requestedModel }: Asked): string =>
  requestedModel ?? textOf(answer.model) ?? '';

/** Nothing is signed here; clients leave out thinking without a signature when they send it back. */
export const signatureOf = (messageId: string): string => Buffer.from(messageId).toString('base64');

const blocksOf = ({ said }: Choice, id: string, asked: Asked): readonly Fields[] => [
  ...(said.reasoning && !isThoughtless(asked.body)
    ? [{ type: 'thinking', thinking: said.reasoning, signature: signatureOf(id) }]
    : []),
  ...[said.content, said.refusal].filter(Boolean).map((text) => ({ type: 'text', text, citations: null })),
  ...said.calls.map((call, i) => ({
    type: 'tool_use',
    id: call.id ?? callPrefix(id) + i,
    name: call.name ?? '',
    input: argumentsOf(call.arguments),
  })),
];

/** Of calls to which the worker gives no id: no other answer may have the same. */
export const callPrefix = (messageId: string): string => `toolu_${messageId}_`;

/** @returns the message for a chat completion. @throws {TypeError} where it is none. */
export const messageOf = (answer: Fields, asked: Asked): Fields => {
  const choice = choiceOf(answer);
  if (!choice) throw new TypeError('no choice');
  const { finishReason, stopSequence, said } = choice;
  const id = messageId(answer, asked);
  return {
    id,
    type: 'message',
    role: 'assistant',
    model: modelOf(answer, asked),
    content: blocksOf(choice, id, asked),
    ...stopFields({ finishReason, stopSequence, hasCalls: said.calls.length > 0 }, asked),
    usage: usageFields(usageOf(answer) ?? noUsage),
  };
};
