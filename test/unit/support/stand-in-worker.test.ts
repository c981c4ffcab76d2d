import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createWorkReader } from '../../../lib/registrar/work.ts';
import { createAsk } from '../../../lib/upstream/ask.ts';
import { createUpstream } from '../../../lib/upstream/client.ts';
import { createDeferred } from '../../support/deferred.ts';
import { eventsOf, parseNdjson, parseSse } from '../../support/frames.ts';
import { fetchAll, send } from '../../support/http.ts';
import { type StandIn, startWorker } from '../../support/stand-in-worker.ts';
import { until } from '../../support/until.ts';
import {
  bigBody,
  combine,
  crlf,
  cut,
  encoded,
  endEarly,
  holdAt,
  inPiecesOf,
  raw,
  reply,
  stallAfter,
} from '../../support/worker/behaviours.ts';

let worker: StandIn;
beforeEach(async () => {
  worker = await startWorker({ name: 'alpha', models: ['m1', 'm2'] });
});
afterEach(() => worker.close());

const chat = { model: 'm1', messages: [{ role: 'user', content: 'hi' }] };
const post = (path: string, body: object) => fetchAll(worker.url + path, { body });

describe('what it answers', () => {
  test('a chat, naming itself', async () => {
    const reply = await post('/v1/chat/completions', chat);
    expect(reply.status).toBe(200);
    expect(reply.headers['content-length']).toBe(String(reply.body.length));
    expect(reply.text).toContain('Grüße from alpha 🦙');
  });

  test('a chat stream that ends with finish_reason and [DONE]', async () => {
    const reply = await post('/v1/chat/completions', { ...chat, stream: true });
    expect(reply.headers['content-type']).toMatch('text/event-stream');
    const events = eventsOf(reply.text);
    expect(events.at(-1)).toBe('[DONE]');
    expect(events.at(-2)).toMatchObject({ choices: [{ finish_reason: 'stop' }] });
  });

  test('an Anthropic stream in typed events', async () => {
    const reply = await post('/v1/messages', { ...chat, max_tokens: 5, stream: true });
    const names = parseSse(reply.text).map(({ event }) => event);
    expect(names[0]).toBe('message_start');
    expect(names.at(-1)).toBe('message_stop');
  });

  test('an Ollama stream by default', async () => {
    const lines = parseNdjson((await post('/api/chat', chat)).text);
    expect(lines.at(-1)).toMatchObject({ done: true });
    expect(lines.length).toBeGreaterThan(3);
  });

  test('a transcription, having read the form', async () => {
    const body = new FormData();
    body.set('model', 'm1');
    body.set('file', new Blob(['12345']), 'a.wav');
    const reply = await fetchAll(`${worker.url}/v1/audio/transcriptions`, { body });
    expect(reply.json()).toMatchObject({ text: expect.stringContaining('alpha'), bytes: 5 });
    expect(worker.requests[0]?.fields).toEqual({ model: 'm1' });
  });

  test('speech as a WAV with its name inside', async () => {
    const reply = await post('/v1/audio/speech', { model: 'm1', input: 'hi' });
    expect(reply.body.subarray(0, 4).toString()).toBe('RIFF');
    expect(reply.body.readUInt32LE(4)).toBe(reply.body.length - 8);
    expect(reply.text).toContain('alpha');
  });

  test('an unlisted model with 404 in the dialect of the path', async () => {
    const model = 'other';
    expect((await post('/v1/chat/completions', { ...chat, model })).json()).toHaveProperty('error.code', 404);
    expect((await post('/v1/messages', { ...chat, model })).json()).toHaveProperty('type', 'error');
    expect((await post('/api/chat', { ...chat, model })).json()).toEqual({ error: "model 'other' not found" });
  });

  test.each([
    ['localai', '/readyz'],
    ['vllm', '/health'],
    ['llamacpp', '/health'],
    ['ollama', '/api/version'],
    ['openai', '/healthz'],
  ] as const)('%s health on %s', async (engine, path) => {
    await using other = await startWorker({ name: 'beta', engine });
    expect((await fetchAll(other.url + path)).status).toBe(200);
    other.report({ healthy: false });
    expect((await fetchAll(other.url + path)).status).toBe(503);
  });

  test.each([
    ['localai', '/.well-known/localai.json', '"endpoints"'],
    ['vllm', '/v1/models', '"owned_by":"vllm"'],
    ['llamacpp', '/props', 'default_generation_settings'],
    ['ollama', '/', 'Ollama is running'],
  ] as const)('%s gives itself away on %s', async (engine, path, words) => {
    await using other = await startWorker({ name: 'beta', engine });
    expect((await fetchAll(other.url + path)).text).toContain(words);
    expect((await fetchAll(worker.url + path)).text.includes(words)).toBe(engine === 'localai');
  });

  test('its load in the words of its engine', async () => {
    await using vllm = await startWorker({ name: 'beta', engine: 'vllm' });
    vllm.report({ running: 3, waiting: 2 });
    expect((await fetchAll(`${vllm.url}/load`)).json()).toEqual({ server_load: 5 });
    expect((await fetchAll(`${vllm.url}/metrics`)).text).toMatch(/^vllm:num_requests_waiting\{.*\} 2\.0$/m);
    await using llama = await startWorker({ name: 'gamma', engine: 'llamacpp', slots: 2 });
    llama.report({ running: 1 });
    expect((await fetchAll(`${llama.url}/slots`)).json()).toMatchObject([
      { is_processing: true },
      { is_processing: false },
    ]);
  });
});

