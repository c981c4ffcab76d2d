import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDeferred } from '../support/deferred.ts';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { endingOf } from '../support/endings.ts';
import { type Gateway, nodeIdOf, startGateway } from '../support/gateway.ts';
import { sendBytes } from '../support/http.ts';
import { canonicalOf, operation, operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import {
  type Behaviour,
  combine,
  encoded,
  holdAt,
  modelLoading,
  raw,
  redirect,
  reply,
  withHeaders,
} from '../support/worker/behaviours.ts';

/** Whatever a client or a worker sends: a truthful answer, one path, and an environment that lives. */
const model = 'test-model';
const chat = operation('chat');
const path = '/v1/chat/completions';
let worker: StandIn;
let gateway: Gateway;
let pids: string;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
  gateway = await startGateway({
    workers: [worker],
    env: { GATEWAY_IDLE_TIMEOUT_SECONDS: '0.4' },
    limits: { maxEnvironments: 1 },
  });
  for (const one of operations) await gateway.fetch(pathOf(one, model), { body: one.body(model) });
  pids = living();
});
const living = () => gateway.environments().map(({ pid }) => pid).sort().join(); // biome-ignore format: one line
beforeEach(() => worker.reset());
afterAll(async () => {
  try {
    expect(living()).toBe(pids);
  } finally {
    await Promise.all([gateway?.close(), worker?.close()]);
  }
});

