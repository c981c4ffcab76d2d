import type { Asked, Fields } from './translation.ts';

/** The engines whose chat templates take `chat_template_kwargs`, and know `enable_thinking` by them (Qwen, GLM, ...). */
const TEMPLATED: ReadonlySet<string> = new Set(['vllm', 'llamacpp']);

/** Levels beyond the three that all engines know. */
const EFFORTS: ReadonlyMap<string, string> = new Map([
  ['minimal', 'low'],
  ['low', 'low'],
  ['medium', 'medium'],
  ['high', 'high'],
  ['xhigh', 'high'],
  ['max', 'high'],
]);

/** What a client wants of the model's thinking. */
export interface Thinking {
  /** `undefined`: as the model likes. */
  readonly isOn: boolean | undefined;
  readonly effort?: string | undefined;
  /** Tokens it may take. */
  readonly budget?: unknown;
}

/** @returns the fields of a chat request that say it, as far as the engine has any. */
export const thinkingFields = ({ isOn, effort = '', budget }: Thinking, engine: string): Fields => {
  const level = EFFORTS.get(effort);
  return {
    ...(level !== undefined && isOn !== false && { reasoning_effort: level }),
    ...(isOn !== undefined && TEMPLATED.has(engine) && { chat_template_kwargs: { enable_thinking: isOn } }),
    ...(budget !== undefined && isOn && engine === 'llamacpp' && { thinking_budget_tokens: budget }),
  };
};

/** The fields that every chat request has: the model, and that usage is said at a stream's end. */
export const commonFields = ({ servedModel, isStream }: Asked): Fields => ({
  ...(servedModel !== undefined && { model: servedModel }),
  ...(isStream && { stream: true, stream_options: { include_usage: true } }),
});
