import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { door, type Gateway, nodeIdOf, settingOf, startGateway } from '../support/gateway.ts';
import { send } from '../support/http.ts';
import { canonicalOf, operation, operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { withHeaders } from '../support/worker/behaviours.ts';
import type { RecordedRequest } from '../support/worker/recording.ts';

const model = 'test-model';
let alpha: StandIn;
let beta: StandIn;
let gateway: Gateway;

beforeAll(async () => {
  [alpha, beta] = await Promise.all([
    startWorker({ name: 'alpha', models: [model, 'Qwen/Qwen3-8B'] }),
    startWorker({ name: 'beta', models: ['other-model'] }),
  ]);
  gateway = await startGateway({ workers: [alpha, beta] });
});
afterAll(() => Promise.all([gateway?.close(), alpha?.close(), beta?.close()]));
beforeEach(() => {
  alpha.reset();
  beta.reset();
});

/** The one request that reached a worker. */
const only = (): RecordedRequest => {
  expect([...alpha.requests, ...beta.requests]).toHaveLength(1);
  return (alpha.requests[0] ?? beta.requests[0]) as RecordedRequest;
};

const cases = operations.flatMap((one) =>
  one.paths.flatMap((path, alias) => {
    const ways = one.streams === 'sse' || one.streams === 'ndjson' ? [false, true] : [false];
    return ways.map((stream) => [`${path}${stream ? ' streamed' : ''}`, one, alias, stream] as const);
  }),
);

describe.each(cases)('POST %s', (_, one, alias, stream) => {
  test('body and answer pass byte for byte, and the header names the worker', async () => {
    const path = pathOf(one, model, alias);
    const sent = await bytesOf(one.body(model, stream));
    const received = await gateway.fetch(`${path}?beta=true&x=%2F+a`, { method: 'POST', ...sent });
    const seen = only();
    expect(received).toMatchObject({ status: 200, complete: true });
    expect(seen.body.equals(sent.body)).toBe(true);
    expect(received.body.equals(seen.sent())).toBe(true);
    expect(received.body.length).toBeGreaterThan(0);
    // API Gateway decodes it, and it is written anew.
    const query = door === 'rest' ? 'x=%2F%20a' : 'x=%2F+a';
    expect(seen.path).toBe(`${canonicalOf(one)}?beta=true&${query}`);
    expect(seen.headers['content-type']).toBe(sent.headers['content-type']);
    expect(received.headers['x-localai-node']).toBe(nodeIdOf(alpha));
    expect(received.headers['x-stand-in']).toBe('alpha');
  });
});

describe.each(operations.map((one) => [one.name, one] as const))('%s', (_, one) => {
  test('has its own function URL', async () => {
    const url = gateway.urlOf(one.family) + pathOf(one, model);
    const reply = await send(url, { method: 'POST', ...(await bytesOf(one.body(model))) });
    expect(reply.status).toBe(200);
    expect(reply.headers['x-localai-node']).toBe(nodeIdOf(alpha));
    await reply.all();
  });
});

describe('paths', () => {
  const chat = operation('chat');

  test('a trailing slash is ignored', async () => {
    const { status } = await gateway.fetch('/v1/chat/completions/', { body: chat.body(model) });
    expect([status, only().path]).toEqual([200, '/v1/chat/completions']);
  });

  test.each([['Qwen/Qwen3-8B'], ['Qwen%2FQwen3-8B']])('a model in the path goes into the body: %s', async (inPath) => {
    const { status } = await gateway.fetch(`/v1/engines/${inPath}/completions`, { body: { prompt: 'Once' } });
    expect(status).toBe(200);
    expect(only().path).toBe('/v1/completions');
    expect(only().fields).toEqual({ model: 'Qwen/Qwen3-8B', prompt: 'Once' });
  });

  test('a model in the path that only the other worker has', async () => {
    const received = await gateway.fetch('/v1/engines/other-model/embeddings', { body: { input: 'a' } });
    expect(received.headers['x-localai-node']).toBe(nodeIdOf(beta));
  });

  test('an empty query stays empty', async () => {
    await gateway.fetch('/v1/chat/completions', { body: chat.body(model) });
    expect(only().path).toBe('/v1/chat/completions');
  });

  test('models are asked for where they are not given', async () => {
    const asking = [alpha, beta].map((worker) => settingOf(worker, { models: undefined }));
    await using other = await startGateway({ workers: asking, functions: ['openai'] });
    const received = await other.fetch('/v1/models');
    const { data } = received.json() as { data: { id: string }[] };
    expect(data.map(({ id }) => id).sort()).toEqual(['Qwen/Qwen3-8B', 'other-model', model].sort());
    const answer = await other.fetch('/v1/chat/completions', { body: chat.body('other-model') });
    expect(answer.headers['x-localai-node']).toBe(nodeIdOf(beta));
  });

  test('a trailing :latest is ignored on both sides', async () => {
    const { status } = await gateway.fetch('/api/chat', { body: operation('ollama chat').body(`${model}:latest`) });
    expect(status).toBe(200);
    expect(only().fields.model).toBe(`${model}:latest`);
  });

  test('a request without a model goes to any worker', async () => {
    const received = await gateway.fetch('/v1/rerank', { body: { query: 'q', documents: ['a'] } });
    expect(received.status).toBe(200);
    expect([nodeIdOf(alpha), nodeIdOf(beta)]).toContain(received.headers['x-localai-node']);
  });

  test('each worker gets only its own models', async () => {
    for (let turn = 0; turn < 8; turn += 1) {
      await gateway.fetch('/v1/chat/completions', { body: chat.body(turn % 2 ? model : 'other-model') });
    }
    expect(alpha.requests.map(({ fields }) => fields.model)).toEqual(Array(4).fill(model));
    expect(beta.requests.map(({ fields }) => fields.model)).toEqual(Array(4).fill('other-model'));
  });
});

describe('what the gateway answers itself', () => {
  const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
    gateway.fetch(path, { method, headers });

  test.each(['openai', 'anthropic', 'ollama', 'audio', 'images', 'rerank', 'vad'])(
    'GET /v1/models on %s: the union, one id once',
    async (family) => {
      const reply = await send(`${gateway.urlOf(family)}/v1/models`);
      const received = await reply.all();
      const { object, data } = received.json() as { object: string; data: { id: string; object: string }[] };
      expect([received.status, object]).toEqual([200, 'list']);
      expect(data.map(({ id }) => id).sort()).toEqual(['Qwen/Qwen3-8B', 'other-model', model].sort());
      expect(data.every((one) => one.object === 'model')).toBe(true);
      expect(received.headers).not.toHaveProperty('x-localai-node');
    },
  );

  test("GET /v1/models in Anthropic's shape", async () => {
    const received = await get('/v1/models', { 'anthropic-version': '2023-06-01' });
    expect(received.json()).toMatchObject({
      data: expect.arrayContaining([expect.objectContaining({ type: 'model', id: model })]),
      has_more: false,
    });
  });

  test.each([['/v1/models/Qwen/Qwen3-8B'], ['/v1/models/Qwen%2FQwen3-8B'], ['/models']])('GET %s', async (path) => {
    expect((await get(path)).status).toBe(200);
  });

  test('GET /v1/models/{id} of a model nobody has', async () => {
    const received = await get('/v1/models/nothing');
    expect([received.status, received.json()]).toMatchObject([404, { error: { code: 'model_not_found' } }]);
  });

  test("Ollama's lists", async () => {
    const tags = (await get('/api/tags')).json() as { models: { name: string }[] };
    expect(tags.models.map(({ name }) => name.replace(/:latest$/, ''))).toContain(model);
    expect((await get('/api/version')).json()).toEqual({ version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    expect((await get('/api/ps')).json()).toEqual({ models: expect.any(Array) });
    expect((await get('/')).text).toBe('Ollama is running');
    const shown = await gateway.fetch('/api/show', { body: { model } });
    expect(shown.json()).toMatchObject({ details: expect.any(Object) });
    expect((await gateway.fetch('/api/show', { body: { model: 'none' } })).status).toBe(404);
  });

  test.each(['/api/tags', '/api/version', '/'])('HEAD %s has no body', async (path) => {
    const received = await get(path, {}, 'HEAD');
    expect([received.status, received.body.length]).toEqual([200, 0]);
  });

  test('GET /api/nodes', async () => {
    const received = await get('/api/nodes');
    const nodes = received.json() as Record<string, unknown>[];
    expect(nodes.map(({ id }) => id).sort()).toEqual([nodeIdOf(alpha), nodeIdOf(beta)]);
    expect(nodes.map(({ name }) => name)).toEqual(nodes.map(({ name }) => name).sort());
    const fields = { node_type: 'backend', address: expect.any(String), status: 'healthy', models: expect.any(Array) };
    for (const node of nodes) expect(node).toMatchObject(fields);
    expect(received.headers).not.toHaveProperty('x-localai-node');
  });

  test('/v1/realtime is 501 and says why', async () => {
    const received = await get('/v1/realtime?model=x');
    expect(received.status).toBe(501);
    expect(received.json()).toMatchObject({ error: { message: expect.stringMatching(/websocket/i) } });
  });

  test.each(['openai', 'anthropic', 'ollama', 'audio', 'images', 'rerank', 'vad', 'nodes'])(
    '/healthz and /readyz on %s',
    async (family) => {
      for (const path of ['/healthz', '/readyz']) {
        const received = await (await send(gateway.urlOf(family) + path)).all();
        expect(received.status).toBe(200);
        expect(received.json()).toEqual(expect.any(Object));
      }
    },
  );
});

describe('headers to the worker', () => {
  const headersSeen = async (headers: readonly string[]) => {
    const body = JSON.stringify(operation('chat').body(model));
    const received = await gateway.fetch('/v1/chat/completions', {
      headers: ['Content-Type', 'application/json', ...headers],
      body,
    });
    expect(received.status).toBe(200);
    return only().headers;
  };

  test('end-to-end headers pass, identity is asked for, and the host is its own', async () => {
    const seen = await headersSeen(['Accept', 'text/event-stream', 'X-Custom', 'u']);
    expect(seen).toMatchObject({ accept: 'text/event-stream', 'x-custom': 'u', 'accept-encoding': 'identity' });
    expect(seen.host).toBe(new URL(alpha.url).host);
  });

  test('credentials, cookies and platform headers do not', async () => {
    const dropped = {
      authorization: 'Bearer secret',
      'x-api-key': 'secret',
      'xi-api-key': 'secret',
      cookie: 'token=secret; other=secret',
      'x-localai-node': 'forged',
      'x-amz-date': 'secret',
      'x-amzn-trace-id': 'Root=secret',
      'x-amz-security-token': 'secret',
      'proxy-authorization': 'Basic secret',
      te: 'trailers',
      'x-origin-secret': 'secret',
    };
    const seen = await headersSeen(Object.entries(dropped).flat());
    for (const name of Object.keys(dropped)) expect(seen).not.toHaveProperty([name]);
    expect(JSON.stringify(seen)).not.toMatch(/secret|forged/);
  });

  test('headers named in Connection do not', async () => {
    const seen = await headersSeen(['Connection', 'close, X-Hop', 'X-Hop', 'secret', 'Keep-Alive', 'timeout=9']);
    expect(seen).not.toHaveProperty('x-hop');
    expect(seen['keep-alive']).toBeUndefined();
  });

  test('x-forwarded-* are written by the gateway', async () => {
    const seen = await headersSeen([
      'X-Forwarded-For',
      '6.6.6.6',
      'X-Forwarded-Host',
      'evil',
      'X-Forwarded-Proto',
      'ftp',
    ]);
    expect(JSON.stringify(seen)).not.toMatch(/6\.6\.6\.6|evil|ftp/);
    expect(seen['x-forwarded-for']).toBe('127.0.0.1');
  });

  test('anthropic headers pass', async () => {
    await gateway.fetch('/v1/messages?beta=true', {
      headers: { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'tools-1' },
      body: operation('messages').body(model),
    });
    const { headers, path } = only();
    expect(headers).toMatchObject({ 'anthropic-version': '2023-06-01', 'anthropic-beta': 'tools-1' });
    expect(path).toBe('/v1/messages?beta=true');
  });
});

describe('headers to the client', () => {
  const headersBack = async (headers: Record<string, string>) => {
    alpha.next(withHeaders(headers));
    return (await gateway.fetch('/v1/chat/completions', { body: operation('chat').body(model) })).headers;
  };

  test('end-to-end headers pass', async () => {
    const received = await headersBack({ 'x-ratelimit-remaining': '5', 'cache-control': 'no-store', etag: '"1"' });
    expect(received).toMatchObject({ 'x-ratelimit-remaining': '5', 'cache-control': 'no-store', etag: '"1"' });
  });

  test("the worker's own identity, cookies, CORS and correlation do not", async () => {
    const dropped = {
      server: 'secret',
      'x-powered-by': 'secret',
      via: '1.1 secret',
      'alt-svc': 'h3=":443"',
      'set-cookie': 'a=secret',
      'access-control-allow-origin': 'secret',
      'access-control-expose-headers': 'secret',
      'proxy-authenticate': 'secret',
      'keep-alive': 'timeout=77',
      'x-localai-node': 'secret',
      'x-correlation-id': 'secret',
      'x-request-id': 'secret',
      'request-id': 'secret',
    };
    const received = await headersBack(dropped);
    expect(JSON.stringify(received)).not.toContain('secret');
    for (const name of ['server', 'via', 'alt-svc', 'set-cookie', 'access-control-allow-origin']) {
      expect(received).not.toHaveProperty([name]);
    }
    expect(received['x-localai-node']).toBe(nodeIdOf(alpha));
    expect(received['keep-alive']).not.toBe('timeout=77');
  });

  test('headers named in Connection do not', async () => {
    const received = await headersBack({ connection: 'keep-alive, x-hop', 'x-hop': 'secret' });
    expect(received).not.toHaveProperty('x-hop');
  });

  test.each([
    [204, 0],
    [304, 0],
  ])('a %d has no body', async (status) => {
    alpha.next({ change: () => ({ status, headers: { etag: '"1"' }, parts: [], terminal: 0, streamed: true }) });
    const received = await gateway.fetch('/v1/chat/completions', { body: operation('chat').body(model) });
    expect([received.status, received.body.length, received.complete]).toEqual([status, 0, true]);
  });
});

/** Encodes a body once, so that the test knows the exact bytes of a multipart body too. */
const bytesOf = async (body: string | Buffer | object | FormData) => {
  if (!(body instanceof FormData)) {
    return { body: Buffer.from(JSON.stringify(body)), headers: { 'content-type': 'application/json' } };
  }
  const encoded = new Response(body);
  return {
    body: Buffer.from(await encoded.arrayBuffer()),
    headers: { 'content-type': encoded.headers.get('content-type') ?? '' },
  };
};