const ask = (behaviour: Behaviour, stream = false) => {
  worker.next(behaviour);
  return gateway.fetch(path, { body: chat.body(model, stream) });
};
const head = (lines: string, body = '{"ok":true}') =>
  raw(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n${lines}\r\n${body}`);

describe("a worker's headers", () => {
  test.each([
    ['NUL', 'x-odd: a\x00b\r\n'],
    ['a control', 'x-odd: a\x1bb\r\n'],
    ['DEL', 'x-odd: a\x7fb\r\n'],
  ])('%s in a value costs that header, not the answer', async (_, line) => {
    const received = await ask(head(`x-before: 1\r\n${line}x-after: 2\r\n`));
    expect([received.status, received.text]).toEqual([200, '{"ok":true}']);
    expect(received.headers).not.toHaveProperty('x-odd');
    expect(received.headers).toMatchObject({ 'x-before': '1', 'x-localai-node': nodeIdOf(worker) });
  });

  test.each([
    ['a bare CR', 'x-odd: a\rb\r\n'],
    ['a bare CR and a header', 'x-odd: a\rset-cookie: evil=1\r\n'],
    ['LF and a header', 'x-odd: a\nset-cookie: evil=1\nx-localai-node: evil\r\n'],
    ['LF and a body', 'x-odd: a\n\n<script>evil</script>\r\n'],
    ['a folded line', 'x-odd: a\r\n evil: 1\r\n'],
    ['a header without a name', ': evil\r\n'],
    ['a space before the colon', 'x-odd : evil\r\n'],
    ['a name with a space', 'x odd: evil\r\n'],
    ['a name with a NUL', 'x\x00odd: evil\r\n'],
    ['a line without a colon', 'evil\r\n'],
    ['__proto__', '__proto__: evil\r\nconstructor: evil\r\n'],
  ])('%s splits nothing', async (_, line) => {
    const received = await ask(head(line));
    expect([200, 502]).toContain(received.status);
    if (received.status === 502) expectErrorIn('openai', received);
    for (const name of ['set-cookie', 'evil']) expect(received.headers).not.toHaveProperty(name);
    expect(received.headers['x-localai-node']).toBe(nodeIdOf(worker));
  });

  test('several of one name are joined, nothing that matters is replaced', async () => {
    const received = await ask(head('x-a: 1\r\nx-a: 2\r\nx-request-id: evil\r\nx-correlation-id: evil\r\n'));
    expect(received.headers['x-a']).toBe('1, 2');
    expect(received.rawHeaders.join()).not.toContain('evil');
  });

  test.each([
    ['300 of them', Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`x-header-${n}`, 'v'.repeat(20)]))],
    ['a value of 12 KB', { 'x-big': 'v'.repeat(12_000) }],
    ['quotes that grow in JSON', { 'x-big': '"\\'.repeat(4000) }],
    ['many bytes beyond ASCII', { 'x-big': '\xff'.repeat(7000) }],
  ])('%s: what the platform cannot carry is left out, the largest first', async (_, headers) => {
    const received = await ask(withHeaders({ ...headers, 'x-small': 'kept' }));
    expect([received.status, endingOf(chat, received)]).toEqual([200, 'whole']);
    expect(received.headers['content-type']).toBe('application/json');
    expect(received.headers['x-small']).toBe('kept');
    expect(received.headers['x-correlation-id']).toMatch(/./);
    expect(received.headers['x-localai-node']).toBe(nodeIdOf(worker));
  });
});

describe('a body that is encoded although identity was asked for', () => {
  test.each(['gzip', 'br'] as const)('%s: decoded, buffered and streamed', async (encoding) => {
    for (const stream of [false, true]) {
      const plain = await ask({}, stream);
      const received = await ask(encoded(encoding), stream);
      expect(received.body.equals(plain.body)).toBe(true);
      expect(received.headers).not.toHaveProperty('content-encoding');
      expect(worker.requests[0]?.headers['accept-encoding']).toBe('identity');
    }
  });

  test('deflate and x-gzip, in capitals', async () => {
    const body = '{"ok":true}';
    for (const [name, bytes] of [
      ['DEFLATE', deflateSync(body)],
      ['X-GZip', gzipSync(body)],
    ] as const) {
      const received = await ask(reply(200, bytes, { 'content-encoding': name }));
      expect(received.text).toBe(body);
    }
  });

  test('a stream is decoded as it comes', async () => {
    const { createGzip } = await import('node:zlib');
    const release = createDeferred();
    worker.next({
      deliver: async ({ response }, answer) => {
        const gzip = createGzip({ flush: 2 });
        response.writeHead(200, { ...answer.headers, 'content-encoding': 'gzip' });
        gzip.pipe(response);
        gzip.write(answer.parts[0]);
        await release.promise;
        for (const part of answer.parts.slice(1)) gzip.write(part);
        gzip.end();
      },
    });
    const reply_ = await gateway.send(path, { body: chat.body(model, true) });
    expect(await reply_.until('\n\n')).toMatch(/^data: /);
    release.resolve();
    expect(endingOf(chat, await reply_.all())).toBe('whole');
  });

  test.each([
    ['cut', gzipSync('{"ok":true}').subarray(0, 15)],
    ['no such encoding at all', Buffer.from('{"ok":true}')],
    ['rubbish behind', Buffer.concat([gzipSync('{"ok":true}'), Buffer.from('rubbish')])],
  ])('%s is no whole answer', async (_, bytes) => {
    const received = await ask(reply(200, bytes, { 'content-encoding': 'gzip' }));
    if (received.status === 502) expectErrorIn('openai', received);
    else expect(received.complete).toBe(false);
    const streamed = await ask(combine(encoded('br'), { change: half }), true);
    expect(['error', 'broken']).toContain(streamed.status === 502 ? 'error' : endingOf(chat, streamed));
  });

  test('an encoding nobody knows passes as it is', async () => {
    const bytes = brotliCompressSync('x');
    const received = await ask(reply(200, bytes, { 'content-encoding': 'compress' }));
    expect([received.headers['content-encoding'], received.body.equals(bytes)]).toEqual(['compress', true]);
  });
});

describe("a client's headers", () => {
  test('200 of them, and long ones, pass', async () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`x-header-${n}`, 'v'.repeat(20)]));
    for (const headers of [many, { 'x-long': 'v'.repeat(7000) }]) {
      expect((await gateway.fetch(path, { headers, body: chat.body(model) })).status).toBe(200);
      expect(worker.requests.at(-1)?.headers).toMatchObject(headers);
    }
  });

  test('Expect: 100-continue is answered here', async () => {
    const received = await gateway.fetch(path, { headers: { expect: '100-continue' }, body: chat.body(model) });
    expect(received.status).toBe(200);
    expect(worker.requests[0]?.headers).not.toHaveProperty('expect');
  });

  test.each([
    ['two lengths', 'Content-Length: 2\r\nContent-Length: 3\r\n'],
    ['a length and chunks', 'Content-Length: 2\r\nTransfer-Encoding: chunked\r\n'],
    ['a length that is none', 'Content-Length: +2\r\n'],
  ])('%s never reach a worker', async (_, lines) => {
    const request = `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n${lines}\r\n{}`;
    expect((await sendBytes(gateway.origin, request)).toString()).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(worker.requests).toHaveLength(0);
  });

  test('the worker gets one length, of the bytes it gets, and no coding', async () => {
    const text = JSON.stringify(chat.body(model));
    const chunked = `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n0\r\n\r\n`;
    expect((await sendBytes(gateway.origin, chunked)).toString()).toMatch(/^HTTP\/1\.1 200 /);
    const [seen] = worker.requests;
    expect(seen?.headers['transfer-encoding']).toBeUndefined();
    expect(seen?.headers['content-length']).toBe(String(Buffer.byteLength(text)));
    expect(seen?.body.toString()).toBe(text);
  });

  test('Connection cannot take away what the gateway writes', async () => {
    const connection = 'close, x-correlation-id, accept-encoding, x-forwarded-for, content-length, host, x-own';
    const headers = { connection, 'x-own': '1', 'x-correlation-id': 'mine' };
    const received = await gateway.fetch(path, { headers, body: chat.body(model) });
    expect([received.status, received.headers['x-correlation-id']]).toEqual([200, 'mine']);
    expect(worker.requests[0]?.headers).toMatchObject({
      'x-correlation-id': 'mine',
      'accept-encoding': 'identity',
      'x-forwarded-for': '127.0.0.1',
    });
    expect(worker.requests[0]?.headers).not.toHaveProperty('x-own');
  });

  test('HEAD where only POST is served has no body', async () => {
    const received = await gateway.fetch(path, { method: 'HEAD' });
    expect([received.status, received.headers.allow, received.body.length]).toEqual([405, 'POST', 0]);
  });
});

describe('request targets', () => {
  const canonical = new Set(operations.map(canonicalOf));
  const targets = [
    'http://169.254.169.254/latest/meta-data',
    '//evil.example/v1/chat/completions',
    '/v1/chat/completions/../../admin',
    '/v1/chat/%2e%2e/completions',
    '/v1%2fchat/completions',
    '/v1/chat/completions%00',
    '/v1/chat/completions;x=1',
    '/v1/chat/completions%3Fx=1',
    '/V1/chat/completions',
    '/v1/text-to-speech/..',
    '/v1/text-to-speech/.',
    '/v1/text-to-speech/%2e%2e',
    '/v1/text-to-speech/%2e%2e%2f%2e%2e%2fadmin',
    '/v1/text-to-speech/..%2f..%2fadmin',
    '/v1/text-to-speech/..%5c..%5cadmin',
    '/v1/text-to-speech/a/b',
    '/v1/text-to-speech/a%0d%0aHost:%20evil',
    '/v1/text-to-speech/a%00',
    '/v1/text-to-speech/%',
    '/v1/text-to-speech/%ff',
    '/v1/engines/../../admin/completions',
    '/v1/engines/%2e%2e%2fadmin/embeddings',
    '/v1/models/../../admin',
    '/v1/models/..%2f..%2fadmin',
    '/.well-known/localai.json',
    '/metrics',
    '/system',
    '/generated-images/alpha.png',
  ];

  test.each(targets)('%s', async (target) => {
    const fields = { model, messages: [], prompt: 'x', input: 'x', text: 'x' };
    const received = await gateway.fetch('/', { method: 'POST', target, body: fields });
    expect(received.status).toBeGreaterThanOrEqual(400);
    expect(received.status).toBeLessThan(500);
    for (const seen of [...worker.requests, ...worker.probes]) {
      expect(canonical).toContain(seen.path.split('?')[0]);
      expect(seen.headers.host).toBe(new URL(worker.url).host);
    }
  });

  test('in absolute form is served, whatever host it names', async () => {
    for (const target of [`http://${new URL(gateway.origin).host}${path}?x=1`, `http://evil.example${path}?x=1`]) {
      const received = await gateway.fetch('/', { method: 'POST', target, body: chat.body(model) });
      expect([target, received.status]).toEqual([target, 200]);
      expect(worker.requests.at(-1)?.path).toBe(`${path}?x=1`);
      expect(worker.requests.at(-1)?.headers.host).toBe(new URL(worker.url).host);
    }
  });

  test('/ answers on every function’s own URL, with GET and HEAD', async () => {
    for (const family of new Set(operations.map((one) => one.family))) {
      for (const method of ['HEAD', 'GET']) {
        const reply_ = await fetch(`${gateway.urlOf(family)}/`, { method });
        expect([family, method, reply_.status]).toEqual([family, method, 200]);
      }
    }
  });

  test('/models/apply is no model', async () => {
    for (const method of ['POST', 'GET']) {
      const received = await gateway.fetch('/models/apply', { method, ...(method === 'POST' && { body: {} }) });
      expectErrorIn('openai', received);
      expect([received.status, received.text]).toEqual([404, expect.stringContaining('There is no /models/apply')]);
    }
  });

  test.each([
    ['a%3Fb', 'a%3Fb'],
    ['a%23b', 'a%23b'],
    ['J%C3%B6rg', 'J%C3%B6rg'],
    ['%25', '%25'],
    ['a@evil', 'a%40evil'],
    ['%2525', '%2525'],
  ])('a voice named %s stays one segment', async (voice, seen) => {
    const body = { model_id: model, text: 'x' };
    expect((await gateway.fetch(`/v1/text-to-speech/${voice}`, { body })).status).toBe(200);
    expect(worker.requests.map((one) => one.path)).toEqual([`/v1/text-to-speech/${seen}`]);
  });

  test.each(['x=../../admin', '@evil.example', 'x=%0d%0aHost:%20evil', '?', '//evil.example', 'x=%00', 'x=%ff&%C3%B6'])(
    'the query %s stays a query',
    async (query) => {
      const target = `${path}?${query}`;
      const received = await gateway.fetch('/', { method: 'POST', target, body: chat.body(model) });
      expect(received.status).toBe(200);
      expect(worker.requests[0]?.path).toBe(target);
      expect(worker.requests[0]?.headers.host).toBe(new URL(worker.url).host);
    },
  );

  test.each([
    ['../elsewhere', '/v1/elsewhere'],
    ['?x=1', '/v1/chat/completions?x=1'],
    ['HTTP://user:pass@HOST/x', '/x'],
    ['http:/x', undefined],
    ['//evil.example/x', undefined],
    ['/\\evil.example', undefined],
    ['https://HOST/x', undefined],
    ['javascript:alert(1)', undefined],
    ['http://HOST.evil.example/x', undefined],
  ])("a worker's Location %j becomes %j", async (location, expected) => {
    const { host } = new URL(worker.url);
    const received = await ask(redirect(location.replace('HOST', host), 307));
    if (expected !== undefined) expect([received.status, received.headers.location]).toEqual([307, expected]);
    else if (received.status === 502) expectErrorIn('openai', received);
    // What a header cannot hold is left out; what remains must not lead away.
    else expect(received.headers.location ?? '/').toMatch(/^\/(?![/\\])/);
    expect(worker.requests).toHaveLength(1);
  });
});

