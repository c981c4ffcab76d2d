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
import { choiceOf, type FinishReason, noUsage, type Usage, usageOf } from './chat.ts';
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
export const anthropicStream = (asked: Asked): StreamTranslation => {
  let out = '';
  let id = '';
  let blocks: Blocks | undefined;
  let usage: Usage | undefined;
  let finishReason: FinishReason | undefined;
  let stopSequence: string | undefined;
  let hasRefused = false;
  let isOver = false;

  const take = (): string => {
    const text = out;
    out = '';
    return text;
  };

  const listener = {
    start: (block: Block) => {
      out += frame('content_block_start', { index: block.index, content_block: openingOf(block) });
    },
    delta: ({ index, kind }: Block, piece: string) => {
      out += `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":{"type":${DELTAS[kind]}:${JSON.stringify(piece)}}}\n\n`;
    },
    stop: ({ index, kind }: Block) => {
      if (kind === 'reasoning') {
        const delta = { type: 'signature_delta', signature: signatureOf(id) };
        out += frame('content_block_delta', { index, delta });
      }
      out += frame('content_block_stop', { index });
    },
  };

  const begin = (event: Fields): Blocks => {
    id = messageId(event, asked);
    out += frame('message_start', { message: emptyMessage(event, usage ?? noUsage, asked) }) + PING;
    return createBlocks(listener, callPrefix(id));
  };

  const close = () => {
    if (isOver) return;
    isOver = true;
    blocks ??= begin({});
    blocks.close();
    const delta = stopFields({ finishReason, stopSequence, hasCalls: blocks.hasCalls, hasRefused }, asked);
    out += frame('message_delta', { delta, usage: countFields(usage ?? noUsage) }) + frame('message_stop');
  };

  return {
    event(event) {
      if (isOver) return '';
      usage = usageOf(event) ?? usage;
      blocks ??= begin(event);
      const choice = choiceOf(event);
      if (choice) {
        const { said } = choice;
        blocks.push(isThoughtless(asked.body) ? { ...said, reasoning: '' } : said);
        hasRefused ||= said.refusal !== '';
        finishReason ??= choice.finishReason;
        stopSequence ??= choice.stopSequence;
      }
      // An event of its own, the last one: the choices before may have said zeros.
      if (finishReason && event.usage && !choice) close();
      return take();
    },
    comment: () => (isOver || !blocks ? '' : PING),
    end(isDone) {
      if (isDone || finishReason) close();
      return take();
    },
    fail(status, message) {
      if (isOver) return '';
      isOver = true;
      return `event: error\ndata: ${asked.errorBody(status, message)}\n\n`;
    },
  };
};
