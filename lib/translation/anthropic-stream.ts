import {
  callPrefix,
  countFields,
  emptyMessage,
  messageId,
  signatureOf,
  stopFields,
  toolUse,
} from './anthropic-answer.ts';
import { isThoughtless } from './anthropic-request.ts';
import { type Block, type Blocks, createBlocks } from './blocks.ts';
import { noUsage, type Usage } from './chat.ts';
import { chatStream } from './chat-stream.ts';
import type { Asked, Fields, StreamTranslation } from './translation.ts';

const frame = (type: string, rest: Fields = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;

const PING = frame('ping');

const openingOf = ({ kind, id, name }: Block): Fields => {
  if (kind === 'call') return toolUse(id, name);
  return kind === 'reasoning'
    ? { type: 'thinking', thinking: '', signature: '' }
    : { type: 'text', text: '', citations: null };
};

/** What a delta is called, and the field that its text is in. */
const DELTAS: Readonly<Record<Block['kind'], string>> = {
  reasoning: '"thinking_delta","thinking"',
  text: '"text_delta","text"',
  refusal: '"text_delta","text"',
  call: '"input_json_delta","partial_json"',
};

/** One message as Anthropic's events: each block starts, goes on and stops before the next one. */
export const anthropicStream = (asked: Asked): StreamTranslation =>
  chatStream((write) => {
    let id = '';
    let blocks: Blocks | undefined;
    let stopSequence: string | undefined;
    let hasRefused = false;

    const listener = {
      start: (block: Block) => {
        write(frame('content_block_start', { index: block.index, content_block: openingOf(block) }));
      },
      delta: ({ index, kind }: Block, piece: string) => {
        write(
          `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":{"type":${DELTAS[kind]}:${JSON.stringify(piece)}}}\n\n`,
        );
      },
      stop: ({ index, kind }: Block) => {
        if (kind === 'reasoning') {
          const delta = { type: 'signature_delta', signature: signatureOf(id) };
          write(frame('content_block_delta', { index, delta }));
        }
        write(frame('content_block_stop', { index }));
      },
    };

    const begin = (event: Fields, usage: Usage | undefined): Blocks => {
      id = messageId(event, asked);
      write(frame('message_start', { message: emptyMessage(event, usage ?? noUsage, asked) }) + PING);
      return createBlocks(listener, callPrefix(id));
    };

    return {
      isThoughtless: isThoughtless(asked.body),
      comment: PING,
      event(event, { usage }) {
        blocks ??= begin(event, usage);
        return blocks;
      },
      choice(choice) {
        hasRefused ||= choice.said.refusal !== '';
        stopSequence ??= choice.stopSequence;
      },
      close({ usage, finishReason }) {
        blocks ??= begin({}, usage);
        blocks.close();
        const delta = stopFields({ finishReason, stopSequence, hasCalls: blocks.hasCalls, hasRefused }, asked);
        write(frame('message_delta', { delta, usage: countFields(usage ?? noUsage) }) + frame('message_stop'));
      },
      fail: (status, message) => write(`event: error\ndata: ${asked.errorBody(status, message)}\n\n`),
    };
  });
