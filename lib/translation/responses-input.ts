import {
  assistantMessage,
  contentOf,
  imagePart,
  type Part,
  type ToolResult,
  textPart,
  toolCall,
  toolMessages,
} from './chat-messages.ts';
import { isObject, listOf, objectOf, textOf } from './fields.ts';
import { type Fields, UntranslatableError } from './translation.ts';

/** Reasoning as it is given out in `encrypted_content`: there is no secret in it, and no state here to refer to. */
const SEALED = 'plain:';
export const seal = (reasoning: string): string => SEALED + Buffer.from(reasoning).toString('base64');
const unseal = (sealed: string | undefined): string =>
  sealed?.startsWith(SEALED) ? Buffer.from(sealed.slice(SEALED.length), 'base64').toString() : '';

const partOf = (value: unknown, at: string): readonly Part[] => {
  const part = objectOf(value);
  switch (part.type) {
    case 'input_text':
    case 'output_text':
    case 'text':
      return textOf(part.text) === undefined ? [] : [textPart(String(part.text))];
    case 'refusal':
      return textOf(part.refusal) === undefined ? [] : [textPart(String(part.refusal))];
    case 'input_image':
      if (typeof part.image_url === 'string') return [imagePart(part.image_url, part.detail)];
      throw new UntranslatableError(`${at}.image_url`, 'is missing: files are not kept here.');
    case 'input_audio':
      return [{ type: 'input_audio', input_audio: objectOf(part.input_audio) }];
    default:
      throw new UntranslatableError(at, `is of a type ('${part.type}') that has no counterpart in chat completions.`);
  }
};

const partsOf = (content: unknown, at: string): readonly Part[] => {
  if (content === undefined || content === null) return [];
  if (typeof content === 'string') return content === '' ? [] : [textPart(content)];
  if (!Array.isArray(content)) throw new UntranslatableError(at, 'must be a string or an array of parts.');
  return content.flatMap((part, i) => partOf(part, `${at}[${i}]`));
};

const textsOf = (list: unknown): string =>
  listOf(list)
    .map((part) => textOf(objectOf(part).text) ?? '')
    .join('\n');

const reasoningOf = ({ content, summary, encrypted_content: sealed }: Fields): string =>
  textsOf(content) || unseal(textOf(sealed)) || textsOf(summary);

/** What the assistant did since somebody else spoke: one chat message, over several items. */
interface Turn {
  reasoning: string;
  parts: Part[];
  calls: Fields[];
}

/** Templates know no `developer`. */
const ROLES: ReadonlyMap<unknown, string> = new Map([
  ['user', 'user'],
  ['system', 'system'],
  ['developer', 'system'],
]);

/** @returns Responses' `input` as chat messages. @throws {UntranslatableError} */
export const messagesOf = (input: unknown): readonly Fields[] => {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  if (!Array.isArray(input)) throw new UntranslatableError('input', 'must be a string or an array of items.');
  const out: Fields[] = [];
  let turn: Turn | undefined;
  let results: ToolResult[] = [];

  const flush = () => {
    if (turn) out.push(assistantMessage(turn));
    turn = undefined;
    out.push(...toolMessages(results));
    results = [];
  };
  const assistant = (): Turn => {
    if (results.length > 0) flush();
    turn ??= { reasoning: '', parts: [], calls: [] };
    return turn;
  };

  for (const [i, value] of input.entries()) {
    const item = objectOf(value);
    const at = `input[${i}]`;
    const type = item.type ?? 'message';
    if (type === 'message' && item.role === 'assistant') {
      // Another message, unless calls wait for their results.
      if (turn && turn.parts.length > 0 && turn.calls.length === 0) flush();
      assistant().parts.push(...partsOf(item.content, `${at}.content`));
    } else if (type === 'message') {
      const role = ROLES.get(item.role);
      if (role === undefined)
        throw new UntranslatableError(`${at}.role`, 'must be user, assistant, system or developer.');
      flush();
      out.push({ role, content: contentOf(partsOf(item.content, `${at}.content`)) });
    } else if (type === 'reasoning') {
      // It comes before what it led to.
      if (turn && (turn.parts.length > 0 || turn.calls.length > 0)) flush();
      const current = assistant();
      current.reasoning += reasoningOf(item);
    } else if (type === 'function_call') {
      assistant().calls.push(
        toolCall(textOf(item.call_id) ?? textOf(item.id) ?? '', nameOf(item), textOf(item.arguments) ?? '{}'),
      );
    } else if (type === 'custom_tool_call') {
      const args = JSON.stringify({ input: item.input ?? '' });
      assistant().calls.push(toolCall(textOf(item.call_id) ?? '', nameOf(item), args));
    } else if (type === 'function_call_output' || type === 'custom_tool_call_output') {
      const parts = isObject(item.output)
        ? [textPart(JSON.stringify(item.output))]
        : partsOf(item.output, `${at}.output`);
      if (turn) {
        out.push(assistantMessage(turn));
        turn = undefined;
      }
      results.push({ callId: textOf(item.call_id) ?? '', parts, isError: false });
    } else if (!HOSTED.has(type)) {
      throw new UntranslatableError(at, `is of a type ('${type}') that has no counterpart in chat completions.`);
    }
  }
  flush();
  return out;
};

/** Traces of tools that OpenAI's servers ran: what came of them stands in the message behind. */
const HOSTED: ReadonlySet<unknown> = new Set([
  'web_search_call',
  'file_search_call',
  'code_interpreter_call',
  'image_generation_call',
  'tool_search_call',
  'tool_search_output',
]);

/** Chat has no namespaces: a tool's is part of its name. */
export const qualified = (namespace: unknown, name: unknown): string =>
  [textOf(namespace), textOf(name)].filter(Boolean).join('__');

const nameOf = ({ namespace, name }: Fields): string => qualified(namespace, name);