describe('JSON that is built to hurt', () => {
  const send = (to: string, text: string) =>
    gateway.fetch(to, { headers: { 'content-type': 'application/json' }, body: text });
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;

  test.each([
    ['where a field has to be added', '/v1/images/generations', `{"model":"${model}","prompt":"x","deep":${deep}}`],
    ['where the model comes from the path', `/v1/engines/${model}/completions`, `{"prompt":"x","deep":${deep}}`],
    ['where nothing changes', path, `{"model":"${model}","messages":[],"deep":${deep}}`],
    ['as messages', path, `{"model":"${model}","messages":${deep}}`],
    ['as a prompt', '/v1/completions', `{"model":"${model}","prompt":${deep}}`],
    ['as input', '/v1/responses', `{"model":"${model}","input":${deep}}`],
    ['as a system prompt', '/v1/messages', `{"model":"${model}","messages":[],"system":${deep}}`],
  ])('depth %s', async (_, to, text) => {
    const received = await send(to, text);
    expect([200, 400]).toContain(received.status);
    if (received.status === 400) expectErrorIn(to === '/v1/messages' ? 'anthropic' : 'openai', received);
  });

  test.each([
    [`{"model":"${model}","messages":[],"__proto__":{"stream":true,"model":"x"}}`],
    [`{"model":"${model}","messages":[],"constructor":{"prototype":{"stream":true}}}`],
    [`{"model":"${model}","messages":[{"__proto__":{"role":"system","content":5}}]}`],
    [`{"model":"${model}","messages":[null,1,"x",[],{"role":7,"content":{"a":1}},{"content":[null,{"text":8}]}]}`],
    [`{"model":"${model}","messages":[],"prompt_cache_key":{"toString":1}}`],
  ])('%s passes unchanged or is 400', async (text) => {
    const received = await send(path, text);
    expect([200, 400]).toContain(received.status);
    if (received.status === 400) return void expectErrorIn('openai', received);
    expect(worker.requests[0]?.body.toString()).toBe(text);
    expect(received.headers['content-type']).toBe('application/json');
  });

  test('a field named twice: the worker reads the one that was routed by', async () => {
    const received = await send(path, `{"model":"nobody-has-it","model":"${model}","messages":[]}`);
    expect([received.status, worker.requests[0]?.fields.model]).toEqual([200, model]);
    expect((await send(path, `{"model":"${model}","model":"nobody-has-it","messages":[]}`)).status).toBe(404);
  });
});

