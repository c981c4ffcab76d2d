import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type SendOptions, send } from '../support/http.ts';
import { onlyOver } from '../support/only-over.ts';
import { operation, operations, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { cut, redirect, reply } from '../support/worker/behaviours.ts';

/** docs/contract.md section 5: what went wrong, in the caller's dialect; and the environment lives on. */
const model = 'test-model';
const dialects = ['chat', 'messages', 'ollama chat', 'rerank', 'vad', 'speech', 'image generation'].map(operation);
const forms = operations.filter((one) => one.body(model) instanceof FormData);
const json = { 'content-type': 'application/json' };

let worker: StandIn;
let gateway: Gateway;
const pids: Record<string, number> = {};
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
  gateway = await startGateway({ workers: [worker], limits: { maxEnvironments: 1 } });
  for (const one of operations) {
    await gateway.fetch(pathOf(one, model), { body: one.body(model) });
    pids[one.family] = gateway.environments(one.family)[0]?.pid ?? 0;
  }
});
beforeEach(() => worker.reset());
afterAll(async () => {
  try {
    // One process of each family served every request of this file, the malformed ones included.
    for (const [family, pid] of Object.entries(pids)) {
      expect(gateway.environments(family).map((one) => one.pid)).toEqual([pid]);
    }
  } finally {
    await Promise.all([gateway?.close(), worker?.close()]);
  }
});

const each = <T extends { readonly name: string }>(all: readonly T[]) => all.map((one) => [one.name, one] as const);

describe.each(each(dialects))('%s', (_, { paths: [path = ''], body, dialect, family }) => {
  const expectError = async (status: number, options: SendOptions, at = path) => {
    const received = await gateway.fetch(at, options);
    const message = expectErrorIn(dialect, received);
    expect(received.status).toBe(status);
    expect(received.headers).not.toHaveProperty('x-localai-node');
    return { received, message };
  };

  test.each(['{', '', '[]', 'null', '"text"', '{"model":', '\u0000', '{"a":1}}'])(
    'malformed body %j is 400',
    async (text) => {
      await expectError(400, { method: 'POST', headers: json, body: text });
    },
  );

  test('a body of bytes that are no text is 400', async () => {
    await expectError(400, { headers: json, body: Buffer.from([0xff, 0xfe, 0x00, 0x7b]) });
  });

  test.each([[1], [true], [{}], [['x']]])('model %j is 400', async (wrong) => {
    const field = 'text' in (body(model) as object) ? 'model_id' : 'model';
    const { message } = await expectError(400, { body: { ...(body(model) as object), [field]: wrong } });
    expect(message).toContain(field);
  });

  test('__proto__ does no harm', async () => {
    const text = JSON.stringify(body(model)).replace('{', '{"__proto__":{"model":"polluted"},');
    const received = await gateway.fetch(path, { headers: json, body: text });
    expect([200, 400]).toContain(received.status);
    if (received.status === 400) expectErrorIn(dialect, received);
  });

  test('nesting without end is 400 or passes, and kills nothing', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const text = JSON.stringify(body(model)).replace('{', `{"deep":${deep},`);
    const received = await gateway.fetch(path, { headers: json, body: text });
    expect([200, 400]).toContain(received.status);
  });

  test('an unknown model is 404 and named', async () => {
    const { message, received } = await expectError(404, { body: body('nobody-has-it') });
    expect(message).toContain('nobody-has-it');
    if (dialect === 'openai') {
      expect(received.json()).toMatchObject({ error: { code: 'model_not_found', param: 'model' } });
    }
    expect(worker.requests).toHaveLength(0);
  });

  test.each(['GET', 'PUT', 'DELETE', 'PATCH'])('%s is 405 with Allow', async (method) => {
    const { received } = await expectError(405, { method });
    expect(received.headers.allow).toContain('POST');
  });

  test('an unknown path is 404', async () => {
    await expectError(404, { method: 'POST', headers: json, body: '{}' }, `${path}/nothing`);
  });

  onlyOver(['url', 'rest'], 'the limit is Lambda’s')(
    'a body over the platform limit is 413 from the platform',
    async () => {
      const received = await gateway.fetch(path, { headers: json, body: Buffer.alloc(7_000_000, ' ') });
      expect(received.status).toBe(413);
      expect(worker.requests).toHaveLength(0);
    },
  );

  test('+json and no content type count as JSON', async () => {
    const types: Record<string, string>[] = [{ 'content-type': 'application/vnd.api+json' }, {}];
    for (const headers of types) {
      const received = await gateway.fetch(path, { headers, body: JSON.stringify(body(model)) });
      expect(received.status).toBe(200);
    }
  });

  test('another content type is 415, on /api/* it does not matter', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      const options = { headers: { 'content-type': type }, body: JSON.stringify(body(model)) };
      if (dialect === 'ollama') expect((await gateway.fetch(path, options)).status).toBe(200);
      else await expectError(415, options);
    }
  });

  test("the worker's own 4xx pass unchanged and are not retried", async () => {
    for (const status of [400, 401, 403, 404, 413, 422]) {
      worker.next(reply(status, `own words ${status}`, { 'content-type': 'text/plain', 'x-own': '1' }));
      const received = await gateway.fetch(path, { body: body(model) });
      expect([received.status, received.text]).toEqual([status, `own words ${status}`]);
      expect(received.headers).toMatchObject({ 'content-type': 'text/plain', 'x-own': '1' });
    }
    expect(worker.requests).toHaveLength(6);
  });

  test("the worker's own 500 passes unchanged", async () => {
    worker.next(reply(500, 'own words'));
    const received = await gateway.fetch(path, { body: body(model) });
    expect([received.status, received.text, worker.requests.length]).toEqual([500, 'own words', 1]);
  });

  test('a worker that cuts is 502', async () => {
    worker.behave(cut('before-head'));
    const received = await gateway.fetch(path, { body: body(model) });
    expectErrorIn(dialect, received);
    expect(received.status).toBe(502);
  });

  test('a redirect elsewhere is 502, one at home becomes a path', async () => {
    worker.next(redirect('http://169.254.169.254/latest/meta-data'));
    const received = await gateway.fetch(path, { body: body(model) });
    expectErrorIn(dialect, received);
    expect([received.status, received.headers.location]).toEqual([502, undefined]);
    worker.next(redirect(`${worker.url}/elsewhere?x=1`, 307));
    const followed = await gateway.fetch(path, { body: body(model) });
    expect([followed.status, followed.headers.location]).toEqual([307, '/elsewhere?x=1']);
    expect(worker.requests).toHaveLength(2);
  });

  test('busy everywhere is 429 with the Retry-After', async () => {
    worker.behave(reply(429, { error: 'busy' }, { 'retry-after': '17' }));
    const received = await gateway.fetch(path, { body: body(model) });
    expect([received.status, received.headers['retry-after']]).toEqual([429, '17']);
  });

  onlyOver(['url', 'rest'], 'one address serves all families')(
    'its own URL knows the path of another family',
    async () => {
      const [other, theirs] = family === 'vad' ? ['/v1/rerank', 'rerank'] : ['/v1/vad', 'vad'];
      const received = await (await send(gateway.urlOf(family) + other, { body: {} })).all();
      expect(received.status).toBe(404);
      expect(received.text).toContain(theirs);
    },
  );
});

