import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Engines } from '../engines/index.ts';
import { readJson } from '../http/body.ts';
import { createEventStream, type Exchange, sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';
import { collect, type Ending, startGeneration } from '../text/generation.ts';
import { content, count, flag, messages, model, stop, temperature } from './text-fields.ts';

const Prompt = v.object({ model, messages, system: content });

const Body = v.object({
  ...Prompt.entries,
  max_tokens: count,
  stop_sequences: stop,
  temperature: v.nullish(temperature, 1),
  stream: v.nullish(flag, false),
});

const toMessages = ({ system, messages }: v.InferOutput<typeof Prompt>) =>
  system ? [{ role: 'system' as const, content: system }, ...messages] : messages;

const stopReasons = { stop: 'end_turn', length: 'max_tokens', stop_sequence: 'stop_sequence' };

const stopFields = ({ reason, stopSequence }: Ending) => ({
  stop_reason: stopReasons[reason],
  stop_sequence: stopSequence ?? null,
});

/** `POST /v1/messages` and its token count, https://docs.claude.com/en/api/messages. */
export const createAnthropicRoutes = (engines: Engines): Route[] => [
  {
    method: 'POST',
    paths: ['/v1/messages', '/messages'],
    dialect: 'anthropic',
    async handle(exchange: Exchange) {
      const body = await readJson(exchange.request, Body);
      const { id, engine } = engines.select('text', body.model ?? undefined);
      const input = { messages: toMessages(body), maxTokens: body.max_tokens, temperature: body.temperature };
      const generation = await startGeneration(engine, input, body.stop_sequences, exchange.signal);
      const message = { id: `msg_${randomUUID()}`, type: 'message', role: 'assistant', model: body.model ?? id };
      const usage = { input_tokens: generation.promptTokens };

      if (!body.stream) {
        const text = await collect(generation);
        const { ending } = generation;
        sendJson(exchange, {
          ...message,
          content: [{ type: 'text', text }],
          ...stopFields(ending),
          usage: { ...usage, output_tokens: ending.completionTokens },
        });
        return;
      }

      const events = createEventStream(exchange);
      const begun = {
        ...message,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { ...usage, output_tokens: 0 },
      };
      await events.typed('message_start', { message: begun });
      await events.typed('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
      await events.typed('ping', {});
      for await (const text of generation.pieces) {
        await events.typed('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });
      }
      await events.typed('content_block_stop', { index: 0 });
      const { ending } = generation;
      await events.typed('message_delta', {
        delta: stopFields(ending),
        usage: { ...usage, output_tokens: ending.completionTokens },
      });
      await events.typed('message_stop', {});
      events.end();
    },
  },
  {
    method: 'POST',
    paths: ['/v1/messages/count_tokens', '/messages/count_tokens'],
    dialect: 'anthropic',
    async handle(exchange: Exchange) {
      const body = await readJson(exchange.request, Prompt);
      const { engine } = engines.select('text', body.model ?? undefined);
      const input = { messages: toMessages(body), maxTokens: 0, temperature: 0 };
      const generation = await startGeneration(engine, input, [], exchange.signal);
      await collect(generation);
      sendJson(exchange, { input_tokens: generation.promptTokens });
    },
  },
];
