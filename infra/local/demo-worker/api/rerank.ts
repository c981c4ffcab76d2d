import * as v from 'valibot';
import type { Engines } from '../engines/index.ts';
import { readJson } from '../http/body.ts';
import { type Exchange, sendJson } from '../http/exchange.ts';
import type { Route } from '../http/route.ts';
import { countTokens, embed } from './embeddings.ts';
import { count, model, text } from './text-fields.ts';

const document = v.pipe(
  v.union([text, v.object({ text })], 'expected a string or an object with text'),
  v.transform((value) => (typeof value === 'string' ? value : value.text)),
);

const Body = v.object({
  model,
  query: v.pipe(v.string('expected a string'), v.nonEmpty('expected a question, got an empty string')),
  documents: v.pipe(
    v.array(document, 'expected a list of strings'),
    v.minLength(1, 'expected at least one document'),
    v.maxLength(1024, 'expected 1024 documents at most'),
  ),
  top_n: v.nullish(count),
});

/** The cosine of unit vectors. */
const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);

/** `POST /v1/rerank`, https://jina.ai/reranker; a document's score is its embedding's cosine with the query's. */
export const createRerankRoute = (engines: Engines): Route => ({
  method: 'POST',
  paths: ['/v1/rerank', '/rerank'],
  dialect: 'openai',
  async handle(exchange: Exchange) {
    const body = await readJson(exchange.request, Body);
    const { id, engine } = engines.select('embedding', body.model ?? undefined);
    const texts = [body.query, ...body.documents];
    const [query, ...vectors] = await embed(engine, texts, exchange.signal);
    const results = vectors
      .map((vector, index) => ({
        index,
        document: { text: body.documents[index] },
        relevance_score: query ? cosine(query, vector) : 0,
      }))
      .sort((a, b) => b.relevance_score - a.relevance_score)
      .slice(0, body.top_n ?? undefined);
    const tokens = countTokens(texts);
    sendJson(exchange, { model: body.model ?? id, usage: { total_tokens: tokens, prompt_tokens: tokens }, results });
  },
});
