import { type Fields, isObject } from '../json.ts';
import { typedEvent } from './typed-events.ts';

/** What a block looks like before any of it has been said, and the deltas that say it. */
const partsOf = (block: Fields): { readonly start: Fields; readonly deltas: readonly Fields[] } => {
  const { type, text, thinking, signature, input, citations } = block;
  if (type === 'text') {
    const cited = Array.isArray(citations) ? citations : [];
    return {
      start: { ...block, text: '', ...(cited.length > 0 && { citations: [] }) },
      deltas: [
        { type: 'text_delta', text: text ?? '' },
        ...cited.map((citation) => ({ type: 'citations_delta', citation })),
      ],
    };
  }
  if (type === 'thinking') {
    return {
      start: { ...block, thinking: '', signature: '' },
      deltas: [
        { type: 'thinking_delta', thinking: thinking ?? '' },
        ...(signature ? [{ type: 'signature_delta', signature }] : []),
      ],
    };
  }
  if (type === 'tool_use' || type === 'server_tool_use') {
    return {
      start: { ...block, input: {} },
      deltas: [{ type: 'input_json_delta', partial_json: JSON.stringify(input ?? {}) }],
    };
  }
  return { start: block, deltas: [] };
};

/**
 * @returns the events that a whole message would have come in; `undefined` when it is none.
 * @see https://platform.claude.com/docs/en/build-with-claude/streaming
 */
export const messageEvents = (message: Fields): string | undefined => {
  const { content, stop_reason = 'end_turn', stop_sequence = null, usage } = message;
  if (!Array.isArray(content)) return undefined;
  const counted = isObject(usage) ? usage : {};
  const start = {
    ...message,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 0, ...counted, output_tokens: 0 },
  };
  const blocks = content.filter(isObject);
  return [
    typedEvent('message_start', { message: start }),
    ...blocks.flatMap((block, index) => {
      const { start: content_block, deltas } = partsOf(block);
      return [
        typedEvent('content_block_start', { index, content_block }),
        ...deltas.map((delta) => typedEvent('content_block_delta', { index, delta })),
        typedEvent('content_block_stop', { index }),
      ];
    }),
    typedEvent('message_delta', { delta: { stop_reason, stop_sequence }, usage: { output_tokens: 0, ...counted } }),
    typedEvent('message_stop', {}),
  ].join('');
};