describe('what it records', () => {
  test('target, headers as sent, body, and whether the socket was used before', async () => {
    const headers = ['X-Twice', '1', 'x-twice', '2', 'content-type', 'application/json'];
    const body = JSON.stringify(chat);
    await fetchAll(`${worker.url}/v1/chat/completions?a=%2F`, { headers, body });
    const [seen] = worker.requests;
    expect(seen?.path).toBe('/v1/chat/completions?a=%2F');
    expect(seen?.rawHeaders).toEqual(expect.arrayContaining(['X-Twice', '1', 'x-twice', '2']));
    expect(seen?.body.toString()).toBe(body);
    expect(seen?.reusedSocket).toBe(false);
  });

  test('the bytes of its reply', async () => {
    const reply = await post('/v1/chat/completions', { ...chat, stream: true });
    expect(worker.requests[0]?.sent().equals(reply.body)).toBe(true);
    expect(await worker.requests[0]?.completed).toBe(true);
  });

  test('a client that leaves', async () => {
    worker.next(stallAfter(1));
    const reply = await send(`${worker.url}/v1/chat/completions`, { body: { ...chat, stream: true } });
    await reply.next();
    reply.abort();
    const [seen] = worker.requests;
    expect(await seen?.closed).toBeGreaterThan(reply.headAt);
    expect(await seen?.completed).toBe(false);
  });
});

