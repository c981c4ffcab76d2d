import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { encodeFleet, POINTER_NAME } from '../../lib/discovery/fleet.ts';
import { type Aws, startAws } from '../support/aws.ts';
import { type Container, startContainer } from '../support/container.ts';
import { createDeferred } from '../support/deferred.ts';
import { dial } from '../support/dial.ts';
import { settingOf, startGateway } from '../support/gateway.ts';
import { send } from '../support/http.ts';
import { listenOnLoopback } from '../support/loopback.ts';
import { type Operation, operation, operations, pathOf } from '../support/operations.ts';
import { type RecordedHandshake, startRealtimeWorker } from '../support/realtime-worker.ts';
import { transcribe, uploaded } from '../support/s3/client.ts';
import { startS3 } from '../support/s3.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';
import { type Behaviour, combine, holdAt, ordinary, stallAfter } from '../support/worker/behaviours.ts';
import { pageForPicture } from '../support/worker/misbehaviours.ts';

/**
 * docs/contract.md 12: a client that leaves the container door ends its request at the worker at once, wherever it is on
 * its way and whatever it asked for. That is no failure of the worker: no other one is asked, and none is put out.
 */
const LIMIT_MS = 1000;
const model = 'native-model';
/** Of workers that speak OpenAI's chat and embeddings only. */
const translated = 'translated-model';

interface Call {
  readonly name: string;
  readonly one: Operation;
  readonly model: string;
}
const calls: readonly Call[] = [
  ...operations.map((one) => ({ name: one.name, one, model })),
  ...['messages', 'responses', 'ollama chat', 'ollama generate', 'ollama embed', 'ollama embeddings'].map((name) => ({
    name: `${name}, translated`,
    one: operation(name),
    model: translated,
  })),
];
const streaming = calls.filter(({ one }) => one.streams);

interface Line {
  readonly event: string;
  readonly correlation_id?: string;
  readonly ending?: string;
  readonly attempts?: number;
  readonly at: number;
}
const lines: Line[] = [];
const onLog = (line: string) =>
  line.startsWith('{') && lines.push({ ...JSON.parse(line), at: performance.now() } as Line);
/** What the access log says of a request; `undefined`: it is under way. */
const lineOf = (id: string) => lines.find(({ event, correlation_id }) => event === 'request' && correlation_id === id);

const env = { LOCALAI_EXPOSE_NODE_HEADER: 'true', GATEWAY_ALLOW_ANONYMOUS: 'true', GATEWAY_WAKE_HOLD_SECONDS: '60' };
let workers: readonly StandIn[];
let container: Container;
beforeAll(async () => {
  const names = ['one', 'two', 'three', 'four'];
  workers = await Promise.all(
    names.map((name, at) => {
      const isNative = at < 2;
      return startWorker({
        name,
        models: [isNative ? model : translated],
        engine: isNative ? 'localai' : 'openai',
      });
    }),
  );
  const settings = workers.map((worker, at) => settingOf(worker, at < 2 ? {} : { serves: [] }));
  container = await startContainer({ env: { ...env, LOCALAI_WORKERS: JSON.stringify(settings) }, onLog });
});
beforeEach(() => {
  lines.length = 0;
  for (const worker of workers) worker.reset();
});
afterAll(() => Promise.all([container?.close(), ...(workers ?? []).map((worker) => worker.close())]));

/** When a connection was gone, `performance.now()`; infinity, where that is too late to be waited for. */
const goneAt = async (closed: Promise<number> | undefined): Promise<number> =>
  Promise.race([closed ?? Number.POSITIVE_INFINITY, pause(3 * LIMIT_MS, Number.POSITIVE_INFINITY, { ref: false })]);

const idOf = (at: number) => `left-${at}`;
const requestsOf = (id: string) =>
  workers.flatMap(({ requests }) => requests.filter(({ headers }) => headers['x-correlation-id'] === id));

