import { messagesOf } from './anthropic-messages.ts';
import { jsonSchemaFormat } from './chat-messages.ts';
import { commonFields, thinkingFields } from './chat-request.ts';
import { isObject, listOf, numberOf, objectOf, only, textOf } from './fields.ts';
import { type Asked, type Fields, UntranslatableError } from './translation.ts';

/** Tools with a type of their own are Anthropic's: their schemas are in its models, or its servers run them. */
const toolOf = (tool: unknown, i: number): Fields => {
  const { type, name, description, input_schema: schema, strict } = objectOf(tool);
  if (type !== undefined && type !== null && type !== 'custom') {
    throw new UntranslatableError(`tools[${i}].type`, `names a tool ('${type}') that only Anthropic's models have.`);
  }
  const parameters = { type: 'object', properties: {}, ...only(objectOf(schema), ...Object.keys(objectOf(schema))) };
  return {
    type: 'function',
    function: {
      name,
      ...(textOf(description) !== undefined && { description }),
      parameters,
      ...only({ strict }, 'strict'),
    },
  };
};

const CHOICES: ReadonlyMap<unknown, string> = new Map([
  ['auto', 'auto'],
  ['any', 'required'],
  ['none', 'none'],
]);

const toolChoice = (choice: unknown): Fields => {
  if (!isObject(choice)) return {};
  const named = choice.type === 'tool' ? { type: 'function', function: { name: choice.name } } : undefined;
  const tool_choice = named ?? CHOICES.get(choice.type);
  if (tool_choice === undefined) throw new UntranslatableError('tool_choice.type', 'must be auto, any, tool or none.');
  return { tool_choice, ...(choice.disable_parallel_tool_use === true && { parallel_tool_calls: false }) };
};

/** @returns the chat fields that say which tools there are, and which may be used. */
const toolFields = ({ tools, tool_choice: choice }: Fields): Fields =>
  listOf(tools).length === 0 ? {} : { tools: listOf(tools).map(toolOf), ...toolChoice(choice) };

const formatOf = (format: unknown): Fields => {
  if (!isObject(format)) return {};
  if (format.type !== 'json_schema') throw new UntranslatableError('output_config.format', "must be a 'json_schema'.");
  return { response_format: jsonSchemaFormat(format.schema) };
};

/** @returns whether the client wants no thinking in the answer. */
export const isThoughtless = ({ thinking }: Fields): boolean => {
  const { type, display } = objectOf(thinking);
  return type === 'disabled' || display === 'omitted';
};

const thinkingOf = ({ thinking, output_config: output }: Fields, engine: string): Fields => {
  const { type, budget_tokens: budget } = objectOf(thinking);
  const isOn = type === 'enabled' ? true : type === 'disabled' ? false : undefined;
  return thinkingFields({ isOn, budget, effort: textOf(objectOf(output).effort) }, engine);
};

/** A last message of the assistant's is the beginning of its answer; vLLM wants to be told. */
const prefill = (messages: readonly Fields[], engine: string): Fields => {
  const last = messages.at(-1);
  const isPrefill = engine === 'vllm' && last?.role === 'assistant' && !last.tool_calls;
  return isPrefill ? { continue_final_message: true, add_generation_prompt: false } : {};
};

const refuse = ({ mcp_servers: servers, container }: Fields) => {
  if (listOf(servers).length > 0) throw new UntranslatableError('mcp_servers', 'are called by Anthropic only.');
  if (container !== undefined && container !== null) throw new UntranslatableError('container', 'is Anthropic’s own.');
};

/** `message_start` tells the prompt's tokens: vLLM can say them with the first event. */
const startUsage = ({ engine, isStream }: Asked): Fields =>
  engine === 'vllm' && isStream ? { stream_options: { include_usage: true, continuous_usage_stats: true } } : {};

/** @returns the chat completions request for a Messages request. @throws {UntranslatableError} */
export const chatRequest = (asked: Asked): Fields => {
  const { body, engine } = asked;
  refuse(body);
  const messages = messagesOf(body);
  const stop = listOf(body.stop_sequences);
  return {
    ...commonFields(asked),
    ...startUsage(asked),
    messages,
    ...toolFields(body),
    ...only(body, 'max_tokens', 'temperature', 'top_p', 'top_k'),
    ...(stop.length > 0 && { stop }),
    ...formatOf(objectOf(body.output_config).format ?? body.output_format),
    ...thinkingOf(body, engine),
    ...prefill(messages, engine),
  };
};

/** @returns the body for vLLM's `/tokenize`, which renders the chat template. @throws {UntranslatableError} */
export const tokenizeRequest = (asked: Asked): Fields => {
  const { body, engine, servedModel } = asked;
  refuse(body);
  const messages = messagesOf(body);
  const { tools } = toolFields(body);
  const { chat_template_kwargs } = thinkingOf(body, engine);
  return {
    ...(servedModel !== undefined && { model: servedModel }),
    messages,
    ...only({ tools, chat_template_kwargs }, 'tools', 'chat_template_kwargs'),
    ...prefill(messages, engine),
  };
};

/** @returns vLLM's count. @throws {TypeError} where there is none. */
export const countOf = ({ count, tokens }: Fields): number => {
  const number = numberOf(count) ?? (Array.isArray(tokens) ? tokens.length : undefined);
  if (number === undefined) throw new TypeError('no count');
  return number;
};