describe('how it misbehaves', () => {
  test('holds a stream open until released', async () => {
    const release = createDeferred();
    worker.next(holdAt(2, release.promise));
    const reply = await send(`${worker.url}/v1/chat/completions`, { body: { ...chat, stream: true } });
    const first = await reply.until('Grüße');
    expect(first).not.toContain('[DONE]');
    release.resolve();
    expect((await reply.all()).text).toContain('[DONE]');
  });

  test('resets before the head', async () => {
    worker.next(cut('before-head'));
    await expect(post('/v1/chat/completions', chat)).rejects.toThrow(/ECONNRESET|socket hang up/);
  });

  test.each([['after-head'], [{ after: 2 }], [{ midEvent: 2 }]] as const)('cuts a stream: %j', async (point) => {
    worker.next(cut(point));
    const reply = await post('/v1/chat/completions', { ...chat, stream: true });
    expect(reply.complete).toBe(false);
    const events = reply.text.split('\n\n');
    if (typeof point === 'object') expect(events).toHaveLength(3);
    if (point === 'after-head') expect(reply.text).toBe('');
    expect(events.at(-1) === '').toBe(!(typeof point === 'object' && 'midEvent' in point));
  });

  test('ends without the terminal marker', async () => {
    worker.next(endEarly());
    const reply = await post('/v1/chat/completions', { ...chat, stream: true });
    expect(reply.complete).toBe(true);
    expect(reply.text).not.toMatch(/\[DONE\]|"finish_reason":"stop"/);
    expect(reply.text).toContain('done.');
  });

  test('answers with a status of choice, and one behaviour counts for one request', async () => {
    worker.next(reply(429, { error: 'busy' }, { 'retry-after': '3' }));
    const first = await post('/v1/chat/completions', chat);
    expect([first.status, first.headers['retry-after']]).toEqual([429, '3']);
    expect((await post('/v1/chat/completions', chat)).status).toBe(200);
  });

  test('frames with CRLF in single bytes', async () => {
    worker.next(combine(crlf, inPiecesOf(1)));
    const received = await post('/v1/chat/completions', { ...chat, stream: true });
    expect(received.text).not.toMatch(/[^\r]\n/);
    expect(eventsOf(received.text).at(-1)).toBe('[DONE]');
  });

  test('encodes though identity was asked', async () => {
    worker.next(encoded('gzip'));
    const received = await post('/v1/chat/completions', chat);
    expect(received.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(received.body).toString()).toContain('alpha');
  });

  test('writes exact bytes', async () => {
    worker.next(raw('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-odd: a\tb\r\n\r\nok'));
    const received = await post('/v1/chat/completions', chat);
    expect([received.text, received.headers['x-odd']]).toEqual(['ok', 'a\tb']);
  });

  test('is slowed down by a client that does not read', async () => {
    worker.next(bigBody(150_000_000));
    const reading = await send(`${worker.url}/v1/audio/speech`, { body: { model: 'm1', input: 'x' } });
    await reading.next();
    const [seen] = worker.requests;
    const settled = await stable(() => seen?.sentBytes() ?? 0);
    expect(settled).toBeLessThan(20_000_000);
    reading.abort();
    await seen?.closed;
  });

  test('closes idle connections without a hint', async () => {
    await using impatient = await startWorker({ name: 'beta', idleCloseMs: 20 });
    await fetchAll(`${impatient.url}/v1/models`, { headers: { connection: 'keep-alive' } });
    expect(impatient.probes[0]?.headers.connection).toBe('keep-alive');
    await impatient.probes[0]?.closed;
    expect(impatient.openConnections()).toBe(0);
  });

  test.each(['vllm', 'llamacpp'] as const)('as %s it counts what it did, as the engine does', async (engine) => {
    await using worker = await startWorker({ name: 'gamma', engine });
    const { read } = createWorkReader(createAsk(createUpstream({ connectTimeoutMs: 1000 })));
    const work = async () => {
      const seen = await read({ url: worker.url, engine }, { signal: new AbortController().signal });
      return typeof seen === 'object' ? seen : undefined;
    };
    const before = await work();
    expect(before).toEqual({ running: 0, waiting: 0, served: 0, own: 0 });
    await fetchAll(`${worker.url}/v1/completions`, { body: { model: 'test-model', prompt: 'x' } });
    expect(await until(async () => (await work())?.running === 0 && ((await work())?.served ?? 0) > 0)).toBe(true);
  });

  test('works on as many requests at once as it has slots', async () => {
    await using busy = await startWorker({ name: 'beta', engine: 'vllm', slots: 1 });
    const release = createDeferred();
    busy.next(holdAt(0, release.promise));
    const body = { ...chat, model: 'test-model' };
    const both = [1, 2].map(() => fetchAll(`${busy.url}/v1/chat/completions`, { body }));
    await busy.arrival((request) => request === busy.requests[1]);
    expect((await fetchAll(`${busy.url}/metrics`)).text).toMatch(/running\{.*\} 1\.0[\s\S]*waiting\{.*\} 1\.0/);
    release.resolve();
    expect((await Promise.all(both)).map(({ status }) => status)).toEqual([200, 200]);
  });

  test('refuses connections and comes back on the same port', async () => {
    await worker.refuse();
    await expect(post('/v1/chat/completions', chat)).rejects.toThrow(/ECONNREFUSED/);
    await worker.listen();
    expect((await post('/v1/chat/completions', chat)).status).toBe(200);
  });
});

/** Polls until a reading has not moved for ten looks. */
const stable = async (read: () => number): Promise<number> => {
  let [value, same] = [read(), 0];
  while (same < 10) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const now = read();
    same = now === value ? same + 1 : 0;
    value = now;
  }
  return value;
};