/** What is said of requests that took too long to end, or were counted as somebody's failure. */
const complaints = async (all: readonly Call[], since: number, endings?: readonly Promise<number>[]) => {
  const ended = await until(() => all.every((_, at) => lineOf(idOf(at))), 3 * LIMIT_MS);
  const found = ended ? [] : ['not all have ended'];
  for (const [at, { name }] of all.entries()) {
    const line = lineOf(idOf(at)) as (Line & Record<string, unknown>) | undefined;
    const ms = ((await endings?.[at]) ?? line?.at ?? Number.POSITIVE_INFINITY) - since;
    if (ms >= LIMIT_MS) found.push(`${name}: after ${ms.toFixed(0)} ms`);
    if (line?.ending !== 'client') found.push(`${name}: ended ${line?.ending}`);
    if (line?.attempts !== (endings ? 1 : 0)) found.push(`${name}: ${line?.attempts} attempts`);
    if (line?.['gateway.ejections'] || line?.['gateway.server_errors']) found.push(`${name}: somebody is blamed`);
  }
  return found;
};

/** All calls at once; their clients leave when each is where it is to be. */
const leaveAll = async (
  all: readonly Call[],
  stream: boolean,
  isThere: (id: string, heard: boolean) => boolean,
): Promise<readonly string[]> => {
  const left = new AbortController();
  const heard = new Set<string>();
  const replies = all.map(async ({ one, model: asked }, at) => {
    const id = idOf(at);
    const reply = await send(container.origin + pathOf(one, asked), {
      body: one.body(asked, stream),
      headers: { 'x-correlation-id': id },
      signal: left.signal,
    });
    await reply.next();
    heard.add(id);
    await reply.all();
  });
  const settled = Promise.allSettled(replies);
  expect(await until(() => all.every((_, at) => isThere(idOf(at), heard.has(idOf(at)))), 10_000)).toBe(true);
  const since = performance.now();
  left.abort();
  await settled;
  const closed = all.map((_, at) => goneAt(requestsOf(idOf(at))[0]?.closed));
  const found = await complaints(all, since, closed);
  // The worker saw each once: nobody was asked in its place.
  return [...found, ...all.flatMap(({ name }, at) => (requestsOf(idOf(at)).length === 1 ? [] : [`${name}: again`]))];
};

/** A buffered answer in two pieces, so that it has a middle, held there. */
const halved: Behaviour = combine(
  {
    change: (answer) => {
      if (answer.parts.length > 1) return answer;
      const body = Buffer.concat(answer.parts);
      const half = Math.ceil(body.length / 2);
      return { ...answer, parts: [body.subarray(0, half), body.subarray(half)] };
    },
  },
  holdAt(1, new Promise(() => {})),
);

describe('a client that leaves, in every family', () => {
  test('while its request waits at the worker, before the head', async () => {
    for (const worker of workers) worker.behave(stallAfter(-1));
    expect(await leaveAll(calls, true, (id) => requestsOf(id).length > 0)).toEqual([]);
  });

  test('between the head and the first byte', async () => {
    for (const worker of workers) worker.behave(stallAfter(0));
    expect(await leaveAll(calls, true, (id) => requestsOf(id).length > 0)).toEqual([]);
  });

  test('in the middle of a stream', async () => {
    // Of a translated one the first event need not say a thing.
    for (const worker of workers) worker.behave(holdAt(2, new Promise(() => {})));
    expect(await leaveAll(streaming, true, (_, heard) => heard)).toEqual([]);
  });

  test('in the middle of a buffered answer', async () => {
    for (const worker of workers) worker.behave(halved);
    expect(await leaveAll(calls, false, (id) => (requestsOf(id)[0]?.sentBytes() ?? 0) > 0)).toEqual([]);
  });

  test('while its body is read: no worker hears of it', async () => {
    const clients = await Promise.all(
      calls.map(async ({ one, model: asked }, at) => {
        const client = await dial(Number(new URL(container.origin).port));
        const isForm = one.body(asked) instanceof FormData;
        const head = [
          `POST ${pathOf(one, asked)} HTTP/1.1`,
          'host: gateway.test',
          `content-type: ${isForm ? 'multipart/form-data; boundary=b' : 'application/json'}`,
          'content-length: 1000',
          'expect: 100-continue',
          `x-correlation-id: ${idOf(at)}`,
        ];
        client.say(`${head.join('\r\n')}\r\n\r\n`);
        // It is being read.
        expect(await client.until('\r\n\r\n')).toMatch(/^HTTP\/1.1 100 /);
        client.say(isForm ? '--b\r\n' : '{"model": ');
        return client;
      }),
    );
    const since = performance.now();
    for (const client of clients) client.leave();
    expect(await complaints(calls, since)).toEqual([]);
    expect(workers.flatMap(({ requests }) => requests)).toEqual([]);
  });
});

