import { anthropic } from '../../../../lib/dialects/anthropic.ts';
import { ollama } from '../../../../lib/dialects/ollama.ts';
import { openai } from '../../../../lib/dialects/openai.ts';
import { GatewayError } from '../../../../lib/errors.ts';
import type { Asked, Fields } from '../../../../lib/translation/translation.ts';

const dialectOf = (operation: string) => {
  if (operation.startsWith('ollama')) return ollama;
  return operation === 'responses' ? openai : anthropic;
};

/** A request as the pairs are told of it; time stands still. */
export const askedFor = (operation: string, body: Fields, more: Partial<Asked> = {}): Asked => ({
  body,
  requestedModel: 'asked-model',
  servedModel: 'served-model',
  engine: 'openai',
  operation,
  isStream: body.stream === true,
  id: 'request-1',
  startedAt: 1_760_000_000_000,
  now: () => 1_760_000_000_250,
  errorBody: (status, message) =>
    dialectOf(operation).errorBody(new GatewayError(status, 'upstream_error', message), 'request-1'),
  ...more,
});

/** A chunk of a chat completion. */
export const chunkOf = (delta: object, rest: object = {}): Fields => ({
  id: 'chatcmpl-9',
  object: 'chat.completion.chunk',
  model: 'served-model',
  choices: [{ index: 0, delta, finish_reason: null, ...rest }],
});

export const finish = (finish_reason: string, rest: object = {}): Fields => chunkOf({}, { finish_reason, ...rest });

export const usageChunk = (usage: object): Fields => ({ ...chunkOf({}), choices: [], usage });

export const completionOf = (message: object, rest: object = {}, more: object = {}): Fields => ({
  id: 'chatcmpl-9',
  object: 'chat.completion',
  model: 'served-model',
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: 'stop', ...rest }],
  usage: { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 },
  ...more,
});

export const callPiece = (index: number, piece: object): object => ({ tool_calls: [{ index, ...piece }] });

/** The data of server-sent events. */
export const eventsIn = (text: string): Record<string, unknown>[] =>
  text
    .split('\n\n')
    .filter((event) => event.includes('data: '))
    .map((event) => JSON.parse(event.slice(event.indexOf('data: ') + 6)));

export const linesIn = (text: string): Record<string, unknown>[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
