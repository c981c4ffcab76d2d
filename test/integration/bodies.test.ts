import zlib from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Aws, startAws } from '../support/aws.ts';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { type Gateway, nodeIdOf, startGateway } from '../support/gateway.ts';
import { operation } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';

/** docs/contract.md 1, 2 and 5: what clients make of a body, with aliases in play, through the runtime client. */
const prefix = '/localai-gateway/test';
let aws: Aws;
let local: StandIn;
let vllm: StandIn;
let gateway: Gateway;
beforeAll(async () => {
  aws = await startAws();
  const put = (name: string, value: object) => aws.ssm.put(`${prefix}/${name}`, JSON.stringify(value));
  local = await startWorker({ name: 'local', models: ['tiny', 'a'] });
  vllm = await startWorker({ name: 'vllm', models: ['large', 'b'] });
  const setting = (worker: StandIn, engine: string) => ({
    id: nodeIdOf(worker),
    url: worker.url,
    engine,
    models: worker.models(),
  });
  put('services/fixed', { workers: [setting(local, 'localai'), setting(vllm, 'vllm')] });
  put('runtime/aliases', { 'whisper-1': 'tiny', 'gpt-4o': 'large' });
  gateway = await startGateway({
    env: { ...aws.env, GATEWAY_SSM_PREFIX: prefix, GATEWAY_CONFIG_TTL_SECONDS: '60' },
    functions: ['registrar', 'openai', 'audio', 'ollama', 'images'],
    limits: { maxEnvironments: 1 },
  });
  const schedule = { 'detail-type': 'Scheduled Event', source: 'aws.events' };
  expect(await gateway.invoke('registrar', schedule)).toMatchObject({ workers: 2 });
});
afterAll(async () => {
  await gateway?.close();
  await Promise.all([local, vllm, aws].map((one) => one?.close()));
});
beforeEach(() => {
  for (const worker of [local, vllm]) worker.reset();
});

const chat = '/v1/chat/completions';
const transcriptions = '/v1/audio/transcriptions';
const reached = () => [...local.requests, ...vllm.requests];
const json = { 'content-type': 'application/json' };

