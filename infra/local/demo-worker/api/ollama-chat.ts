import * as v from 'valibot';
import type { Engines } from '../engines/index.ts';
import type { TextInput } from '../engines/text-engine.ts';
import { readJson } from '../http/body.ts';
import { createLineStream, type Exchange, sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';
import { collect, type Ending, startGeneration } from '../text/generation.ts';
import { DEFAULT_MAX_TOKENS, flag, messages, model, seed, stop, temperature, text } from './text-fields.ts';

const Common = v.object({
  model,
  stream: v.nullish(flag, true),
  options: v.nullish(
    v.object({
      num_predict: v.nullish(v.pipe(v.number('expected a number'), v.integer('expected a whole number'))),
      temperature: v.nullish(temperature, 0.8),
      seed: v.nullish(seed),
      stop,
    }),
    {},
  ),
});

const ChatBody = v.object({ ...Common.entries, messages });
const GenerateBody = v.object({
  ...Common.entries,
  prompt: v.nullish(text, ''),
  system: v.nullish(text),
  raw: v.nullish(flag),
});

/** Nanoseconds, as Ollama counts. */
const since = (start: number) => Math.round((performance.now() - start) * 1e6);

const doneReason = (ending: Ending) => (ending.reason === 'length' ? 'length' : 'stop');

/** How a piece of text lies in a line: `message.content` for chat, `response` for generate. */
type Wrap = (text: string) => object;

const answer = async (
  exchange: Exchange,
  engines: Engines,
  body: v.InferOutput<typeof Common>,
  prompt: Pick<TextInput, 'messages' | 'prompt'>,
  wrap: Wrap,
) => {
  const start = performance.now();
  const { id, engine } = engines.select('text', body.model ?? undefined);
  const { num_predict, temperature = 0.8, seed, stop = [] } = body.options;
  const input: TextInput = {
    ...prompt,
    maxTokens: num_predict && num_predict > 0 ? num_predict : DEFAULT_MAX_TOKENS,
    temperature,
    seed: seed ?? undefined,
  };
  const generation = await startGeneration(engine, input, stop, exchange.signal);
  const prompted = performance.now();
  const line = (fields: object) => ({ model: body.model ?? id, created_at: new Date().toISOString(), ...fields });
  const last = (text: string) =>
    line({
      ...wrap(text),
      done: true,
      done_reason: doneReason(generation.ending),
      total_duration: since(start),
      load_duration: 0,
      prompt_eval_count: generation.promptTokens,
      prompt_eval_duration: Math.round((prompted - start) * 1e6),
      eval_count: generation.ending.completionTokens,
      eval_duration: since(prompted),
    });

  if (!body.stream) return sendJson(exchange, last(await collect(generation)));
  const lines = createLineStream(exchange);
  for await (const text of generation.pieces) await lines.line(line({ ...wrap(text), done: false }));
  await lines.line(last(''));
  lines.end();
};

const asMessage: Wrap = (content) => ({ message: { role: 'assistant', content } });
const asResponse: Wrap = (response) => ({ response });

/** `POST /api/chat` and `/api/generate`, https://docs.ollama.com/api; they stream unless told not to. */
export const createOllamaChatRoutes = (engines: Engines): Route[] => [
  {
    method: 'POST',
    paths: ['/api/chat'],
    dialect: 'ollama',
    async handle(exchange: Exchange) {
      const body = await readJson(exchange.request, ChatBody);
      await answer(exchange, engines, body, { messages: body.messages }, asMessage);
    },
  },
  {
    method: 'POST',
    paths: ['/api/generate'],
    dialect: 'ollama',
    async handle(exchange: Exchange) {
      const body = await readJson(exchange.request, GenerateBody);
      const turns = [
        ...(body.system ? [{ role: 'system' as const, content: body.system }] : []),
        { role: 'user' as const, content: body.prompt },
      ];
      await answer(exchange, engines, body, body.raw ? { prompt: body.prompt } : { messages: turns }, asResponse);
    },
  },
];
