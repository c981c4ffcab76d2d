import { noUsage, usageOf } from './chat.ts';
import { listOf, numberOf, objectOf, only, textOf } from './fields.ts';
import type { Asked, Fields, Translation } from './translation.ts';

const NS_PER_MS = 1e6;

const request = ({ body, servedModel, operation, engine }: Asked): Fields => ({
  ...(servedModel !== undefined && { model: servedModel }),
  input: operation === 'ollama_embeddings' ? body.prompt : body.input,
  encoding_format: 'float',
  ...only(body, 'dimensions'),
  // Ollama cuts what is too long, unless it is told not to; vLLM does when it is told to.
  ...(engine === 'vllm' && body.truncate !== false && { truncate_prompt_tokens: -1 }),
});

/** Without a text Ollama loads the model, which workers have done. */
const own = ({ body, operation, requestedModel }: Asked): string | undefined => {
  const isOld = operation === 'ollama_embeddings';
  const given = isOld ? body.prompt : body.input;
  if (textOf(given) !== undefined || (Array.isArray(given) ? given.length > 0 : given && typeof given !== 'string')) {
    return undefined;
  }
  return JSON.stringify(isOld ? { embedding: [] } : { model: requestedModel ?? '', embeddings: [] });
};

/** Servers may answer in any order: each says which input it is of. */
const vectorsOf = ({ data }: Fields): readonly unknown[] => {
  if (!Array.isArray(data)) throw new TypeError('no data');
  const entries = listOf(data).map(objectOf);
  return entries
    .toSorted((a, b) => (numberOf(a.index) ?? 0) - (numberOf(b.index) ?? 0))
    .map(({ embedding }) => {
      if (!Array.isArray(embedding)) throw new TypeError('no numbers');
      return embedding;
    });
};

const response = (answer: Fields, { operation, requestedModel, startedAt, now }: Asked): Fields => {
  const vectors = vectorsOf(answer);
  if (operation === 'ollama_embeddings') return { embedding: vectors[0] ?? [] };
  return {
    model: requestedModel ?? answer.model,
    embeddings: vectors,
    total_duration: Math.max(0, Math.round((now() - startedAt) * NS_PER_MS)),
    load_duration: 0,
    prompt_eval_count: (usageOf(answer) ?? noUsage).promptTokens,
  };
};

/**
 * Ollama's `embed` and `embeddings` on OpenAI's embeddings.
 * Source: Ollama `docs/api.md`; OpenAI API reference, "Create embeddings".
 */
export const translation: Translation = { request, own, response };
