import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { encodeFleet, POINTER_NAME } from '../../lib/discovery/fleet.ts';
import { startAws } from '../support/aws.ts';
import { type Container, startContainer } from '../support/container.ts';
import { createDeferred } from '../support/deferred.ts';
import { dial } from '../support/dial.ts';
import { settingOf } from '../support/gateway.ts';
import { fetchAll, type Reply, send } from '../support/http.ts';
import { listenOnLoopback } from '../support/loopback.ts';
import { operation, operations, pathOf } from '../support/operations.ts';
import { startRunner } from '../support/runner.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';
import { holdAt, stallAfter } from '../support/worker/behaviours.ts';

/** docs/contract.md 12: what the container door does that functions cannot. */
const model = 'test-model';
const chat = operation('chat');
const open: AsyncDisposable[] = [];
const keep = <T extends AsyncDisposable>(one: T): T => {
  open.push(one);
  return one;
};
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

let worker: StandIn;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
});
beforeEach(() => worker.reset());
afterAll(() => worker?.close());

const logs: Record<string, unknown>[] = [];
const start = async (
  env: Readonly<Record<string, string>> = {},
  workers: readonly StandIn[] = [worker],
): Promise<Container> => {
  logs.length = 0;
  const given: Record<string, string> = {
    LOCALAI_EXPOSE_NODE_HEADER: 'true',
    GATEWAY_ALLOW_ANONYMOUS: 'true',
    LOCALAI_WORKERS: JSON.stringify(workers.map((one) => settingOf(one))),
    ...env,
  };
  return keep(
    await startContainer({
      env: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== '')),
      onLog: (line) => line.startsWith('{') && logs.push(JSON.parse(line)),
    }),
  );
};
const portOf = ({ origin }: Container) => Number(new URL(origin).port);

test('a client that leaves is no failure of its worker: that one is not put out of rotation', async () => {
  const workers = await Promise.all(
    ['one', 'two'].map(async (name) => keep(await startWorker({ name, models: [model] }))),
  );
  const { origin } = await start({ GATEWAY_POLICY: 'random' }, workers);
  for (const behaviour of [holdAt(1, new Promise(() => {})), stallAfter(-1)]) {
    for (const one of workers) one.behave(behaviour);
    const left = new AbortController();
    const replies = Array.from({ length: 16 }, () =>
      send(origin + pathOf(chat, model), { body: chat.body(model, true), signal: left.signal }).catch(() => undefined),
    );
    expect(await until(() => workers.flatMap(({ requests }) => requests).length === 16)).toBe(true);
    const asked = workers.flatMap(({ requests }) => requests);
    left.abort();
    for (const reply of await Promise.all(replies)) reply?.abort();
    await Promise.all(asked.map(({ closed }) => closed));
    for (const one of workers) one.reset();
    // One of two by chance: that all go to the other one happens once in a million times.
    for (let i = 0; i < 20; i += 1) await fetchAll(origin + pathOf(chat, model), { body: chat.body(model) });
    expect(workers.every(({ requests }) => requests.length > 0)).toBe(true);
    for (const one of workers) one.reset();
  }
  const counted = logs.filter(({ event, ending }) => event === 'request' && ending === 'client');
  expect(counted).toHaveLength(32);
  expect(counted.map((line) => line['gateway.ejections'])).not.toContain(1);
  expect(counted.map((line) => line['gateway.server_errors'])).not.toContain(1);
});

describe('limits', () => {
  const json = 'content-type: application/json';
  const head = (...headers: readonly string[]) =>
    `${['POST /v1/chat/completions HTTP/1.1', 'host: gateway.test', json, ...headers].join('\r\n')}\r\n\r\n`;
  const key = 'authorization: Bearer sk-test';
  const chunk = 'x'.repeat(1000);

  test.each<[string, string, RegExp]>([
    ['no key', head('content-length: 100', 'expect: 100-continue'), /^HTTP\/1.1 401 /],
    ['a size beyond the limit', head(key, 'content-length: 2001', 'expect: 100-continue'), /^HTTP\/1.1 413 /],
    ['a size for which there is no room', head(key, 'content-length: 1501', 'expect: 100-continue'), /^HTTP\/1.1 503 /],
    ['an unknown path', head(key, 'content-length: 5', 'expect: 100-continue').replace('completions', 'none'), /404 /],
    [
      'chunks beyond the limit',
      `${head(key, 'transfer-encoding: chunked')}${`3e8\r\n${chunk}\r\n`.repeat(3)}`,
      /^HTTP\/1.1 (413|503) /,
    ],
  ])('%s is told without the body', async (_, said, expected) => {
    const container = await start({
      GATEWAY_ALLOW_ANONYMOUS: '',
      LOCALAI_API_KEY: 'sk-test',
      GATEWAY_MAX_BODY_BYTES: '2000',
      GATEWAY_BUFFERED_BYTES: '1500',
    });
    const client = await dial(portOf(container));
    client.say(said);
    const heard = await client.until('}}');
    expect(heard).toMatch(expected);
    expect(heard).toMatch(/x-correlation-id/i);
    expect(heard).not.toContain('100 Continue');
    expect(worker.requests).toHaveLength(0);
    client.leave();
  });

  test('20 MB pass here, and a client that asks is told to go on', async () => {
    const { origin } = await start();
    const content = 'x'.repeat(20_000_000);
    const received = await fetchAll(origin + pathOf(chat, model), {
      body: { model, messages: [{ role: 'user', content }] },
      headers: { expect: '100-continue' },
    });
    expect(received.status).toBe(200);
    expect(worker.requests[0]?.body.length).toBeGreaterThan(20_000_000);
  });
});

