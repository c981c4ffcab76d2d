import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Engines } from '../engines/index.ts';
import { readJson } from '../http/body.ts';
import { createEventStream, type Exchange, sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';
import { collect, type Ending, startGeneration } from '../text/generation.ts';
import { count, DEFAULT_MAX_TOKENS, flag, messages, model, seed, stop, temperature } from './text-fields.ts';

const Body = v.object({
  model,
  messages,
  max_tokens: v.nullish(count),
  max_completion_tokens: v.nullish(count),
  temperature: v.nullish(temperature, 1),
  seed: v.nullish(seed),
  stop,
  n: v.nullish(v.pipe(count, v.maxValue(8, 'expected 8 at most')), 1),
  stream: v.nullish(flag, false),
  stream_options: v.nullish(v.object({ include_usage: v.nullish(flag, false) })),
  ignore_eos: v.nullish(flag, false),
});

export const finishReason = (ending: Ending) => (ending.reason === 'length' ? 'length' : 'stop');

export const usage = (prompt_tokens: number, completion_tokens: number) => ({
  prompt_tokens,
  completion_tokens,
  total_tokens: prompt_tokens + completion_tokens,
});

/** `POST /v1/chat/completions`, https://platform.openai.com/docs/api-reference/chat. */
export const createOpenAiChatRoute = (engines: Engines): Route => ({
  method: 'POST',
  paths: ['/v1/chat/completions', '/chat/completions'],
  dialect: 'openai',
  async handle(exchange: Exchange) {
    const body = await readJson(exchange.request, Body);
    const { id: served, engine } = engines.select('text', body.model ?? undefined);
    const envelope = {
      id: `chatcmpl-${randomUUID()}`,
      created: Math.floor(Date.now() / 1000),
      model: body.model ?? served,
    };
    const begin = (index: number) =>
      startGeneration(
        engine,
        {
          messages: body.messages,
          maxTokens: body.max_completion_tokens ?? body.max_tokens ?? DEFAULT_MAX_TOKENS,
          temperature: body.temperature,
          seed: typeof body.seed === 'number' ? body.seed + index : undefined,
          ignoreEnd: body.ignore_eos,
        },
        body.stop,
        exchange.signal,
      );
    let promptTokens = 0;
    let completionTokens = 0;

    if (!body.stream) {
      const choices = [];
      for (let index = 0; index < body.n; index++) {
        const generation = await begin(index);
        const message = { role: 'assistant', content: await collect(generation) };
        choices.push({ index, message, logprobs: null, finish_reason: finishReason(generation.ending) });
        promptTokens = generation.promptTokens;
        completionTokens += generation.ending.completionTokens;
      }
      sendJson(exchange, {
        ...envelope,
        object: 'chat.completion',
        choices,
        usage: usage(promptTokens, completionTokens),
      });
      return;
    }

    const events = createEventStream(exchange);
    const chunk = (choices: object[], rest = {}) =>
      events.data({ ...envelope, object: 'chat.completion.chunk', choices, ...rest });
    for (let index = 0; index < body.n; index++) {
      const generation = await begin(index);
      let isFirst = true;
      for await (const content of generation.pieces) {
        if (isFirst) await chunk([{ index, delta: { role: 'assistant', content: '' }, finish_reason: null }]);
        isFirst = false;
        await chunk([{ index, delta: { content }, finish_reason: null }]);
      }
      await chunk([{ index, delta: {}, finish_reason: finishReason(generation.ending) }]);
      promptTokens = generation.promptTokens;
      completionTokens += generation.ending.completionTokens;
    }
    if (body.stream_options?.include_usage) await chunk([], { usage: usage(promptTokens, completionTokens) });
    await events.done();
  },
});
