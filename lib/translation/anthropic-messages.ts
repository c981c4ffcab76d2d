import {
  assistantMessage,
  contentOf,
  imagePart,
  type Part,
  settled,
  type ToolResult,
  textPart,
  toolCall,
  toolMessages,
} from './chat-messages.ts';
import { isObject, objectOf, textOf } from './fields.ts';
import { type Fields, UntranslatableError } from './translation.ts';

const blocksOf = (content: unknown, at: string): readonly Fields[] => {
  if (content === undefined || content === null) return [];
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (!Array.isArray(content)) throw new UntranslatableError(at, 'must be a string or an array of blocks.');
  return content.map((block, i) => {
    if (!isObject(block)) throw new UntranslatableError(`${at}[${i}]`, 'must be an object.');
    return block;
  });
};

const image = (source: Fields, at: string): Part => {
  const { type, data, url, media_type: mediaType } = source;
  if (type === 'base64' && typeof data === 'string') {
    return imagePart(`data:${textOf(mediaType) ?? 'image/png'};base64,${data}`);
  }
  if (type === 'url' && typeof url === 'string') return imagePart(url);
  throw new UntranslatableError(`${at}.source`, 'must be base64 or a URL: files are not kept here.');
};

const titled = (title: unknown, parts: readonly Part[]): readonly Part[] =>
  textOf(title) === undefined ? parts : [textPart(String(title)), ...parts];

const documentParts = (block: Fields, at: string): readonly Part[] => {
  const { type, data, content } = objectOf(block.source);
  if (type === 'text' && typeof data === 'string') return titled(block.title, [textPart(data)]);
  if (type === 'content') return titled(block.title, partsOf(content, `${at}.source.content`));
  throw new UntranslatableError(`${at}.source`, 'must be text: the engines behind this gateway read no documents.');
};

const searchParts = ({ title, source, content }: Fields, at: string): readonly Part[] =>
  titled(title, titled(source, partsOf(content, `${at}.content`)));

/** What users and tools may say. Empty texts are left out: templates and servers stumble over them. */
const partOf = (block: Fields, at: string): readonly Part[] => {
  switch (block.type) {
    case 'text':
      return textOf(block.text) === undefined ? [] : [textPart(String(block.text))];
    case 'image':
      return [image(objectOf(block.source), at)];
    case 'document':
      return documentParts(block, at);
    case 'search_result':
      return searchParts(block, at);
    case 'tool_reference':
      return [textPart(`Tool: ${block.tool_name}`)];
    default:
      throw new UntranslatableError(at, `is of a type ('${block.type}') that has no counterpart in chat completions.`);
  }
};

const partsOf = (content: unknown, at: string): readonly Part[] =>
  blocksOf(content, at).flatMap((block, i) => partOf(block, `${at}[${i}]`));

const resultOf = (block: Fields, at: string): ToolResult => ({
  callId: textOf(block.tool_use_id) ?? '',
  parts: partsOf(block.content, `${at}.content`),
  isError: block.is_error === true,
});

/** Results come first, wherever they stand: they answer the message before. */
const userMessages = (content: unknown, at: string): readonly Fields[] => {
  const results: ToolResult[] = [];
  const parts: Part[] = [];
  for (const [i, block] of blocksOf(content, at).entries()) {
    if (block.type === 'tool_result') results.push(resultOf(block, `${at}[${i}]`));
    else parts.push(...partOf(block, `${at}[${i}]`));
  }
  const said = parts.length > 0 || results.length === 0 ? [{ role: 'user', content: contentOf(parts) }] : [];
  return [...toolMessages(results), ...said];
};

const assistant = (content: unknown, at: string): Fields => {
  let reasoning = '';
  const parts: Part[] = [];
  const calls: Fields[] = [];
  for (const [i, block] of blocksOf(content, at).entries()) {
    if (block.type === 'thinking') reasoning += textOf(block.thinking) ?? '';
    else if (block.type === 'tool_use') {
      calls.push(toolCall(textOf(block.id) ?? '', textOf(block.name) ?? '', JSON.stringify(block.input ?? {})));
    } else if (block.type !== 'redacted_thinking') parts.push(...partOf(block, `${at}[${i}]`));
  }
  return assistantMessage({ reasoning, parts, calls });
};

/** Claude Code's first line: meant for Anthropic's billing, and another one each time, so that no prefix is cached. */
const isBilling = (text: string) => text.startsWith('x-anthropic-billing-header');

const systemMessages = (system: unknown, at: string): Fields[] => {
  const texts = partsOf(system, at).flatMap((part) =>
    part.type === 'text' && !isBilling(part.text) ? [part.text] : [],
  );
  return texts.length === 0 ? [] : [{ role: 'system', content: texts.join('\n\n') }];
};

/** @param body of a Messages request. @returns its conversation as chat messages. @throws {UntranslatableError} */
export const messagesOf = ({ system, messages }: Fields): readonly Fields[] => {
  if (!Array.isArray(messages)) throw new UntranslatableError('messages', 'must be an array.');
  const out: Fields[] = systemMessages(system, 'system');
  for (const [i, message] of messages.entries()) {
    const { role, content } = objectOf(message);
    const at = `messages[${i}].content`;
    if (role === 'assistant') out.push(assistant(content, at));
    else if (role === 'system') out.push(...systemMessages(content, at));
    else out.push(...userMessages(content, at));
  }
  return settled(out);
};
