import * as v from 'valibot';
import type { EngineHost } from '../engines/host.ts';
import type { Engines } from '../engines/index.ts';
import type { EmbedInput, EmbedOutput } from '../engines/use-lite.ts';
import { ApiError } from '../http/api-error.ts';
import { readJson } from '../http/body.ts';
import { type Exchange, sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';
import { tokenize } from '../text/tokenizer.ts';
import { model, text } from './text-fields.ts';

/** One text or several, as a list. */
const texts = v.pipe(
  v.union([text, v.array(text)], 'expected a string or a list of strings (token ids are not understood here)'),
  v.transform((value) => (typeof value === 'string' ? [value] : value)),
  v.minLength(1, 'expected at least one text'),
  v.maxLength(2048, 'expected 2048 texts at most'),
);

const OpenAiBody = v.object({
  model,
  input: texts,
  encoding_format: v.nullish(v.picklist(['float', 'base64'], "expected 'float' or 'base64'"), 'float'),
});

const OllamaBody = v.object({ model, input: v.nullish(texts), prompt: v.nullish(texts) });

/** Embeds in small batches, so that a client that left is noticed between them. */
export const embed = async (
  engine: EngineHost<EmbedInput, EmbedOutput>,
  input: readonly string[],
  signal: AbortSignal,
) => {
  const vectors: Float32Array[] = [];
  for (let from = 0; from < input.length; from += 32) {
    for await (const batch of engine.run(input.slice(from, from + 32), signal)) vectors.push(...batch);
  }
  return vectors;
};

export const countTokens = (texts: readonly string[]): number =>
  texts.reduce((sum, text) => sum + tokenize(text).length, 0);

const toBase64 = (vector: Float32Array) =>
  Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');

/** `POST /v1/embeddings`, https://platform.openai.com/docs/api-reference/embeddings. */
export const createOpenAiEmbeddingsRoute = (engines: Engines): Route => ({
  method: 'POST',
  paths: ['/v1/embeddings', '/embeddings', '/v1/engines/{model}/embeddings'],
  dialect: 'openai',
  async handle(exchange: Exchange) {
    const body = await readJson(exchange.request, OpenAiBody);
    const requested = body.model ?? exchange.params.model;
    const { id, engine } = engines.select('embedding', requested);
    const vectors = await embed(engine, body.input, exchange.signal);
    const data = vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: body.encoding_format === 'base64' ? toBase64(vector) : [...vector],
    }));
    const prompt_tokens = countTokens(body.input);
    sendJson(exchange, {
      object: 'list',
      data,
      model: requested ?? id,
      usage: { prompt_tokens, total_tokens: prompt_tokens },
    });
  },
});

/**
 * `POST /api/embed` and the older `/api/embeddings`. LocalAI answers both with `embeddings`, Ollama the older one with
 * a single `embedding`: the older one has both here.
 */
export const createOllamaEmbedRoute = (engines: Engines): Route => ({
  method: 'POST',
  paths: ['/api/embed', '/api/embeddings'],
  dialect: 'ollama',
  async handle(exchange: Exchange) {
    const start = performance.now();
    const body = await readJson(exchange.request, OllamaBody);
    const input = body.input ?? body.prompt;
    if (!input) throw new ApiError(400, "'input': expected a string or a list of strings");
    const { id, engine } = engines.select('embedding', body.model ?? undefined);
    const embeddings = (await embed(engine, input, exchange.signal)).map((vector) => [...vector]);
    sendJson(exchange, {
      model: body.model ?? id,
      ...(exchange.url.pathname.startsWith('/api/embeddings') ? { embedding: embeddings[0] } : {}),
      embeddings,
      total_duration: Math.round((performance.now() - start) * 1e6),
      load_duration: 0,
      prompt_eval_count: countTokens(input),
    });
  },
});
