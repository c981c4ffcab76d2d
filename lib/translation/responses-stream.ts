import { type Block, type Blocks, createBlocks } from './blocks.ts';
import { chatStream } from './chat-stream.ts';
import {
  type Answering,
  answeringTo,
  customInput,
  incompleteReason,
  itemId,
  itemOf,
  responseObject,
  textPart,
  wantsSummary,
} from './responses-answer.ts';
import { isThoughtless, toolsOf } from './responses-request.ts';
import type { Asked, Fields, StreamTranslation } from './translation.ts';

/** How the text inside of an item is told: the part around it, its pieces, its end. */
interface Telling {
  readonly part: (text: string) => Fields;
  /** Of the events, between `response.` and `.delta` or `.done`. */
  readonly name: string;
  readonly partName: 'content_part' | 'reasoning_summary_part';
  readonly place: Fields;
  /** Field of the `done` event. */
  readonly field: 'text' | 'refusal';
}

const content = { partName: 'content_part', place: { content_index: 0 } } as const;

const TEXT: Telling = { ...content, name: 'output_text', field: 'text', part: (text) => textPart(text) };
const REFUSAL: Telling = {
  ...content,
  name: 'refusal',
  field: 'refusal',
  part: (refusal) => ({ type: 'refusal', refusal }),
};
const THINKING: Telling = {
  ...content,
  name: 'reasoning_text',
  field: 'text',
  part: (text) => ({ type: 'reasoning_text', text }),
};
const SUMMARY: Telling = {
  name: 'reasoning_summary_text',
  field: 'text',
  partName: 'reasoning_summary_part',
  place: { summary_index: 0 },
  part: (text) => ({ type: 'summary_text', text }),
};

interface Begun {
  readonly of: Answering;
  readonly blocks: Blocks;
}

/** An answer as Responses' events: every item is added, goes on and is done before the next one; all are numbered. */
export const responsesStream = (asked: Asked): StreamTranslation =>
  chatStream((write) => {
    const tools = toolsOf(asked.body);
    let sequence = 0;
    let begun: Begun | undefined;
    let logprobs: readonly unknown[] = [];
    /** Of the text block that is open. */
    let allLogprobs: unknown[] = [];
    let open: Block | undefined;
    const output: Fields[] = [];

    const emit = (type: string, rest: Fields) => {
      write(`event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence, ...rest })}\n\n`);
      sequence += 1;
    };

    const tellingOf = ({ kind }: Block): Telling => {
      if (kind === 'reasoning') return wantsSummary(asked) ? SUMMARY : THINKING;
      return kind === 'refusal' ? REFUSAL : TEXT;
    };
    const isCustom = ({ name }: Block) => tools.get(name)?.kind === 'custom';

    const listener = (of: Answering) => ({
      start: (block: Block) => {
        open = block;
        allLogprobs = [];
        const where = { output_index: block.index };
        emit('response.output_item.added', { ...where, item: itemOf(block, 'empty', of) });
        if (block.kind === 'call') return;
        const { partName, place, part } = tellingOf(block);
        emit(`response.${partName}.added`, { item_id: itemId(block, of), ...where, ...place, part: part('') });
      },
      delta: (block: Block, delta: string) => {
        const where = { item_id: itemId(block, of), output_index: block.index };
        if (block.kind === 'call') {
          // Free text is known only when the string around it is complete.
          if (!isCustom(block)) emit('response.function_call_arguments.delta', { ...where, delta });
          return;
        }
        const { name, place } = tellingOf(block);
        const isText = block.kind === 'text';
        if (isText) allLogprobs.push(...logprobs);
        emit(`response.${name}.delta`, { ...where, ...place, delta, ...(isText && { logprobs }) });
      },
      stop: (block: Block) => {
        const where = { item_id: itemId(block, of), output_index: block.index };
        const isText = block.kind === 'text';
        const item = itemOf(block, 'whole', of, isText ? allLogprobs : []);
        if (block.kind !== 'call') {
          const { name, partName, place, field, part } = tellingOf(block);
          const { text } = block;
          emit(`response.${name}.done`, {
            ...where,
            ...place,
            [field]: text,
            ...(isText && { logprobs: allLogprobs }),
          });
          emit(`response.${partName}.done`, {
            ...where,
            ...place,
            part: isText ? textPart(text, allLogprobs) : part(text),
          });
        } else if (isCustom(block)) {
          const input = customInput(block.text);
          emit('response.custom_tool_call_input.delta', { ...where, delta: input });
          emit('response.custom_tool_call_input.done', { ...where, input });
        } else {
          emit('response.function_call_arguments.done', { ...where, name: item.name, arguments: item.arguments });
        }
        emit('response.output_item.done', { output_index: block.index, item });
        output.push(item);
        open = undefined;
      },
    });

    const begin = (event: Fields): Begun => {
      if (begun) return begun;
      const of = answeringTo(event, asked, tools);
      const response = responseObject(of, { status: 'in_progress', output: [] });
      emit('response.created', { response });
      emit('response.in_progress', { response });
      begun = { of, blocks: createBlocks(listener(of), `call_${of.id}_`) };
      return begun;
    };

    return {
      isThoughtless: isThoughtless(asked.body),
      comment: ': keep-alive\n',
      event: (event) => begin(event).blocks,
      choice(choice) {
        logprobs = choice.logprobs;
      },
      close({ usage, finishReason }) {
        const { of, blocks } = begin({});
        blocks.close();
        const status = incompleteReason(finishReason) === undefined ? 'completed' : 'incomplete';
        emit(`response.${status}`, { response: responseObject(of, { status, output, usage, finishReason }) });
      },
      fail(status, message, { usage }) {
        const { of } = begin({});
        const code = status === 429 ? 'rate_limit_exceeded' : 'server_error';
        const broken = open ? [itemOf(open, 'broken', of, allLogprobs)] : [];
        const parts = { output: [...output, ...broken], usage, error: { code, message } };
        emit('response.failed', { response: responseObject(of, { status: 'failed', ...parts }) });
        const { error } = JSON.parse(asked.errorBody(status, message));
        emit('error', { code, message, param: null, error });
      },
    };
  });
