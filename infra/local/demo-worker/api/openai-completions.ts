import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Engines } from '../engines/index.ts';
import { ApiError } from '../http/api-error.ts';
import { readJson } from '../http/body.ts';
import { createEventStream, type Exchange, sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';
import { collect, startGeneration } from '../text/generation.ts';
import { finishReason, usage } from './openai-chat.ts';
import { count, DEFAULT_MAX_TOKENS, flag, model, seed, stop, temperature, text } from './text-fields.ts';

const Body = v.object({
  model,
  prompt: v.pipe(
    v.union([text, v.array(text)], 'expected a string or a list of strings'),
    v.transform((prompt) => (typeof prompt === 'string' ? [prompt] : prompt)),
    v.minLength(1, 'expected at least one prompt'),
    v.maxLength(16, 'expected 16 prompts at most'),
  ),
  max_tokens: v.nullish(count, DEFAULT_MAX_TOKENS),
  temperature: v.nullish(temperature, 1),
  seed: v.nullish(seed),
  stop,
  echo: v.nullish(flag, false),
  stream: v.nullish(flag, false),
  stream_options: v.nullish(v.object({ include_usage: v.nullish(flag, false) })),
  ignore_eos: v.nullish(flag, false),
});

/** `POST /v1/completions`, https://platform.openai.com/docs/api-reference/completions. */
export const createOpenAiCompletionsRoute = (engines: Engines): Route => ({
  method: 'POST',
  paths: ['/v1/completions', '/completions', '/v1/engines/{model}/completions'],
  dialect: 'openai',
  async handle(exchange: Exchange) {
    const body = await readJson(exchange.request, Body);
    const requested = body.model ?? exchange.params.model;
    const { id: served, engine } = engines.select('text', requested);
    if (body.stream && body.prompt.length > 1) {
      throw new ApiError(400, "'prompt': a stream takes exactly one prompt.", { param: 'prompt' });
    }
    const envelope = {
      id: `cmpl-${randomUUID()}`,
      object: 'text_completion',
      created: Math.floor(Date.now() / 1000),
      model: requested ?? served,
    };
    const begin = (prompt: string) =>
      startGeneration(
        engine,
        {
          prompt,
          maxTokens: body.max_tokens,
          temperature: body.temperature,
          seed: body.seed ?? undefined,
          ignoreEnd: body.ignore_eos,
        },
        body.stop,
        exchange.signal,
      );

    if (!body.stream) {
      const choices = [];
      let promptTokens = 0;
      let completionTokens = 0;
      for (const [index, prompt] of body.prompt.entries()) {
        const generation = await begin(prompt);
        const completion = await collect(generation);
        const text = body.echo ? prompt + completion : completion;
        choices.push({ index, text, logprobs: null, finish_reason: finishReason(generation.ending) });
        promptTokens += generation.promptTokens;
        completionTokens += generation.ending.completionTokens;
      }
      sendJson(exchange, { ...envelope, choices, usage: usage(promptTokens, completionTokens) });
      return;
    }

    const events = createEventStream(exchange);
    const [prompt = ''] = body.prompt;
    const generation = await begin(prompt);
    const piece = (text: string, finish_reason: string | null) =>
      events.data({ ...envelope, choices: [{ index: 0, text, logprobs: null, finish_reason }] });
    if (body.echo) await piece(prompt, null);
    for await (const text of generation.pieces) await piece(text, null);
    await piece('', finishReason(generation.ending));
    if (body.stream_options?.include_usage) {
      await events.data({
        ...envelope,
        choices: [],
        usage: usage(generation.promptTokens, generation.ending.completionTokens),
      });
    }
    await events.done();
  },
});
