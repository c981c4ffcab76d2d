import { textOf } from './fields.ts';
import type { Fields } from './translation.ts';

/** A part of a chat message's content. */
export type Part =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'image_url'; readonly image_url: Fields }
  | { readonly type: 'input_audio'; readonly input_audio: Fields };

export const textPart = (text: string): Part => ({ type: 'text', text });

/** @param detail `low`, `high` or `auto`, where the client says it. */
export const imagePart = (url: string, detail?: unknown): Part => ({
  type: 'image_url',
  image_url: { url, ...(textOf(detail) !== undefined && { detail }) },
});

const isText = (part: Part): part is Part & { type: 'text' } => part.type === 'text';

/** @returns the parts as a message's content: plain text where they are nothing else, which every template takes. */
export const contentOf = (parts: readonly Part[]): string | readonly Part[] =>
  parts.every(isText) ? parts.map(({ text }) => text).join('\n') : parts;

/** What a tool gave back. */
export interface ToolResult {
  readonly callId: string;
  readonly parts: readonly Part[];
  readonly isError: boolean;
}

/** Chat has no flag for it: what went wrong has to say so itself. */
const asError = (text: string) => (/error|exception|fail/i.test(text.slice(0, 200)) ? text : `Error: ${text}`);

/**
 * Results as chat messages. A `tool` message holds text only, on most servers and in OpenAI's own reference; pictures
 * follow as the user's, behind the last result, because nothing may stand between the results of parallel calls.
 */
export const toolMessages = (results: readonly ToolResult[]): readonly Fields[] => {
  const texts = results.map(({ callId, parts, isError }) => {
    const text = parts
      .filter(isText)
      .map((part) => part.text)
      .join('\n');
    return { role: 'tool', tool_call_id: callId, content: isError ? asError(text) : text };
  });
  const pictures = results.flatMap(({ callId, parts }) => {
    const rest = parts.filter((part) => !isText(part));
    return rest.length === 0 ? [] : [textPart(`Returned by tool call ${callId}:`), ...rest];
  });
  return pictures.length === 0 ? texts : [...texts, { role: 'user', content: pictures }];
};

/** What an assistant said in one turn. */
export interface Turn {
  readonly reasoning: string;
  readonly parts: readonly Part[];
  readonly calls: readonly Fields[];
}

/** Both names of the reasoning: vLLM and Ollama read `reasoning`, llama.cpp and most templates `reasoning_content`. */
export const assistantMessage = ({ reasoning, parts, calls }: Turn): Fields => ({
  role: 'assistant',
  // Empty and not null: templates print what they are given.
  content: contentOf(parts),
  ...(reasoning !== '' && { reasoning_content: reasoning, reasoning }),
  ...(calls.length > 0 && { tool_calls: calls }),
});

const partsIn = (content: unknown): readonly Part[] =>
  typeof content === 'string' ? [textPart(content)] : (content as readonly Part[]);

const joined = (one: unknown, other: unknown): unknown => {
  if (one === '') return other;
  if (other === '') return one;
  return typeof one === 'string' && typeof other === 'string'
    ? `${one}\n\n${other}`
    : [...partsIn(one), ...partsIn(other)];
};

/** Claude Code writes its own asides so, and models know it from there. */
const asAside = (text: string) => `<system-reminder>\n${text}\n</system-reminder>`;

/** Systems have text only: pictures are the user's. */
const systemMessages = ({ content }: Fields, isLate: boolean): readonly Fields[] => {
  const parts = partsIn(content);
  const text = contentOf(parts.filter(isText)) as string;
  const pictures = parts.filter((part) => !isText(part));
  const said = isLate ? { role: 'user', content: text && asAside(text) } : { role: 'system', content: text };
  return pictures.length > 0 ? [said, { role: 'user', content: pictures }] : [said];
};

/**
 * As chat templates want it: many take one system message, the first (Qwen's since 3.5 refuse another one), and users who
 * do not speak twice in a row (Gemma's, Mistral's). What the system says later is told to the model where it stands, by the
 * user: moved to the beginning it would be another prefix, of which nothing is cached.
 */
export const settled = (messages: readonly Fields[]): readonly Fields[] => {
  const out: Fields[] = [];
  const add = (message: Fields) => {
    const { role, content } = message;
    const last = out.at(-1);
    if (last && last.role === role && (role === 'system' || role === 'user')) {
      out[out.length - 1] = { role, content: joined(last.content, content) };
    } else out.push(message);
  };
  for (const message of messages) {
    if (message.role !== 'system') add(message);
    else
      for (const one of systemMessages(
        message,
        out.some(({ role }) => role !== 'system'),
      ))
        add(one);
  }
  return out;
};

export const toolCall = (id: string, name: string, args: string): Fields => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});

export const jsonSchemaFormat = (schema: unknown, rest: Fields = {}): Fields => ({
  type: 'json_schema',
  json_schema: { name: 'response', strict: true, ...rest, schema },
});
