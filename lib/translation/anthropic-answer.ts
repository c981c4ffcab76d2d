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
  readonly hasRefused: boolean;
}

export const stopFields = (
  { finishReason, stopSequence, hasCalls, hasRefused }: Stop,
  { body }: Pick<Asked, 'body'>,
): Fields => {
  const said = finishOf(finishReason, hasCalls);
  const reason = said === 'stop' && hasRefused ? 'content_filter' : said;
  const isSequence = reason === 'stop' && listOf(body.stop_sequences).includes(stopSequence);
  return {
    stop_reason: isSequence ? 'stop_sequence' : STOP_REASONS[reason],
    stop_sequence: isSequence ? stopSequence : null,
    stop_details: null,
    container: null,
  };
};

/** As it stands at a message's end. Anthropic counts what was read from the cache apart. */
export const countFields = ({ promptTokens, completionTokens, cachedTokens, reasoningTokens }: Usage): Fields => ({
  input_tokens: Math.max(0, promptTokens - cachedTokens),
  output_tokens: completionTokens,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: cachedTokens,
  output_tokens_details: { thinking_tokens: reasoningTokens },
  server_tool_use: null,
});

/** As a message has it. */
const usageFields = (usage: Usage): Fields => ({
  ...countFields(usage),
  cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: 0 },
  inference_geo: null,
  service_tier: 'standard',
  speed: null,
});

/** A message before anything was said. */
export const emptyMessage = (answer: Fields, usage: Usage, asked: Asked): Fields => ({
  id: messageId(answer, asked),
  type: 'message',
  role: 'assistant',
  model: modelOf(answer, asked),
  content: [],
  stop_reason: null,
  stop_sequence: null,
  stop_details: null,
  container: null,
  diagnostics: null,
  usage: usageFields({ ...usage, completionTokens: 0, reasoningTokens: 0 }),
});

/** @returns the worker's id in Anthropic's manner; the request's own where it gives none. */
export const messageId = (answer: Fields, { id }: Asked): string =>
  `msg_${(textOf(answer.id) ?? id).replace(/^(?:chatcmpl|msg|cmpl)[-_]/, '')}`;

const modelOf = (answer: Fields, { requestedModel }: Asked): string => requestedModel ?? textOf(answer.model) ?? '';

/** Nothing is signed here; clients leave out thinking without a signature when they send it back. */
export const signatureOf = (messageId: string): string => Buffer.from(messageId).toString('base64');

/** A call that the client itself carries out. */
export const toolUse = (id: string, name: string): Fields => ({
  type: 'tool_use',
  id,
  name,
  input: {},
  caller: { type: 'direct' },
});

const blocksOf = ({ said }: Choice, id: string, asked: Asked): readonly Fields[] => [
  ...(said.reasoning && !isThoughtless(asked.body)
    ? [{ type: 'thinking', thinking: said.reasoning, signature: signatureOf(id) }]
    : []),
  ...[said.content, said.refusal].filter(Boolean).map((text) => ({ type: 'text', text, citations: null })),
  ...said.calls.map((call, i) => ({
    ...toolUse(call.id ?? callPrefix(id) + i, call.name ?? ''),
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
  const stop = { finishReason, stopSequence, hasCalls: said.calls.length > 0, hasRefused: said.refusal !== '' };
  const usage = usageOf(answer) ?? noUsage;
  return {
    ...emptyMessage(answer, usage, asked),
    content: blocksOf(choice, id, asked),
    ...stopFields(stop, asked),
    usage: usageFields(usage),
  };
};
