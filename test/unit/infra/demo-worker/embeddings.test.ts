import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Demo, startDemo } from './demo.ts';

let demo: Demo;
beforeAll(async () => {
  demo = await startDemo();
});
afterAll(() => demo.close());

const cosine = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);

const question = 'How do I reset my password?';
const paraphrase = 'I forgot my login credentials';
const unrelated = 'The recipe needs two cups of flour';

describe('embeddings', () => {
  test('lie closer for a paraphrase than for something unrelated', async () => {
    const { data } = await demo.json('/v1/embeddings', { input: [question, paraphrase, unrelated] });
    const [a, b, c] = data.map(({ embedding }: { embedding: number[] }) => embedding);
    expect(a).toHaveLength(512);
    expect(cosine(a, a)).toBeCloseTo(1, 5);
    expect(cosine(a, b)).toBeGreaterThan(cosine(a, c) + 0.2);
  });

  test('are the same numbers in base64, and in the Ollama dialect', async () => {
    const floats = (await demo.json('/v1/embeddings', { input: question })).data[0].embedding;
    const packed = (await demo.json('/v1/embeddings', { input: question, encoding_format: 'base64' })).data[0]
      .embedding;
    const bytes = Buffer.from(packed, 'base64');
    const unpacked = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4));
    expect(unpacked).toEqual(floats);
    const ollama = await demo.json('/api/embed', { model: 'use-lite', input: [question, unrelated] });
    expect(ollama.embeddings).toHaveLength(2);
    expect(cosine(ollama.embeddings[0], floats)).toBeCloseTo(1, 5);
    const older = await demo.json('/api/embeddings', { model: 'use-lite', prompt: question });
    expect(older.embedding).toEqual(older.embeddings[0]);
  });

  test('token ids are refused, by name of the field', async () => {
    const response = await demo.post('/v1/embeddings', { input: [1, 2, 3] });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: expect.stringContaining('input') } });
  });
});

describe('rerank', () => {
  test('puts the paraphrase first, keeps indexes, honours top_n', async () => {
    const documents = [unrelated, paraphrase, 'Whales are mammals'];
    const all = await demo.json('/v1/rerank', { model: 'use-lite', query: question, documents });
    expect(all.results.map(({ index }: { index: number }) => index)[0]).toBe(1);
    expect(all.results[0].document.text).toBe(paraphrase);
    const scores = all.results.map(({ relevance_score }: { relevance_score: number }) => relevance_score);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    const top = await demo.json('/rerank', { query: question, documents, top_n: 1 });
    expect(top.results).toEqual([all.results[0]]);
  });

  test('top_n below 1 and no documents are refused', async () => {
    expect((await demo.post('/v1/rerank', { query: 'x', documents: ['y'], top_n: 0 })).status).toBe(400);
    expect((await demo.post('/v1/rerank', { query: 'x', documents: [] })).status).toBe(400);
  });
});