test.each([
  ['power-of-two', 0],
  // A conversation leaves home where it is three requests shorter elsewhere.
  ['affinity', 3],
])('its own requests under way count where workers say nothing of their load: %s', async (policy, most) => {
  const two = [0, 1].map(async (i) =>
    keep(await startWorker({ name: `silent-${i}`, models: [model], engine: 'openai' })),
  );
  const workers = await Promise.all(two);
  const { origin } = await start({ GATEWAY_POLICY: policy }, workers);
  for (const one of workers) one.behave(holdAt(1, new Promise(() => {})));
  const replies: Reply[] = [];
  for (let i = 0; i < 8; i += 1) {
    replies.push(await send(origin + pathOf(chat, model), { body: chat.body(model, true) }));
  }
  const [one = 0, other = 0] = workers.map(({ requests }) => requests.length);
  expect([one + other, Math.abs(one - other) <= most]).toEqual([8, true]);
  for (const reply of replies) reply.abort();
});

describe('told to end', () => {
  test('100 streams under way are finished, new requests refused, and it exits with 0', async () => {
    const container = await start({ GATEWAY_DRAIN_SECONDS: '30' });
    const { promise: released, resolve: release } = createDeferred();
    worker.behave(holdAt(1, released));
    const replies = await Promise.all(
      Array.from({ length: 100 }, () => send(container.origin + pathOf(chat, model), { body: chat.body(model, true) })),
    );
    container.child.kill('SIGTERM');
    const ready = async () => (await fetchAll(`${container.origin}/readyz`).catch(() => ({ status: 0 }))).status;
    expect(await until(async () => (await ready()) === 503)).toBe(true);
    expect(await until(async () => (await ready()) === 0, 8000)).toBe(true);
    release();
    const received = await Promise.all(replies.map((reply) => reply.all()));
    expect(received.filter(({ complete, text }) => complete && text.endsWith('data: [DONE]\n\n'))).toHaveLength(100);
    expect(await container.exited).toBe(0);
  });

  test('beyond the drain time streams end in their dialect', async () => {
    const container = await start({ GATEWAY_DRAIN_SECONDS: '0.2' });
    worker.behave(holdAt(1, new Promise(() => {})));
    const reply = await send(container.origin + pathOf(chat, model), { body: chat.body(model, true) });
    container.child.kill('SIGTERM');
    const { text, complete } = await reply.all();
    expect(text).toMatch(/"error".*\n\ndata: \[DONE\]\n\n$/s);
    expect([complete, await container.exited]).toEqual([true, 0]);
  });
});

describe('who may call', () => {
  test('nobody, where no key is configured', async () => {
    const { origin } = await start({ GATEWAY_ALLOW_ANONYMOUS: '' });
    expect((await fetchAll(origin + pathOf(chat, model), { body: chat.body(model) })).status).toBe(401);
    expect((await fetchAll(`${origin}/readyz`)).status).toBe(503);
    expect((await fetchAll(`${origin}/healthz`)).status).toBe(200);
  });

  test('a setting that is broken: 503, and its name in the log', async () => {
    const { origin } = await start({ GATEWAY_MAX_ATTEMPTS: 'three' });
    expect((await fetchAll(origin + pathOf(chat, model), { body: chat.body(model) })).status).toBe(503);
    expect(logs).toContainEqual(
      expect.objectContaining({ event: 'invalid_setting', variable: 'GATEWAY_MAX_ATTEMPTS' }),
    );
  });
});

