import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type DemoWorkers, startDemoWorkers } from '../../infra/local/demo-worker/launch.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import type { Received } from '../support/http.ts';
import { has, needs } from '../support/needs.ts';

/** The embedded default, as `npm start` serves it to a newcomer: real engines behind the built functions. */

const SENTENCE = 'Hello world, this is a test of offline speech synthesis.';

let demo: DemoWorkers;
let gateway: Gateway;
let ids: string[];

beforeAll(async () => {
  demo = await startDemoWorkers({ count: 2 });
  ids = demo.workers.map(({ id }) => id);
  gateway = await startGateway({ workers: demo.workers });
}, 60_000);
afterAll(async () => {
  await gateway?.close();
  await demo?.close();
});

const post = async (path: string, body: object): Promise<Received> => {
  const received = await gateway.fetch(path, { body });
  if (received.status !== 200) throw new Error(`${path} answered ${received.status}: ${received.text}`);
  expect(ids).toContain(received.headers['x-localai-node']);
  expect(received.complete).toBe(true);
  return received;
};

const speech = () => post('/v1/audio/speech', { model: 'flite', voice: 'alloy', input: SENTENCE });

const cosine = (a: number[], b: number[]): number => {
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

/** Samples of a 16-bit mono WAV in [-1, 1), with its rate in Hz. */
const samplesOf = (wav: Buffer): { rate: number; samples: number[] } => {
  expect(wav.toString('latin1', 0, 4)).toBe('RIFF');
  const data = wav.indexOf('data') + 8;
  const samples = Array.from({ length: (wav.length - data) >> 1 }, (_, i) => wav.readInt16LE(data + 2 * i) / 32_768);
  return { rate: wav.readUInt32LE(24), samples };
};

test('chat in three dialects comes from the language model', async () => {
  const messages = [{ role: 'user', content: 'Call me' }];
  const openai = await post('/v1/chat/completions', { model: 'ngram', messages, max_tokens: 12 });
  const anthropic = await post('/v1/messages', { model: 'ngram', messages, max_tokens: 12 });
  const ollama = await post('/api/chat', { model: 'ngram', messages, stream: false, options: { num_predict: 12 } });
  const texts = [
    (openai.json() as { choices: { message: { content: string } }[] }).choices[0]?.message.content,
    (anthropic.json() as { content: { text: string }[] }).content[0]?.text,
    (ollama.json() as { message: { content: string } }).message.content,
  ];
  for (const text of texts) expect(text).toMatch(/[a-z]{2,}.*\s.*[a-z]{2,}/i);
});

test('embeddings tell a paraphrase from something else', async () => {
  const input = ['How do I reset my password?', 'I forgot my login credentials', 'The weather in Paris is rainy'];
  const answer = (await post('/v1/embeddings', { model: 'use-lite', input })).json() as {
    data: { embedding: number[] }[];
  };
  const [question, paraphrase, other] = answer.data.map(({ embedding }) => embedding) as [number[], number[], number[]];
  expect(cosine(question, paraphrase)).toBeGreaterThan(cosine(question, other) + 0.2);
});

test('rerank puts the answer first', async () => {
  const answer = (
    await post('/v1/rerank', {
      model: 'use-lite',
      query: 'How do I reset my password?',
      documents: ['The weather in Paris is rainy', 'I forgot my login credentials'],
    })
  ).json() as { results: { index: number; relevance_score: number }[] };
  expect(answer.results[0]?.index).toBe(1);
  expect(answer.results[0]?.relevance_score).toBeGreaterThan(answer.results[1]?.relevance_score ?? 1);
});

test('speech is one segment to the voice activity detector, where it is spoken', async () => {
  const { rate, samples } = samplesOf((await speech()).body);
  expect(rate).toBe(16_000);
  const silence = new Array<number>(rate).fill(0);
  const audio = [...silence, ...samples, ...silence];
  const answer = (await post('/v1/vad', { model: 'ten-vad', audio })).json() as {
    segments: { start: number; end: number }[];
  };
  expect(answer.segments).toHaveLength(1);
  const [segment] = answer.segments;
  const spoken = samples.length / rate;
  expect(segment?.start).toBeGreaterThan(0.7);
  expect(segment?.start).toBeLessThan(1.5);
  expect(segment?.end).toBeGreaterThan(1 + spoken - 0.8);
  expect(segment?.end).toBeLessThan(1 + spoken + 0.5);
});

needs('pocketsphinx')('transcription', () => {
  test('speech comes back as most of its words', async () => {
    const form = new FormData();
    form.set('file', new Blob([new Uint8Array((await speech()).body)], { type: 'audio/wav' }), 'speech.wav');
    form.set('model', 'pocketsphinx');
    form.set('response_format', 'json');
    const received = await gateway.fetch('/v1/audio/transcriptions', { method: 'POST', body: form });
    expect(received.status).toBe(200);
    expect(ids).toContain(received.headers['x-localai-node']);
    const { text } = received.json() as { text: string };
    const words = SENTENCE.toLowerCase().match(/[a-z]+/g) ?? [];
    const heard = words.filter((word) => text.toLowerCase().includes(word));
    expect(heard.length / words.length).toBeGreaterThan(0.6);
  });
});

test('pictures are PNGs of the size asked for, the same for the same prompt', async () => {
  const draw = async (format?: string) => {
    const body = { model: 'procedural-image', prompt: 'the sea at night', size: '96x64', response_format: format };
    const answer = (await post('/v1/images/generations', body)).json() as { data: { b64_json: string }[] };
    return Buffer.from(answer.data[0]?.b64_json ?? '', 'base64');
  };
  const [picture, byUrl] = [await draw(), await draw('url')];
  expect(picture.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
  expect([picture.readUInt32BE(16), picture.readUInt32BE(20)]).toEqual([96, 64]);
  const start = picture.indexOf('IDAT');
  expect(inflateSync(picture.subarray(start + 4, start + 4 + picture.readUInt32BE(start - 4))).length).toBeGreaterThan(
    96 * 64,
  );
  // A worker's URL is nothing to a client: the gateway fetched it.
  expect(byUrl.equals(picture)).toBe(true);
});

describe('20 at a time over the two workers', () => {
  test('nothing fails, both are used, and the header counts what each of them served', async () => {
    const servedBy = async () => {
      const loads = await Promise.all(demo.workers.map(async ({ url }) => (await fetch(`${url}/load`)).json()));
      return loads.map((load) => (load as { served: Record<string, number> }).served['use-lite'] ?? 0);
    };
    const before = await servedBy();
    const received = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        post('/v1/embeddings', { model: 'use-lite', input: `sentence number ${i}` }),
      ),
    );
    const counted = ids.map((id) => received.filter(({ headers }) => headers['x-localai-node'] === id).length);
    const after = await servedBy();
    expect(counted).toEqual(after.map((count, i) => count - (before[i] ?? 0)));
    for (const count of counted) expect(count).toBeGreaterThan(10);
  }, 60_000);
});

test('the engine that is not installed is not offered', async () => {
  const { data } = (await gateway.fetch('/v1/models')).json() as { data: { id: string }[] };
  const offered = data.map(({ id }) => id);
  expect(offered).toEqual(expect.arrayContaining(['flite', 'ngram', 'procedural-image', 'ten-vad', 'use-lite']));
  expect(offered.includes('pocketsphinx')).toBe(has('pocketsphinx'));
});
