import { jsonSchemaFormat, settled } from './chat-messages.ts';
import { commonFields, thinkingFields } from './chat-request.ts';
import { isObject, listOf, numberOf, objectOf, only, textOf } from './fields.ts';
import { messagesOf, qualified } from './responses-input.ts';
import { type Asked, type Fields, UntranslatableError } from './translation.ts';

/** A tool of the client's, by the name the worker knows it under. */
export interface ClientTool {
  readonly kind: 'function' | 'custom';
  readonly name: string;
  readonly namespace: string | undefined;
  /** As chat has it. */
  readonly chat: Fields;
}

/** Coding agents offer these by default; a model that is not told of them does without. */
const OPTIONAL = /^(?:web_search|image_generation|tool_search)/;

const functionTool = (tool: Fields, namespace: string | undefined): ClientTool => {
  const name = qualified(namespace, tool.name);
  const parameters = isObject(tool.parameters) ? tool.parameters : { type: 'object', properties: {} };
  const chat = { name, ...only(tool, 'description', 'strict'), parameters };
  return { kind: 'function', name: String(tool.name), namespace, chat };
};

/** A custom tool takes free text: a function with one string. */
const customTool = (tool: Fields, namespace: string | undefined): ClientTool => {
  const { description, format } = tool;
  const grammar = textOf(objectOf(format).definition);
  const said = [textOf(description), grammar && `The input follows this grammar:\n${grammar}`].filter(Boolean);
  const parameters = { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] };
  const chat = { name: qualified(namespace, tool.name), description: said.join('\n\n'), parameters };
  return { kind: 'custom', name: String(tool.name), namespace, chat };
};

const toolsIn = (tools: unknown, at: string, namespace?: string): readonly ClientTool[] =>
  listOf(tools).flatMap((value, i) => {
    const tool = objectOf(value);
    if (tool.type === 'function') return [functionTool(tool, namespace)];
    if (tool.type === 'custom') return [customTool(tool, namespace)];
    if (tool.type === 'namespace') return toolsIn(tool.tools, `${at}[${i}].tools`, textOf(tool.name));
    if (OPTIONAL.test(String(tool.type))) return [];
    throw new UntranslatableError(`${at}[${i}].type`, `names a tool ('${tool.type}') that only OpenAI's servers run.`);
  });

/** @returns the request's tools by the names that the worker knows. @throws {UntranslatableError} */
export const toolsOf = ({ tools }: Fields): ReadonlyMap<string, ClientTool> =>
  new Map(toolsIn(tools, 'tools').map((tool) => [String(tool.chat.name), tool]));

const named = (choice: Fields): Fields => ({
  type: 'function',
  function: { name: qualified(choice.namespace, choice.name) },
});

const choiceFields = (choice: unknown): Fields => {
  if (typeof choice === 'string') return { tool_choice: choice };
  if (!isObject(choice)) return {};
  if (choice.type === 'function' || choice.type === 'custom') return { tool_choice: named(choice) };
  if (choice.type === 'allowed_tools') return { tool_choice: choice.mode ?? 'auto' };
  throw new UntranslatableError('tool_choice', `names a tool ('${choice.type}') that only OpenAI's servers run.`);
};

/** Which tools there are, and which may be used. */
const toolFields = (body: Fields): Fields => {
  const { tool_choice: choice } = body;
  const tools = [...toolsOf(body).values()];
  const { type, tools: allowed } = objectOf(choice);
  const names = new Set(listOf(allowed).map((tool) => objectOf(tool).name));
  const left = type === 'allowed_tools' ? tools.filter(({ name }) => names.has(name)) : tools;
  const fields = choiceFields(choice);
  if (left.length === 0) return {};
  return {
    tools: left.map(({ chat }) => ({ type: 'function', function: chat })),
    ...fields,
    ...only(body, 'parallel_tool_calls'),
  };
};

const textFields = (text: Fields): Fields => {
  const format = objectOf(text.format);
  const verbosity = only(text, 'verbosity');
  if (format.type === 'json_object') return { ...verbosity, response_format: { type: 'json_object' } };
  if (format.type !== 'json_schema') return verbosity;
  const { schema } = format;
  return {
    ...verbosity,
    response_format: jsonSchemaFormat(schema, { strict: false, ...only(format, 'name', 'description', 'strict') }),
  };
};

/** @returns whether the client wants no thinking in the answer. */
export const isThoughtless = ({ reasoning }: Fields): boolean => objectOf(reasoning).effort === 'none';

const reasoningFields = (body: Fields, engine: string): Fields => {
  const effort = textOf(objectOf(body.reasoning).effort);
  return effort === undefined ? {} : thinkingFields({ isOn: isThoughtless(body) ? false : undefined, effort }, engine);
};

/** @returns the chat completions request for a Responses request. @throws {UntranslatableError} */
export const chatRequest = (asked: Asked): Fields => {
  const { body, engine } = asked;
  if (isObject(body.prompt)) throw new UntranslatableError('prompt', 'is a template that only OpenAI’s servers keep.');
  const instructions = textOf(body.instructions);
  const topLogprobs = numberOf(body.top_logprobs) ?? 0;
  const wantsLogprobs = topLogprobs > 0 || listOf(body.include).includes('message.output_text.logprobs');
  return {
    ...commonFields(asked),
    messages: settled([
      ...(instructions ? [{ role: 'system', content: instructions }] : []),
      ...messagesOf(body.input),
    ]),
    ...toolFields(body),
    ...only(body, 'temperature', 'top_p', 'top_k', 'presence_penalty', 'frequency_penalty', 'seed'),
    ...(numberOf(body.max_output_tokens) !== undefined && { max_tokens: body.max_output_tokens }),
    ...(wantsLogprobs && { logprobs: true, ...(topLogprobs > 0 && { top_logprobs: body.top_logprobs }) }),
    ...textFields(objectOf(body.text)),
    ...reasoningFields(body, engine),
  };
};
