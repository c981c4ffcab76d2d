import { type Answer, type Asked, jsonAnswer, type SseEvent, sseAnswer, wordsOf } from './answer.ts';

interface Tool {
  readonly name: string;
}

const messages = (asked: Asked): Answer => {
  const [tool] = (asked.fields.tools as Tool[] | undefined) ?? [];
  const input = { city: 'Köln', by: asked.name };
  const base = {
    id: `msg_${asked.name}`,
    type: 'message',
    role: 'assistant',
    model: String(asked.fields.model ?? asked.models[0]),
    stop_sequence: null,
  };
  const stop_reason = tool ? 'tool_use' : 'end_turn';
  if (asked.fields.stream !== true) {
    const content = tool
      ? [{ type: 'tool_use', id: 'toolu_1', name: tool.name, input }]
      : [{ type: 'text', text: wordsOf(asked.name).join('') }];
    return jsonAnswer({ ...base, content, stop_reason, usage: { input_tokens: 7, output_tokens: 5 } });
  }
  const typed = (type: string, rest: object): SseEvent => ({ event: type, data: { type, ...rest } });
  const delta = (part: object) => typed('content_block_delta', { index: 0, delta: part });
  const block = tool ? { type: 'tool_use', id: 'toolu_1', name: tool.name, input: {} } : { type: 'text', text: '' };
  const deltas = tool
    ? JSON.stringify(input)
        .split(/(?<=,)/u)
        .map((partial_json) => delta({ type: 'input_json_delta', partial_json }))
    : wordsOf(asked.name).map((text) => delta({ type: 'text_delta', text }));
  const start = { ...base, content: [], stop_reason: null, usage: { input_tokens: 7, output_tokens: 1 } };
  const events = [
    typed('message_start', { message: start }),
    typed('content_block_start', { index: 0, content_block: block }),
    ...deltas,
    typed('content_block_stop', { index: 0 }),
    typed('message_delta', { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 5 } }),
    typed('message_stop', {}),
  ];
  return sseAnswer(events, 1);
};

/** Answers of a server with the Anthropic Messages API; undefined for other paths. */
export const anthropicAnswer = (asked: Asked): Answer | undefined => {
  if (asked.method !== 'POST') return undefined;
  if (asked.path === '/v1/messages') return messages(asked);
  if (asked.path === '/v1/messages/count_tokens') return jsonAnswer({ input_tokens: 7, served_by: asked.name });
  return undefined;
};
