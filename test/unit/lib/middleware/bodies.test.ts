import zlib from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { operation } from '../../../support/operations.ts';
import { type StandIn, startWorker } from '../../../support/stand-in-worker.ts';
import { createInProcessGateway, keepLogs } from '../in-process-gateway.ts';

/** What clients make of a body, and what the worker gets: docs/contract.md sections 2 and 5. */
keepLogs();
const model = 'test-model';
const path = '/v1/chat/completions';
const chat = operation('chat').body(model) as object;
const text = JSON.stringify(chat);
let worker: StandIn;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
});
afterAll(() => worker?.close());
beforeEach(() => worker.reset());

const gateway = (env = {}) => createInProcessGateway('openai', [worker], env);
const json = { 'content-type': 'application/json' };
const seen = () => worker.requests[0];

describe('an encoded body', () => {
  test.each<[string, Buffer]>([
    ['gzip', zlib.gzipSync(text)],
    ['x-gzip', zlib.gzipSync(text)],
    ['deflate', zlib.deflateSync(text)],
    ['br', zlib.brotliCompressSync(text)],
    ['zstd', zlib.zstdCompressSync(text)],
    ['identity', Buffer.from(text)],
    ['gzip, ZSTD', zlib.zstdCompressSync(zlib.gzipSync(text))],
  ])('%s: routed by what it says, and the worker gets it plain', async (coding, body) => {
    const headers = { ...json, 'content-encoding': coding };
    expect((await gateway().ask(path, { body, headers })).status).toBe(200);
    expect(seen()?.body.toString()).toBe(text);
    expect(seen()?.headers).not.toHaveProperty('content-encoding');
    expect(seen()?.headers['content-length']).toBe(String(Buffer.byteLength(text)));
  });

  test('a form', async () => {
    const form = new FormData();
    form.append('model', model);
    form.append('file', new Blob([new Uint8Array([0, 255, 13, 10])]), 'a.wav');
    const encoded = new Response(form);
    const plain = Buffer.from(await encoded.arrayBuffer());
    const headers = { 'content-type': encoded.headers.get('content-type') ?? '', 'content-encoding': 'gzip' };
    const audio = createInProcessGateway('audio', [worker]);
    const answer = await audio.ask('/v1/audio/transcriptions', { body: zlib.gzipSync(plain), headers });
    expect([answer.status, seen()?.body.equals(plain)]).toEqual([200, true]);
  });

  test('damaged: 400; of an unknown coding: 415 with what is taken', async () => {
    const cut = zlib.gzipSync(text).subarray(0, 20);
    const damaged = await gateway().ask(path, { body: cut, headers: { ...json, 'content-encoding': 'gzip' } });
    expect([damaged.status, damaged.json()]).toEqual([
      400,
      { error: expect.objectContaining({ message: expect.stringContaining('gzip') }) },
    ]);
    const unknown = await gateway().ask(path, { body: text, headers: { ...json, 'content-encoding': 'compress' } });
    expect([unknown.status, unknown.headers['accept-encoding']]).toEqual([415, 'gzip, deflate, br, zstd, identity']);
    expect(worker.requests).toHaveLength(0);
  });

  test('nothing is unpacked for whoever has no key', async () => {
    const body = zlib.gzipSync(text).subarray(0, 20);
    const answer = await gateway({ LOCALAI_API_KEY: 'k' }).ask(path, {
      body,
      headers: { ...json, 'content-encoding': 'gzip' },
    });
    expect(answer.status).toBe(401);
  });

  const large = (bytes: number) => JSON.stringify({ ...chat, padding: 'x'.repeat(bytes) });
  const send = (body: Buffer, env = {}) =>
    gateway(env).ask(path, { body, headers: { ...json, 'content-encoding': 'gzip' } });

  test('both sizes count against GATEWAY_MAX_BODY_BYTES', async () => {
    const size = Buffer.byteLength(text);
    expect((await send(zlib.gzipSync(text), { GATEWAY_MAX_BODY_BYTES: String(size) })).status).toBe(200);
    const unpacked = await send(zlib.gzipSync(text), { GATEWAY_MAX_BODY_BYTES: String(size - 1) });
    expect(unpacked.status).toBe(413);
    expect(unpacked.text).toMatch(new RegExp(`\\b${size - 1}\\b.*decoded`));
    const stored = zlib.gzipSync(text, { level: 0 });
    expect((await send(stored, { GATEWAY_MAX_BODY_BYTES: String(stored.length - 1) })).status).toBe(413);
  });

  test('without it, 6 MB decoded', async () => {
    expect((await send(zlib.gzipSync(large(6_000_000)))).status).toBe(200);
    expect((await send(zlib.gzipSync(large(6_400_000)))).status).toBe(413);
    expect((await send(zlib.gzipSync(Buffer.alloc(500_000_000)))).status).toBe(413);
  });
});

