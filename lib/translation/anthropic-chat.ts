import { messageOf } from './anthropic-answer.ts';
import { chatRequest } from './anthropic-request.ts';
import { anthropicStream } from './anthropic-stream.ts';
import type { Translation } from './translation.ts';

/**
 * Anthropic's Messages on OpenAI's chat completions.
 * Source: Anthropic API reference, "Messages" and "Streaming messages"; OpenAI API reference, "Chat completions".
 */
export const translation: Translation = {
  request: chatRequest,
  response: messageOf,
  stream: anthropicStream,
};
