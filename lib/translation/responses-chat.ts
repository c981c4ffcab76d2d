import type { Block } from './blocks.ts';
import { choiceOf, usageOf } from './chat.ts';
import { answeringTo, incompleteReason, itemOf, responseObject } from './responses-answer.ts';
import { chatRequest, isThoughtless, toolsOf } from './responses-request.ts';
import { responsesStream } from './responses-stream.ts';
import type { Asked, Fields, Translation } from './translation.ts';

const response = (answer: Fields, asked: Asked): Fields => {
  const choice = choiceOf(answer);
  if (!choice) throw new TypeError('no choice');
  const { said, finishReason, logprobs } = choice;
  const answering = answeringTo(answer, asked, toolsOf(asked.body));
  const texts = [
    { kind: 'reasoning', text: isThoughtless(asked.body) ? '' : said.reasoning },
    { kind: 'text', text: said.content },
    { kind: 'refusal', text: said.refusal },
  ] as const;
  const calls = said.calls.map((call, i) => ({
    kind: 'call' as const,
    id: call.id ?? `call_${answering.id}_${i}`,
    name: call.name ?? '',
    text: call.arguments,
  }));
  const blocks: readonly Block[] = [...texts.filter(({ text }) => text !== ''), ...calls].map((block, index) => ({
    id: '',
    name: '',
    ...block,
    index,
  }));
  const output = blocks.map((block) => itemOf(block, 'whole', answering, block.kind === 'text' ? logprobs : []));
  const status = incompleteReason(finishReason) === undefined ? 'completed' : 'incomplete';
  return responseObject(answering, { status, output, usage: usageOf(answer), finishReason });
};

/**
 * OpenAI's Responses, without their state, on chat completions.
 * Source: OpenAI API reference, "Create a model response", "Streaming events" and "Chat completions".
 */
export const translation: Translation = { request: chatRequest, response, stream: responsesStream };