describe('a 503 while the header is off', () => {
  let off: Gateway;
  beforeAll(async () => {
    off = await startGateway({
      workers: [worker],
      functions: ['openai'],
      env: { LOCALAI_EXPOSE_NODE_HEADER: undefined, GATEWAY_IDLE_TIMEOUT_SECONDS: '0.3' },
      limits: { maxEnvironments: 1 },
    });
  });
  afterAll(() => off?.close());
  const askOff = (behaviour: Behaviour) => {
    worker.next(behaviour);
    return off.fetch(path, { body: chat.body(model) });
  };

  test('passes whole, however long', async () => {
    const words = { error: 'x'.repeat(300_000) };
    const received = await askOff(reply(503, words));
    expect([received.status, received.text === JSON.stringify(words)]).toEqual([503, true]);
  });

  test.each(['', 'model', 7, null, { a: 1 }])('names no node, whatever %j is', async (node) => {
    const received = await askOff(modelLoading(model, node as string));
    expect(received.json()).toMatchObject({ error: { code: 'model_loading', type: 'model_loading' } });
    expect((received.json() as { loading: object }).loading).not.toHaveProperty('node');
    expect(received.text).toContain(`"model":"${model}"`);
  });

  test('that is cut is 502, that stops is 504', async () => {
    const body = { error: { message: 'x'.repeat(1000) } };
    const head = 'HTTP/1.1 503 No\r\ncontent-type: application/json\r\ncontent-length: 2000\r\n\r\n';
    const half = raw(head + JSON.stringify(body));
    const broken = await askOff(half);
    expectErrorIn('openai', broken);
    expect(broken.status).toBe(502);
    const open = await askOff(raw(head + JSON.stringify(body), 'open'));
    expectErrorIn('openai', open);
    expect(open.status).toBe(504);
  });
});

test('a request in flight does not hold back the next one of another client', async () => {
  const release = createDeferred();
  await using two = await startGateway({ workers: [worker], functions: ['openai'], limits: { maxEnvironments: 2 } });
  worker.next(holdAt(1, release.promise));
  const held = await two.send(path, { body: chat.body(model, true) });
  expect((await two.fetch(path, { body: chat.body(model) })).status).toBe(200);
  release.resolve();
  expect(endingOf(chat, await held.all())).toBe('whole');
});

function half(answer: Parameters<NonNullable<Behaviour['change']>>[0]) {
  const body = Buffer.concat(answer.parts);
  return { ...answer, parts: [body.subarray(0, body.length / 2)] };
}