describe('a form under an alias', () => {
  const type = 'multipart/form-data; boundary=b';
  const send = (body: string | Buffer, query = '', contentType = type) =>
    gateway.fetch(`${transcriptions}${query}`, {
      method: 'POST',
      headers: { 'content-type': contentType },
      body: Buffer.from(body as string, 'latin1'),
    });
  const part = (disposition: string, content: string) =>
    `--b\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`;
  const file = part('name="file"; filename="a.wav"', 'RIFF\0\xff\r\n--\r\n');
  const form = (model: string) => `${file}${part('name="model"', model)}--b--\r\n`;

  test.each<[string, (model: string) => string]>([
    ['as clients write it', form],
    [
      'a file name that talks like the field',
      (model) => `${part('name="file"; filename="a; name=model"', 'whisper-1')}${part('name=model', model)}--b--`,
    ],
    [
      'a quoted name inside a file name',
      (model) => `${part('name="file"; filename="\\"; name=\\"model"', 'whisper-1')}${part('name=model', model)}--b--`,
    ],
    [
      'the file name first',
      (model) => `${part('filename="x; name=model"; name="file"', 'whisper-1')}${part('name="model"', model)}--b--`,
    ],
    ['a folded header', (model) => `${file}${part('\r\n\tname="model"', model)}--b--`],
    ['an extended name', (model) => `${file}${part("name*=UTF-8''m%6Fdel", model)}--b--`],
    ['twice', (model) => `${part('name="model"', model)}${file}${part('name="model"', model)}--b--`],
    [
      'a preamble and an epilogue that speak of the boundary',
      (model) => `This is --b, and --b--\r\n${form(model)}--b\r\nmodel`,
    ],
    ['the prompt says the same', (model) => `${part('name="prompt"', 'whisper-1')}${form(model)}`],
  ])('%s: the model part changes and nothing else', async (_, make) => {
    const received = await send(make('whisper-1'));
    expect([received.status, reached().length]).toEqual([200, 1]);
    expect(local.requests[0]?.body.toString('latin1')).toBe(make('tiny'));
    expect(local.requests[0]?.headers['content-type']).toBe(type);
  });

  test('without an alias every byte passes, those too that nobody can read', async () => {
    const odd = `--b \t\r\nContent-Disposition: form-data; name="model"\r\n\r\nb\r\n--b\r\n\r\n\r\n--b\r\nx\r\n${form('tiny')}`;
    expect((await send(odd)).status).toBe(200);
    expect(local.requests[0]?.body.toString('latin1')).toBe(odd);
  });

  test('of 32,000 empty parts costs what its bytes cost', async () => {
    const hurting = (model: string) => `${'--b\r\n\r\n\r\n'.repeat(32_000)}${form(model)}`;
    await send(form('whisper-1'));
    const startedAt = performance.now();
    expect((await send(hurting('whisper-1'))).status).toBe(200);
    // A search to the end of the body for every part takes a quarter minute.
    expect(performance.now() - startedAt).toBeLessThan(6000);
    expect(local.requests.at(-1)?.body.toString('latin1') === hurting('tiny')).toBe(true);
  });

  test.each(['', '--b', form('tiny').slice(0, -6), '{"model":"tiny"}'])('%j is 400', async (body) => {
    const received = await send(body || ' ');
    expectErrorIn('openai', received);
    expect([received.status, reached().length]).toEqual([400, 0]);
  });

  test('a query that names another model does not lead the worker astray', async () => {
    expect((await send(form('whisper-1'), '?model=a&x=1')).status).toBe(200);
    expect(local.requests[0]?.path).toBe(`${transcriptions}?model=tiny&x=1`);
    expect((await send(`${file}--b--`, '?model=whisper-1')).status).toBe(200);
    expect(local.requests[1]?.fields.model).toBe('tiny');
  });
});

describe('a model in the query', () => {
  const ask = (query: string, body: object = { messages: [] }) => gateway.fetch(`${chat}?${query}`, { body });

  test('is routed by; LocalAI reads it there, others are told', async () => {
    const text = '{ "messages": [] }';
    const sent = await gateway.fetch(`${chat}?model=a&beta=true`, { headers: json, body: text });
    expect([sent.status, sent.headers['x-localai-node']]).toEqual([200, nodeIdOf(local)]);
    expect([local.requests[0]?.body.toString(), local.requests[0]?.path]).toEqual([text, `${chat}?model=a&beta=true`]);
    const other = await ask('model=b');
    expect([other.status, other.headers['x-localai-node']]).toEqual([200, nodeIdOf(vllm)]);
    expect(vllm.requests[0]?.fields).toEqual({ messages: [], model: 'b' });
  });

  test('may be an alias, and comes after the body’s and the path’s', async () => {
    expect((await ask('model=gpt-4o')).headers['x-localai-node']).toBe(nodeIdOf(vllm));
    expect(vllm.requests[0]?.fields.model).toBe('large');
    expect((await ask('model=b', { model: 'a', messages: [] })).headers['x-localai-node']).toBe(nodeIdOf(local));
    const inPath = await gateway.fetch('/v1/engines/a/completions?model=b', { body: { prompt: 'x' } });
    expect(inPath.headers['x-localai-node']).toBe(nodeIdOf(local));
  });

  test('that nobody has is 404', async () => {
    const received = await ask('model=nobody-has-it');
    expectErrorIn('openai', received);
    expect(received.status).toBe(404);
  });
});

describe('/api/show', () => {
  test('goes by model, else by name', async () => {
    await gateway.fetch('/api/show', { body: { model: 'a', name: 'b' } });
    await gateway.fetch('/api/show', { body: { model: '', name: 'a' } });
    expect([local.requests.length, vllm.requests.length]).toEqual([2, 0]);
  });
});