test('a client that leaves while many wait in the workers’ queues: all go at once', async () => {
  const busy = await Promise.all(
    ['busy-1', 'busy-2'].map((name) => startWorker({ name, models: [model, translated], slots: 0 })),
  );
  const idle = workers;
  const usual = container;
  workers = busy;
  container = await startContainer({
    env: { ...env, LOCALAI_WORKERS: JSON.stringify(busy.map((worker) => settingOf(worker))) },
    onLog,
  });
  try {
    expect(await leaveAll(calls, true, (id) => requestsOf(id).length > 0)).toEqual([]);
  } finally {
    await Promise.all([container.close(), ...busy.map((worker) => worker.close())]);
    workers = idle;
    container = usual;
  }
});

test('a client that leaves while its picture is fetched from the worker', async () => {
  for (const one of workers)
    one.behave(({ method, path }) => {
      if (method === 'POST') return pageForPicture;
      return path === '/' ? stallAfter(-1) : ordinary;
    });
  const left = new AbortController();
  const lost = send(`${container.origin}/v1/images/generations`, {
    body: { model, prompt: 'A llama' },
    headers: { 'x-correlation-id': idOf(0) },
    signal: left.signal,
  }).catch(() => 'left');
  const fetched = () => workers.flatMap(({ probes }) => probes.filter(({ path }) => path === '/'))[0];
  expect(await until(() => fetched() !== undefined)).toBe(true);
  const since = performance.now();
  left.abort();
  expect(await lost).toBe('left');
  expect((await goneAt(fetched()?.closed)) - since).toBeLessThan(LIMIT_MS);
  expect(await until(() => lineOf(idOf(0)) !== undefined)).toBe(true);
  expect(lineOf(idOf(0))).toMatchObject({ ending: 'client', attempts: 1, 'gateway.ejections': 0 });
});

test('a client that leaves while its upload is on its way from the bucket', async () => {
  await using s3 = await startS3({ bucket: 'media' });
  const begun = createDeferred<IncomingMessage>();
  const over = createDeferred<number>();
  const server = createServer((message) => {
    message.socket.once('close', () => over.resolve(performance.now()));
    // It reads no further.
    message.once('data', () => begun.resolve(message.pause()));
  });
  const { url, close } = await listenOnLoopback(server);
  await using gateway = await startGateway({
    door: 'container',
    workers: [{ id: 'node-slow', url, models: [model], engine: 'localai' }],
    env: { ...s3.env, GATEWAY_UPLOAD_BUCKET: 'media', GATEWAY_ALLOW_ANONYMOUS: undefined, LOCALAI_API_KEY: 'sk-one' },
  });
  try {
    const id = await uploaded(gateway, new Blob([Buffer.alloc(30_000_000)]));
    const left = new AbortController();
    const lost = transcribe(gateway, { model, file_id: id }, 'sk-one', { signal: left.signal }).catch(() => 'left');
    const message = await begun.promise;
    const since = performance.now();
    left.abort();
    expect(await lost).toBe('left');
    // Whoever does not read learns of it as soon as it does.
    message.resume();
    expect((await goneAt(over.promise)) - since).toBeLessThan(LIMIT_MS);
    const ended = () => gateway.logs.filter((line) => /"operation":"transcription"/.test(line));
    expect(await until(() => ended().length > 0)).toBe(true);
    expect(ended()).toEqual([expect.stringMatching(/"attempts":1,.*"ending":"client",.*"gateway.ejections":0/)]);
  } finally {
    await close();
  }
});