describe('a byte order mark', () => {
  test.each([
    ['as text', `\ufeff${text}`],
    ['as bytes', Buffer.from(`\ufeff${text}`)],
  ])('%s is none of the body', async (_, body) => {
    expect((await gateway().ask(path, { body, headers: json })).status).toBe(200);
    expect(seen()?.body.toString()).toBe(text);
  });

  test('inside an encoding', async () => {
    const headers = { ...json, 'content-encoding': 'gzip' };
    expect((await gateway().ask(path, { body: zlib.gzipSync(`\ufeff${text}`), headers })).status).toBe(200);
    expect(seen()?.body.toString()).toBe(text);
  });

  test('twice, or alone, it is no JSON', async () => {
    for (const body of [`\ufeff\ufeff${text}`, '\ufeff']) {
      expect((await gateway().ask(path, { body, headers: json })).status).toBe(400);
    }
  });
});

describe('keys that objects have by nature', () => {
  const schema = '{"type":"object","properties":{"__proto__":{"type":"string"},"constructor":{"prototype":{"x":1}}}}';
  test.each([
    `{"model":"${model}","messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":${schema}}}]}`,
    `{"model":"${model}","messages":[],"__proto__":{"stream":true,"model":"x"}}`,
    `{"__proto__":{"model":"x"},"constructor":{"prototype":{"stream":true}},"model":"${model}","messages":[]}`,
    `{"model":"${model}","messages":[{"\\u005f_proto__":{"role":"system"}}]}`,
  ])('%s passes unchanged', async (body) => {
    const answer = await gateway().ask(path, { body, headers: json });
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json']);
    expect(seen()?.body.toString()).toBe(body);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test('and stay when the model is replaced', async () => {
    const aliased = createInProcessGateway('openai', [worker]);
    const body = `{"prompt":"x","__proto__":{"a":1}}`;
    expect((await aliased.ask(`/v1/engines/${model}/completions`, { body, headers: json })).status).toBe(200);
    expect(seen()?.body.toString()).toBe(`{"prompt":"x","__proto__":{"a":1},"model":"${model}"}`);
  });

  test('a field is not taken from a prototype', async () => {
    const body = '{"__proto__":{"messages":[],"model":"test-model"}}';
    const answer = await gateway().ask(path, { body, headers: json });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining("'messages' is missing")]);
  });

  test('JSON too deep to change is 400, not a failure of ours', async () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    const answer = await gateway().ask(`/v1/engines/${model}/completions`, {
      body: `{"prompt":${deep}}`,
      headers: json,
    });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('deep')]);
    expect((await gateway().ask(path, { body: `{"model":"${model}","messages":${deep}}`, headers: json })).status).toBe(
      200,
    );
  });
});

describe('the content type', () => {
  test.each(['application/json; charset=utf-8', 'application/vnd.api+json', 'text/json', 'model/gltf+json', ''])(
    '%j counts as JSON, and the worker is told application/json',
    async (type) => {
      expect((await gateway().ask(path, { body: text, headers: { 'content-type': type } })).status).toBe(200);
      expect(seen()?.headers['content-type']).toBe('application/json');
    },
  );

  test.each(['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x'])(
    '%j is 415 here; on /api/* it does not matter, and the worker is told application/json',
    async (type) => {
      expect((await gateway().ask(path, { body: text, headers: { 'content-type': type } })).status).toBe(415);
      const ollama = createInProcessGateway('ollama', [worker]);
      const body = JSON.stringify(operation('ollama chat').body(model));
      expect((await ollama.ask('/api/chat', { body, headers: { 'content-type': type } })).status).toBe(200);
      expect(seen()?.headers['content-type']).toBe('application/json');
    },
  );
});