describe('what agents and shells send', () => {
  const body = operation('chat').body('a') as object;
  const text = JSON.stringify(body);

  test.each<[string, (bytes: string) => Buffer]>([
    ['gzip', zlib.gzipSync],
    ['zstd', zlib.zstdCompressSync],
    ['br', zlib.brotliCompressSync],
    ['deflate', zlib.deflateSync],
    ['gzip, br', (bytes) => zlib.brotliCompressSync(zlib.gzipSync(bytes))],
  ])('%s', async (coding, encode) => {
    const headers = { ...json, 'content-encoding': coding };
    const received = await gateway.fetch(chat, { method: 'POST', headers, body: encode(text) });
    expect([received.status, local.requests[0]?.body.toString()]).toEqual([200, text]);
    expect(local.requests[0]?.headers).not.toHaveProperty('content-encoding');
  });

  test('a coding nobody knows is 415, a damaged body 400, a bomb 413', async () => {
    const send = (coding: string, bytes: Buffer) =>
      gateway.fetch(chat, { method: 'POST', headers: { ...json, 'content-encoding': coding }, body: bytes });
    const unknown = await send('compress', Buffer.from(text));
    expect([unknown.status, unknown.headers['accept-encoding']]).toEqual([415, expect.stringContaining('zstd')]);
    expect((await send('gzip', Buffer.from(text))).status).toBe(400);
    const bomb = await send('gzip', zlib.gzipSync(Buffer.alloc(100_000_001)));
    expectErrorIn('openai', bomb);
    expect([bomb.status, reached().length]).toEqual([413, 0]);
    // The environment lives on.
    expect((await gateway.fetch(chat, { body })).status).toBe(200);
  });

  test('a byte order mark', async () => {
    const received = await gateway.fetch(chat, { headers: json, body: `\ufeff${text}` });
    expect([received.status, local.requests[0]?.body.toString()]).toEqual([200, text]);
  });

  test('curl -d: its form type on /api/*, and the worker is told JSON', async () => {
    const ollama = JSON.stringify(operation('ollama chat').body('a'));
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await gateway.fetch('/api/chat', { headers, body: ollama })).status).toBe(200);
    expect(local.requests[0]?.headers['content-type']).toBe('application/json');
    expect((await gateway.fetch(chat, { headers, body: text })).status).toBe(415);
  });

  test('a tool whose schema has __proto__', async () => {
    const tools =
      '[{"type":"function","function":{"name":"f","parameters":{"properties":{"__proto__":{},"constructor":{"prototype":1}}}}}]';
    const sent = `{"model":"a","messages":[],"tools":${tools}}`;
    const received = await gateway.fetch(chat, { headers: json, body: sent });
    expect([received.status, local.requests[0]?.body.toString()]).toEqual([200, sent]);
  });

  test('a conversation kept by somebody else is refused', async () => {
    const received = await gateway.fetch('/v1/responses', { body: { model: 'a', input: 'x', conversation: 'conv_1' } });
    expectErrorIn('openai', received);
    expect([received.status, received.json()]).toEqual([
      400,
      { error: expect.objectContaining({ param: 'conversation' }) },
    ]);
  });

  test('a key in the query or as api-key goes no further', async () => {
    const headers = { ...json, 'api-key': 'secret', 'x-goog-api-key': 'secret' };
    await gateway.fetch(`${chat}?key=secret&beta=true&api_key=secret`, { headers, body: text });
    expect(local.requests[0]?.path).toBe(`${chat}?beta=true`);
    expect(JSON.stringify(local.requests[0]?.rawHeaders)).not.toContain('secret');
  });
});

test('response_format is put in for LocalAI and for nobody else, whichever answers', async () => {
  const text = '{"model":"b","prompt":"x"}';
  await gateway.fetch('/v1/images/generations', { headers: json, body: text });
  await gateway.fetch('/v1/images/generations', { headers: json, body: text.replace('"b"', '"a"') });
  expect(local.requests.map(({ fields }) => fields)).toEqual([
    { model: 'a', prompt: 'x', response_format: 'b64_json' },
  ]);
  for (const { body } of vllm.requests) expect(body.toString()).toBe(text);
});