describe('a realtime session whose client leaves', () => {
  test.each([
    ['before it is answered', 'silence'],
    ['in its middle', undefined],
  ] as const)('%s', async (_, refusal) => {
    await using worker = await startRealtimeWorker();
    worker.refuse(refusal);
    const setting = { id: 'node-realtime', url: worker.url, models: [model], engine: 'localai' };
    await using talking = await startContainer({ env: { ...env, LOCALAI_WORKERS: JSON.stringify([setting]) }, onLog });
    const client = new WebSocket(`${talking.origin.replace('http', 'ws')}/v1/realtime?model=${model}`, {
      headers: { 'x-correlation-id': idOf(0) },
    });
    client.on('error', () => {});
    expect(await until(() => worker.handshakes.length === 1)).toBe(true);
    if (!refusal) await once(client, 'message');
    const since = performance.now();
    client.terminate();
    const [handshake] = worker.handshakes as [RecordedHandshake];
    expect((await goneAt(handshake.closed)) - since).toBeLessThan(LIMIT_MS);
    expect(await until(() => lineOf(idOf(0)) !== undefined)).toBe(true);
    expect(lineOf(idOf(0))).toMatchObject({ ending: 'client', attempts: 1, 'gateway.ejections': 0 });
    expect(worker.handshakes).toHaveLength(1);
  });
});

describe('a service that wakes', () => {
  const prefix = '/localai-gateway/disconnects';
  let aws: Aws;
  beforeAll(async () => {
    aws = await startAws();
  });
  afterAll(() => aws?.close());

  test('is waited for no longer by clients that have left, in every family', async () => {
    const asleep = {
      name: 'sleepy',
      state: 'waking',
      since: Date.now(),
      desired: 1,
      running: 0,
      healthy: 0,
      models: [model, translated],
      engine: 'localai',
      serves: settingOf(workers[0] as StandIn).serves,
      min: 0,
      max: 1,
      idleMinutes: 15,
    } as const;
    const { pointer, shards } = encodeFleet([], 1, [asleep]);
    for (const [name, value] of shards) aws.ssm.put(`${prefix}/${name}`, value);
    aws.ssm.put(`${prefix}/${POINTER_NAME}`, JSON.stringify({ ...pointer, seenAt: new Date().toISOString() }));
    await using waking = await startContainer({
      env: { ...env, ...aws.env, GATEWAY_SSM_PREFIX: prefix, GATEWAY_WAKE_WAIT_SECONDS: '60' },
      onLog,
    });
    // What the gateway answers itself wakes nobody.
    const waiting = calls.filter(({ one }) => !['tokenize', 'detokenize', 'count_tokens'].includes(one.name));
    const left = new AbortController();
    const answered: unknown[] = [];
    const lost = waiting.map(({ one, model: asked }, at) =>
      send(waking.origin + pathOf(one, asked), {
        body: one.body(asked, at % 2 === 0),
        headers: { 'x-correlation-id': idOf(at) },
        signal: left.signal,
      }).then(
        ({ status }) => answered.push([one.name, status]),
        () => 'left',
      ),
    );
    // All have read the fleet, and then wait for seconds.
    await until(() => false, 500);
    expect(answered).toEqual([]);
    const since = performance.now();
    left.abort();
    await Promise.all(lost);
    expect(await complaints(waiting, since)).toEqual([]);
  });
});