describe.each(each(forms))('%s', (_, { paths: [path = ''], body }) => {
  const multipart = (boundary: string, text: string) =>
    gateway.fetch(path, {
      headers: { 'content-type': `multipart/form-data${boundary}` },
      body: text.replaceAll('\n', '\r\n'),
    });
  const part = (name: string, value: string) => `--b\ncontent-disposition: form-data; name="${name}"\n\n${value}\n`;

  test.each([
    ['no boundary', '', `${part('model', model)}--b--\n`],
    ['another boundary', '; boundary=c', `${part('model', model)}--b--\n`],
    ['no end', '; boundary=b', part('model', model)],
    ['nothing', '; boundary=b', ''],
    ['garbage', '; boundary=b', 'garbage'],
  ])('%s is 400', async (__, boundary, text) => {
    const received = await multipart(boundary, text);
    expectErrorIn('openai', received);
    expect(received.status).toBe(400);
    expect(worker.requests).toHaveLength(0);
  });

  test('JSON instead of a form is 415', async () => {
    const received = await gateway.fetch(path, { body: { model } });
    expectErrorIn('openai', received);
    expect(received.status).toBe(415);
  });

  test('an unknown model is 404, wherever in the form it stands', async () => {
    for (const text of [
      `${part('x', 'y'.repeat(300_000))}${part('model', 'nobody-has-it')}--b--\n`,
      `${part('model', 'nobody-has-it')}${part('x', 'y'.repeat(300_000))}--b--\n`,
    ]) {
      const received = await multipart('; boundary=b', text);
      expect(expectErrorIn('openai', received)).toContain('nobody-has-it');
      expect(received.status).toBe(404);
    }
    expect((await gateway.fetch(path, { body: body(model) })).status).toBe(200);
  });
});

