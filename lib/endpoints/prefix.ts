import type { Prefix } from './endpoint.ts';

type Body = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Body => typeof value === 'object' && value !== null;

/** Claude Code's first line for Anthropic's billing is another one each time: it says nothing of the conversation. */
const isBilling = (text: string) => text.startsWith('x-anthropic-billing-header');

/** @returns the text of a message's content: a string, or a list of typed parts, as all three dialects write it. */
const textOf = (content: unknown): string => {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  const texts = content.map((part) => (isObject(part) && typeof part.text === 'string' ? part.text : ''));
  return texts.filter((text) => !isBilling(text)).join('');
};

const roleIs = (role: string) => (message: unknown) => isObject(message) && message.role === role;

/** Chat messages of OpenAI and Ollama; `developer` is OpenAI's newer name for `system`. */
export const messagesPrefix = (body: Body): Prefix => {
  const messages = Array.isArray(body.messages) ? body.messages : [];
  const system = messages.find((message) => roleIs('system')(message) || roleIs('developer')(message));
  const user = messages.find(roleIs('user'));
  return { system: textOf(system?.content), firstUser: textOf(user?.content) };
};

/** Anthropic keeps the system prompt beside the messages. */
export const anthropicPrefix = (body: Body): Prefix => ({ ...messagesPrefix(body), system: textOf(body.system) });

/** Responses: `instructions` and `input`, a string or a list of items. */
export const responsesPrefix = (body: Body): Prefix => ({
  system: textOf(body.instructions),
  firstUser: typeof body.input === 'string' ? body.input : messagesPrefix({ messages: body.input }).firstUser,
});

/** Text completion has no turns: how the prompt starts stands for the conversation. */
export const promptPrefix = (body: Body): Prefix => ({
  system: textOf(body.system),
  firstUser: typeof body.prompt === 'string' ? body.prompt.slice(0, 1024) : '',
});
