import type { Block } from './blocks.ts';
import { type FinishReason, noUsage, type Usage } from './chat.ts';
import { argumentsOf, listOf, objectOf, only, textOf } from './fields.ts';
import { seal } from './responses-input.ts';
import type { ClientTool } from './responses-request.ts';
import type { Asked, Fields } from './translation.ts';

/** What an answer has of its request, and for all its items. */
export interface Answering {
  readonly asked: Asked;
  /** The response's. */
  readonly id: string;
  readonly createdAt: number;
  readonly model: string;
  readonly tools: ReadonlyMap<string, ClientTool>;
}

type Status = 'in_progress' | 'completed' | 'incomplete' | 'failed';

const usageFields = (usage: Usage = noUsage): Fields => ({
  input_tokens: usage.promptTokens,
  input_tokens_details: { cached_tokens: usage.cachedTokens, cache_write_tokens: 0 },
  output_tokens: usage.completionTokens,
  output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  total_tokens: usage.promptTokens + usage.completionTokens,
});

/** Why an answer is shorter than it should be. */
export const incompleteReason = (reason: FinishReason | undefined): string | undefined =>
  reason === 'length' ? 'max_output_tokens' : reason === 'content_filter' ? 'content_filter' : undefined;

/** @returns whether the client has asked for summaries: then thinking is one, else it is shown as it is. */
export const wantsSummary = ({ body }: Asked): boolean => {
  const { summary, generate_summary: old } = objectOf(body.reasoning);
  return textOf(summary) !== undefined || textOf(old) !== undefined;
};

const wantsSealed = ({ body }: Asked): boolean => listOf(body.include).includes('reasoning.encrypted_content');

export interface ResponseParts {
  readonly status: Status;
  readonly output: readonly Fields[];
  readonly usage?: Usage | undefined;
  readonly finishReason?: FinishReason | undefined;
  readonly error?: Fields;
}

/** @returns the `response` object, as it stands at the beginning, at the end, or where it failed. */
export const responseObject = (answering: Answering, parts: ResponseParts): Fields => {
  const { asked, id, createdAt, model } = answering;
  const { body } = asked;
  const { status, output, usage, finishReason, error = null } = parts;
  const reason = incompleteReason(finishReason);
  return {
    id,
    object: 'response',
    created_at: createdAt,
    status,
    ...(status === 'completed' && { completed_at: Math.floor(asked.now() / 1000) }),
    access_programs: null,
    background: false,
    error,
    incomplete_details: status === 'incomplete' && reason !== undefined ? { reason } : null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    model,
    output,
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: body.reasoning ?? { effort: null, summary: null },
    service_tier: 'default',
    store: false,
    temperature: body.temperature ?? null,
    text: { ...objectOf(body.text), format: objectOf(body.text).format ?? { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: listOf(body.tools),
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? null,
    truncation: 'disabled',
    ...((usage || status === 'completed' || status === 'incomplete') && { usage: usageFields(usage) }),
    metadata: body.metadata ?? {},
    ...only(body, 'prompt_cache_key', 'safety_identifier', 'user'),
  };
};

const PREFIXES: Readonly<Record<Block['kind'], string>> = { reasoning: 'rs', text: 'msg', refusal: 'msg', call: 'fc' };

/** What of a block an item shows: all of it, or nothing yet. */
export type Shown = 'whole' | 'empty' | 'broken';

export const itemId = ({ kind, index }: Pick<Block, 'kind' | 'index'>, { id }: Answering): string =>
  `${PREFIXES[kind]}_${id.replace(/^resp_/, '')}_${index}`;

const STATUS: Readonly<Record<Shown, string>> = { whole: 'completed', empty: 'in_progress', broken: 'incomplete' };

/** @returns what a custom tool is given: the one string of the function that stands for it. */
export const customInput = (text: string): string => {
  const { input } = argumentsOf(text);
  return typeof input === 'string' ? input : text;
};

const callItem = (block: Block, shown: Shown, answering: Answering): Fields => {
  const { id: call_id, name, text } = block;
  const tool = answering.tools.get(name);
  const own = {
    call_id,
    name: tool?.name ?? name,
    ...(tool?.namespace !== undefined && { namespace: tool.namespace }),
  };
  const isEmpty = shown === 'empty';
  if (tool?.kind === 'custom') return { type: 'custom_tool_call', ...own, input: isEmpty ? '' : customInput(text) };
  return { type: 'function_call', ...own, arguments: isEmpty ? '' : text || '{}' };
};

const reasoningItem = ({ text }: Block, shown: Shown, { asked }: Answering): Fields => {
  if (shown === 'empty') return { type: 'reasoning', summary: [], ...(!wantsSummary(asked) && { content: [] }) };
  return {
    type: 'reasoning',
    summary: wantsSummary(asked) ? [{ type: 'summary_text', text }] : [],
    ...(!wantsSummary(asked) && { content: [{ type: 'reasoning_text', text }] }),
    ...(wantsSealed(asked) && { encrypted_content: seal(text) }),
  };
};

export const textPart = (text: string, logprobs: readonly unknown[] = []): Fields => ({
  type: 'output_text',
  text,
  annotations: [],
  logprobs,
});

const messageItem = ({ kind, text }: Block, shown: Shown, logprobs: readonly unknown[]): Fields => {
  const part = kind === 'refusal' ? { type: 'refusal', refusal: text } : textPart(text, logprobs);
  return { type: 'message', role: 'assistant', content: shown === 'empty' ? [] : [part] };
};

/** @returns the output item of a block. */
export const itemOf = (block: Block, shown: Shown, answering: Answering, logprobs: readonly unknown[] = []): Fields => {
  const item =
    block.kind === 'call'
      ? callItem(block, shown, answering)
      : block.kind === 'reasoning'
        ? reasoningItem(block, shown, answering)
        : messageItem(block, shown, logprobs);
  const hasStatus = item.type !== 'custom_tool_call';
  return { id: itemId(block, answering), ...item, ...(hasStatus && { status: STATUS[shown] }) };
};

/** @returns what is the same in all of an answer. */
export const answeringTo = (answer: Fields, asked: Asked, tools: ReadonlyMap<string, ClientTool>): Answering => ({
  asked,
  id: `resp_${(textOf(answer.id) ?? asked.id).replace(/^(?:chatcmpl|resp|cmpl)[-_]/, '')}`,
  createdAt: Math.floor(asked.startedAt / 1000),
  model: asked.requestedModel ?? textOf(answer.model) ?? '',
  tools,
});