test('one snapshot serves all families, read with credentials of the container’s endpoint, refreshed before they expire', async () => {
  const prefix = '/localai-gateway/container';
  const aws = keep(await startAws());
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, ...endpoints } = aws.env;
  let asked = 0;
  const server = createServer((request, response) => {
    asked += 1;
    if (request.headers.authorization !== 'pod-token') return void response.writeHead(403).end('{}');
    response.writeHead(200, { 'content-type': 'application/json' }).end(
      JSON.stringify({
        AccessKeyId: AWS_ACCESS_KEY_ID,
        SecretAccessKey: AWS_SECRET_ACCESS_KEY,
        Token: AWS_SESSION_TOKEN,
        // The SDK asks again five minutes before.
        Expiration: new Date(Date.now() + 300_500).toISOString(),
      }),
    );
  });
  const { url, close } = await listenOnLoopback(server);
  keep({ [Symbol.asyncDispose]: close });
  aws.ssm.put(`${prefix}/runtime/api-keys`, 'sk-ssm', 'SecureString');
  const { pointer, shards } = encodeFleet(
    [
      {
        id: 'node-alpha',
        name: 'alpha',
        url: worker.url,
        status: 'healthy',
        engine: 'localai',
        models: [model],
        serves: [],
        service: 'alpha',
      },
    ],
    1,
  );
  for (const [name, value] of shards) aws.ssm.put(`${prefix}/${name}`, value);
  aws.ssm.put(`${prefix}/${POINTER_NAME}`, JSON.stringify({ ...pointer, seenAt: new Date().toISOString() }));
  const { origin } = await start({
    ...endpoints,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'pod-token',
    AWS_EC2_METADATA_DISABLED: 'true',
    GATEWAY_SSM_PREFIX: prefix,
    GATEWAY_CONFIG_TTL_SECONDS: '0.2',
    GATEWAY_ALLOW_ANONYMOUS: '',
    LOCALAI_WORKERS: '',
  });
  const headers = { authorization: 'Bearer sk-ssm' };
  const names = ['chat', 'messages', 'ollama chat', 'rerank', 'vad'];
  for (const { paths, body } of operations.filter(({ name }) => names.includes(name))) {
    const { status } = await fetchAll(origin + paths[0], { headers, body: body(model) });
    expect(status).toBe(200);
  }
  expect(aws.count('GetParameters')).toBeLessThan(names.length);
  const before = asked;
  expect(before).toBeGreaterThan(0);
  const again = await until(async () => {
    await fetchAll(`${origin}/v1/models`, { headers });
    return asked > before;
  });
  expect(again).toBe(true);
});

test('what only a process that holds its sockets needs is in no function', async () => {
  const meta = async (file: string) =>
    JSON.parse(await readFile(new URL(`../../dist/${file}`, import.meta.url), 'utf8')) as { inputs: object };
  const inputs = Object.keys((await meta('meta.json')).inputs);
  const isOurs = (path: string) => /node_modules\/ws\/|^lib\/server\/|realtime|under-way/.test(path);
  expect(inputs.length).toBeGreaterThan(100);
  expect(inputs.filter(isOurs)).toEqual([]);
  expect(Object.keys((await meta('server-meta.json')).inputs).filter(isOurs).length).toBeGreaterThan(10);
});

describe('npm run serve', () => {
  test('serves the given workers on 127.0.0.1, to anybody where no key is set', async () => {
    await using runner = startRunner(['infra/local/serve.ts'], {
      PORT: '0',
      LOCALAI_WORKERS: JSON.stringify([settingOf(worker)]),
    });
    const { address, port } = JSON.parse(await line(runner, '"listening"')) as { address: string; port: number };
    expect(address).toBe('127.0.0.1');
    const { status } = await fetchAll(`http://127.0.0.1:${port}${pathOf(chat, model)}`, { body: chat.body(model) });
    expect(status).toBe(200);
    runner.child.kill('SIGINT');
    expect(await runner.exited).toBe(0);
  });

  test('without workers it stops and names the variable', async () => {
    await using runner = startRunner(['infra/local/serve.ts'], { PORT: '0' });
    expect(await runner.exited).toBe(1);
    expect(runner.output()).toContain('LOCALAI_WORKERS');
  });

  test.each([
    ['PORT', { PORT: 'http' }],
    ['PORT', { PORT: 'taken' }],
    ['HOST', { HOST: '192.0.2.1', PORT: '0' }],
  ])('where it cannot listen it ends and names %s: %j', async (variable, given) => {
    const where = given.PORT === 'taken' ? { PORT: String(worker.port) } : given;
    const LOCALAI_WORKERS = JSON.stringify([settingOf(worker)]);
    // As npm starts it: what started it holds a channel to it.
    await using runner = startRunner(['infra/local/bootstrap.js', 'infra/local/serve.ts'], {
      LOCALAI_WORKERS,
      ...where,
    });
    expect(await runner.exited).toBe(1);
    expect(runner.output()).toMatch(new RegExp(`^${variable}: .+$`, 'm'));
  });
});

const line = async (runner: ReturnType<typeof startRunner>, text: string): Promise<string> => {
  await runner.printed(text);
  return (
    runner
      .output()
      .split('\n')
      .find((one) => one.includes(text)) ?? ''
  );
};