describe('fields the gateway needs', () => {
  test.each([
    ['/v1/chat/completions', 'openai', { model }],
    ['/v1/chat/completions', 'openai', { model, messages: 'text' }],
    ['/v1/messages', 'anthropic', { model, max_tokens: 5 }],
  ] as const)('%s without messages is 400', async (path, dialect, body) => {
    const received = await gateway.fetch(path, { body });
    expect(expectErrorIn(dialect, received)).toContain('messages');
    expect(received.status).toBe(400);
  });

  test('Ollama loads a model when there are no messages', async () => {
    expect((await gateway.fetch('/api/chat', { body: { model } })).status).toBe(200);
  });

  test.each([{ previous_response_id: 'resp_1' }, { background: true }])(
    'a response with %j needs state that a fleet does not share',
    async (field) => {
      const received = await gateway.fetch('/v1/responses', { body: { model, input: 'x', ...field } });
      expect(expectErrorIn('openai', received)).toContain(Object.keys(field)[0]);
      expect(received.status).toBe(400);
    },
  );
});

describe('paths', () => {
  test.each([
    ['/nothing', 'openai'],
    ['/v1', 'openai'],
    ['/v1/messages/nothing', 'anthropic'],
    ['/api/nothing', 'ollama'],
    ['/v1/chat%2Fcompletions', 'openai'],
    ['/v1/../v1/chat/completions', 'openai'],
    ['/v1/%2e%2e/admin', 'openai'],
    ['//evil.example/v1/chat/completions', 'openai'],
  ] as const)('%s is 404', async (target, dialect) => {
    const received = await gateway.fetch('/', { method: 'POST', target, body: operation('chat').body(model) });
    expectErrorIn(dialect, received);
    expect(received.status).toBe(404);
    expect(worker.requests).toHaveLength(0);
  });
});

describe('engines', () => {
  test('a model whose engine does not serve the endpoint is 501, not to be retried, and says which does', async () => {
    await using vllm = await startWorker({ name: 'beta', models: ['theirs'], engine: 'vllm' });
    const setting = { id: 'node-beta', url: vllm.url, models: ['theirs'], engine: 'vllm' };
    const env = { GATEWAY_TRANSLATE: 'false' };
    await using other = await startGateway({ workers: [setting], functions: ['ollama', 'openai'], env });
    const received = await other.fetch('/api/chat', { body: { model: 'theirs', messages: [] } });
    expectErrorIn('ollama', received);
    expect([received.status, received.headers['x-should-retry']]).toEqual([501, 'false']);
    expect(received.text).toContain('/v1/chat/completions');
    const served = await other.fetch('/v1/chat/completions', { body: { model: 'theirs', messages: [] } });
    expect(served.status).toBe(200);
  });

  test('no worker at all is 503 with Retry-After', async () => {
    await using empty = await startGateway({ workers: [], functions: ['openai'] });
    const received = await empty.fetch('/v1/chat/completions', { body: operation('chat').body(model) });
    expectErrorIn('openai', received);
    expect(received.status).toBe(503);
    expect(Number(received.headers['retry-after'])).toBeGreaterThan(0);
  });

  test('a worker that is not there is 502', async () => {
    const nowhere = await startWorker({ name: 'gone' });
    await nowhere.close();
    await using gone = await startGateway({ workers: [nowhere], functions: ['openai'] });
    const received = await gone.fetch('/v1/chat/completions', { body: operation('chat').body(model) });
    expectErrorIn('openai', received);
    expect(received.status).toBe(502);
  });
});

describe('GATEWAY_MAX_BODY_BYTES', () => {
  test.each(each(dialects))('%s: 413 in the dialect, naming the size', async (_, one) => {
    await using small = await startGateway({
      workers: [worker],
      functions: [one.family],
      env: { GATEWAY_MAX_BODY_BYTES: '2000' },
    });
    const padded = { ...(one.body(model) as object), padding: 'x'.repeat(3000) };
    const received = await small.fetch(pathOf(one, model), { body: padded });
    expect(expectErrorIn(one.dialect, received)).toContain('2000');
    expect(received.status).toBe(413);
    expect((await small.fetch(pathOf(one, model), { body: one.body(model) })).status).toBe(200);
  });
});
