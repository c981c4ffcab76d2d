import { type Fields, isObject, textOf } from '../json.ts';
import { typedEvent } from './typed-events.ts';

type Emit = (type: string, fields: object) => void;

const objectsIn = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.filter(isObject) : []);

/** The parts of a message, each with its text in one piece. */
const contentEvents = (emit: Emit, item: Fields, output_index: number) => {
  for (const [content_index, part] of objectsIn(item.content).entries()) {
    const where = { item_id: item.id, output_index, content_index };
    const field = part.type === 'refusal' ? 'refusal' : 'text';
    const said = textOf(part, field) ?? '';
    const logprobs = field === 'text' && { logprobs: [] };
    emit('response.content_part.added', { ...where, part: { ...part, [field]: '' } });
    const type = field === 'refusal' ? 'response.refusal' : 'response.output_text';
    emit(`${type}.delta`, { ...where, delta: said, ...logprobs });
    emit(`${type}.done`, { ...where, [field]: said, ...logprobs });
    emit('response.content_part.done', { ...where, part });
  }
};

const summaryEvents = (emit: Emit, item: Fields, output_index: number) => {
  for (const [summary_index, part] of objectsIn(item.summary).entries()) {
    const where = { item_id: item.id, output_index, summary_index };
    const text = textOf(part, 'text') ?? '';
    emit('response.reasoning_summary_part.added', { ...where, part: { ...part, text: '' } });
    emit('response.reasoning_summary_text.delta', { ...where, delta: text });
    emit('response.reasoning_summary_text.done', { ...where, text });
    emit('response.reasoning_summary_part.done', { ...where, part });
  }
};

const callEvents = (emit: Emit, item: Fields, output_index: number) => {
  const where = { item_id: item.id, output_index };
  const { name } = item;
  emit('response.function_call_arguments.delta', { ...where, delta: item.arguments });
  emit('response.function_call_arguments.done', { ...where, name, arguments: item.arguments });
};

/** What an item looks like before any of it has been said. */
const begun = (item: Fields): Fields => ({
  ...item,
  ...(item.type === 'message' && { content: [] }),
  ...(item.type === 'reasoning' && { summary: [] }),
  ...(item.type === 'function_call' && { arguments: '' }),
  ...('status' in item && { status: 'in_progress' }),
});

const ENDINGS = new Set<unknown>(['completed', 'incomplete', 'failed']);

/**
 * @returns the events that a whole response object would have come in; `undefined` when it is none.
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export const responseEvents = (response: Fields): string | undefined => {
  if (!Array.isArray(response.output)) return undefined;
  let events = '';
  let sequence_number = 0;
  const emit: Emit = (type, fields) => {
    events += typedEvent(type, { sequence_number, ...fields });
    sequence_number += 1;
  };
  const started = { ...response, status: 'in_progress', output: [], usage: null };
  emit('response.created', { response: started });
  emit('response.in_progress', { response: started });
  for (const [output_index, item] of objectsIn(response.output).entries()) {
    emit('response.output_item.added', { output_index, item: begun(item) });
    if (item.type === 'message') contentEvents(emit, item, output_index);
    if (item.type === 'reasoning') summaryEvents(emit, item, output_index);
    if (item.type === 'function_call') callEvents(emit, item, output_index);
    emit('response.output_item.done', { output_index, item });
  }
  const ending = ENDINGS.has(response.status) ? response.status : 'completed';
  emit(`response.${ending}`, { response });
  return events;
};
