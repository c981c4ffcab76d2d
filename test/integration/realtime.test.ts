import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import { WebSocket } from 'ws';
import { type Container, startContainer } from '../support/container.ts';
import { dial } from '../support/dial.ts';
import { fetchAll } from '../support/http.ts';
import { type RealtimeWorker, startRealtimeWorker } from '../support/realtime-worker.ts';
import { until } from '../support/until.ts';

/** docs/contract.md 12, Realtime: sessions over WebSocket through the container. */
const model = 'realtime-model';
const MAX = 16 * 1024 * 1024;
let alpha: RealtimeWorker;
let beta: RealtimeWorker;
let container: Container;
const open: (() => unknown)[] = [];

const start = (
  env: Readonly<Record<string, string>>,
  workers: readonly (readonly [string, RealtimeWorker, string])[],
  onLog?: (line: string) => void,
): Promise<Container> =>
  startContainer({
    ...(onLog && { onLog }),
    env: {
      LOCALAI_EXPOSE_NODE_HEADER: 'true',
      LOCALAI_API_KEY: 'sk-test',
      GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: '2',
      LOCALAI_WORKERS: JSON.stringify(
        workers.map(([id, { url }, engine]) => ({ id, url, models: [model, `${id}-model`], engine })),
      ),
      ...env,
    },
  });
const fleet = () =>
  [
    ['node-alpha', alpha, 'localai'],
    ['node-beta', beta, 'vllm'],
  ] as const;

beforeAll(async () => {
  alpha = await startRealtimeWorker();
  beta = await startRealtimeWorker({ choose: (offered) => offered.find((one) => one === 'second') ?? false });
  container = await start({}, fleet());
});
beforeEach(() => {
  for (const worker of [alpha, beta]) {
    worker.refuse(undefined);
    worker.behave(undefined);
  }
});
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
afterAll(() => Promise.all([container?.close(), alpha?.close(), beta?.close()]));

const authorization = { authorization: 'Bearer sk-test' };
const addressOf = ({ origin }: Container, query: string) => `${origin.replace('http', 'ws')}/v1/realtime?${query}`;

interface Session {
  readonly socket: WebSocket;
  /** Of the 101. */
  readonly headers: Record<string, string | string[] | undefined>;
  readonly messages: { readonly data: Buffer; readonly isBinary: boolean }[];
  readonly closed: Promise<{ code: number; reason: string }>;
}

interface Wanted {
  readonly to?: Container;
  readonly query?: string;
  readonly protocols?: string[];
  readonly headers?: Record<string, string>;
}

/** @throws {Error} `Unexpected server response: <status>` */
const enter = async ({
  to = container,
  query,
  protocols = [],
  headers = authorization,
}: Wanted = {}): Promise<Session> => {
  const socket = new WebSocket(addressOf(to, query ?? `model=${model}`), protocols, { headers, maxPayload: 64 * MAX });
  open.push(() => socket.terminate());
  const messages: Session['messages'] = [];
  socket.on('message', (data: Buffer, isBinary) => messages.push({ data, isBinary }));
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  let answered: Session['headers'] = {};
  socket.once('upgrade', ({ headers: received }) => {
    answered = received;
  });
  await once(socket, 'open');
  socket.on('error', () => {});
  return { socket, headers: answered, messages, closed };
};

/** @returns the HTTP answer to a handshake that is refused. */
const refused = async ({ to = container, query, protocols = [], headers = authorization }: Wanted = {}) => {
  const socket = new WebSocket(addressOf(to, query ?? `model=${model}`), protocols, { headers });
  const [, response] = await once(socket, 'unexpected-response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  socket.on('error', () => {}).terminate();
  return { status: response.statusCode, headers: response.headers, json: JSON.parse(Buffer.concat(chunks).toString()) };
};
const last = (worker: RealtimeWorker) => {
  const handshake = worker.handshakes.at(-1);
  if (!handshake) throw new Error('no handshake');
  return handshake;
};
/** Of a handshake. */
const whole = 'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 13';
const onAlpha = { query: 'model=node-alpha-model' };
const onBeta = { query: 'model=node-beta-model' };

describe('a handshake', () => {
  test('leads to the worker that has the model, whose node its answer names', async () => {
    for (const [wanted, node, worker] of [
      [onAlpha, 'node-alpha', alpha],
      [onBeta, 'node-beta', beta],
    ] as const) {
      const { headers, messages } = await enter({
        ...wanted,
        headers: { ...authorization, 'x-correlation-id': 'mine', 'openai-beta': 'realtime=v1' },
      });
      expect(headers).toMatchObject({ 'x-localai-node': node, 'x-correlation-id': 'mine', 'x-request-id': 'mine' });
      expect(await until(() => messages.length > 0)).toBe(true);
      expect(JSON.parse(messages[0]?.data.toString() ?? '')).toMatchObject({ type: 'session.created' });
      const { path, headers: told } = last(worker);
      expect(path).toBe(`/v1/realtime?${wanted.query}`);
      expect(told).toMatchObject({ 'openai-beta': 'realtime=v1', 'x-correlation-id': 'mine' });
      expect(told.authorization).toBeUndefined();
    }
  });

  test('with the header off names nobody', async () => {
    await using off = await start({ LOCALAI_EXPOSE_NODE_HEADER: 'false' }, fleet());
    const { headers } = await enter({ to: off });
    expect(headers).not.toHaveProperty('x-localai-node');
    expect(headers).toHaveProperty('x-correlation-id');
  });

  test.each([
    ['a key among the subprotocols, which the worker is not told', {}, ['realtime', 'openai-insecure-api-key.sk-test']],
    ['x-api-key', { 'x-api-key': 'sk-test' }, ['realtime']],
  ])('%s', async (_, headers, protocols) => {
    const { socket } = await enter({ ...onAlpha, headers: headers as Record<string, string>, protocols });
    // No worker of these chooses one, and a browser would leave.
    expect(socket.protocol).toBe('realtime');
    expect(last(alpha).headers['sec-websocket-protocol']).toBe('realtime');
    expect(JSON.stringify(last(alpha).headers)).not.toContain('sk-test');
  });

  test('the subprotocol that the worker chose is answered', async () => {
    const { socket } = await enter({ ...onBeta, protocols: ['realtime', 'second'] });
    expect(socket.protocol).toBe('second');
  });

  test.each([
    ['no key', { headers: {} }, 401, 'invalid_api_key'],
    ['a wrong key', { headers: { authorization: 'Bearer no' } }, 401, 'invalid_api_key'],
    [
      'a wrong key among the subprotocols',
      { headers: {}, protocols: ['openai-insecure-api-key.no'] },
      401,
      'invalid_api_key',
    ],
    ['an unknown model', { query: 'model=nobody' }, 404, 'model_not_found'],
    [
      'a page of another place that brings its visitor’s cookie',
      { headers: { origin: 'https://evil.example', cookie: 'token=sk-test' } },
      403,
      'forbidden',
    ],
  ])('%s is an HTTP error in the dialect', async (_, wanted, status, code) => {
    const before = alpha.handshakes.length + beta.handshakes.length;
    const answer = await refused(wanted as Wanted);
    expect([answer.status, answer.json.error.code]).toEqual([status, code]);
    expect(answer.headers['x-correlation-id']).toBeDefined();
    expect(answer.headers['x-localai-node']).toBeUndefined();
    expect(alpha.handshakes.length + beta.handshakes.length).toBe(before);
  });

  test.each([
    ['no Sec-WebSocket-Key', 'sec-websocket-version: 13', 400],
    ['another version', 'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-version: 8', 426],
    ['HTTP/1.0', whole, 400, '1.0'],
    // `ws` throws at such a one, and what is thrown there had ended the process.
    ['a subprotocol that can be none', `${whole}\r\nsec-websocket-protocol: a b`, 400],
  ])('%s is refused before any worker is asked', async (_, headers, status, version = '1.1') => {
    const before = alpha.handshakes.length + beta.handshakes.length;
    const client = await dial(Number(new URL(container.origin).port));
    client.say(
      `GET /v1/realtime?model=${model} HTTP/${version}\r\nhost: x\r\nauthorization: Bearer sk-test\r\nconnection: upgrade\r\nupgrade: websocket\r\n${headers}\r\n\r\n`,
    );
    expect(await client.closed).toMatch(new RegExp(`^HTTP/1.1 ${status} [^]*"error"`));
    expect(alpha.handshakes.length + beta.handshakes.length).toBe(before);
  });

  test('without one, and for its further paths: 501 that says what to do', async () => {
    for (const [path, said] of [
      ['/v1/realtime', 'WebSocket'],
      ['/v1/realtime/', 'WebSocket'],
      ['/v1/realtime/sessions', 'client secrets'],
    ] as const) {
      const answer = await fetchAll(container.origin + path, { headers: authorization });
      expect([answer.status, answer.text]).toEqual([501, expect.stringContaining(said)]);
      expect(answer.text).not.toContain('Lambda');
    }
  });

  test('that was refused leaves nothing behind where the client does not close its side', async () => {
    const client = connect({ port: Number(new URL(container.origin).port), host: '127.0.0.1', allowHalfOpen: true });
    open.push(() => client.destroy());
    const gone = new Promise<void>((resolve) => client.once('close', () => resolve()));
    client.on('error', () => {}).resume();
    client.write(
      `GET /v1/realtime?model=nobody HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-test\r\nconnection: upgrade\r\nupgrade: websocket\r\n${whole}\r\n\r\n`,
    );
    await once(client, 'end');
    // Told of the end only when it writes.
    const writing = setInterval(() => client.write('x'), 200);
    open.push(() => clearInterval(writing));
    await gone;
  });

  test('another protocol that a client would rather speak is not taken up', async () => {
    const answer = await fetchAll(`${container.origin}/v1/models`, {
      headers: {
        ...authorization,
        connection: 'Upgrade, HTTP2-Settings',
        upgrade: 'h2c',
        'http2-settings': 'AAMAAABk',
      },
    });
    expect(answer.status).toBe(200);
  });
});

describe('workers that fail before the 101', () => {
  test.each<[string, Parameters<RealtimeWorker['refuse']>[0]]>([
    ['resets', 'reset'],
    ['is full', { status: 503 }],
    ['fails', { status: 500 }],
    ['says nothing', 'silence'],
    ['has lost the model', { status: 404 }],
    ['shows a page', { status: 200, body: '{}' }],
    ['has not read the key', 'impostor'],
  ])('one that %s: another one serves, and is named', async (_, refusal) => {
    // A container of its own: who failed is out for a while.
    await using own = await start({ GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: '0.3' }, fleet());
    alpha.refuse(refusal);
    const sessions = await Promise.all(Array.from({ length: 8 }, () => enter({ to: own })));
    expect(sessions.map(({ headers }) => headers['x-localai-node'])).toEqual(Array(8).fill('node-beta'));
  });

  test.each<[string, Parameters<RealtimeWorker['refuse']>[0], number, object]>([
    ['resets', 'reset', 502, { code: 'upstream_error' }],
    ['says nothing', 'silence', 504, { code: 'timeout' }],
    ['shows a page', { status: 200, body: '{}' }, 502, { code: 'upstream_error' }],
    ['refuses in JSON', { status: 403, body: '{"error":{"message":"own words"}}' }, 403, { message: 'own words' }],
  ])('one that %s, and no other: an HTTP error that names it', async (_, refusal, status, error) => {
    await using own = await start({ GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: '0.3' }, [fleet()[0]]);
    alpha.refuse(refusal);
    const answer = await refused({ to: own });
    expect([answer.status, answer.json.error]).toEqual([status, expect.objectContaining(error)]);
    expect(answer.headers['x-localai-node']).toBe('node-alpha');
  });

  test('a client that leaves meanwhile ends the handshake', async () => {
    alpha.refuse('silence');
    const socket = connect(Number(new URL(container.origin).port), '127.0.0.1');
    const before = alpha.handshakes.length;
    socket.write(
      `GET /v1/realtime?model=node-alpha-model HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ${randomBytes(16).toString('base64')}\r\nsec-websocket-version: 13\r\n\r\n`,
    );
    expect(await until(() => alpha.handshakes.length > before)).toBe(true);
    const since = performance.now();
    socket.destroy();
    expect((await last(alpha).closed) - since).toBeLessThan(1000);
  });
});

describe('a session', () => {
  test('1,000 messages, text and binary, come back as they are and in order', async () => {
    const { socket, messages } = await enter();
    const sent = Array.from({ length: 1000 }, (_, i) =>
      i % 2 ? randomBytes(i * 7) : Buffer.from(`message ${i} Grüße 🦙 ${'x'.repeat(i)}`),
    );
    for (const [i, data] of sent.entries()) socket.send(data, { binary: i % 2 === 1 });
    expect(await until(() => messages.length === 1001, 20_000)).toBe(true);
    const [, ...echoed] = messages;
    expect(echoed.every(({ data, isBinary }, i) => data.equals(sent[i] as Buffer) && isBinary === (i % 2 === 1))).toBe(
      true,
    );
  });

  test('pings and pongs are the other side’s, with what they carry', async () => {
    const { socket } = await enter(onAlpha);
    const { session } = last(alpha);
    const pinged = once(session as WebSocket, 'ping');
    const answered = once(socket, 'pong');
    socket.ping('are you there');
    expect(String((await pinged)[0])).toBe('are you there');
    expect(String((await answered)[0])).toBe('are you there');
    const asked = once(socket, 'ping');
    session?.ping('and you');
    expect(String((await asked)[0])).toBe('and you');
  });

  test.each([
    [1000, 'done'],
    [1001, ''],
    [3000, 'ours'],
    [4999, 'x'.repeat(123)],
  ])('code %i and its reason pass both ways', async (code, reason) => {
    const one = await enter(onAlpha);
    last(alpha).session?.close(code, reason);
    expect(await one.closed).toEqual({ code, reason });
    const other = await enter(onAlpha);
    const heard = once(last(alpha).session as WebSocket, 'close');
    other.socket.close(code, reason);
    const [told, why] = await heard;
    expect([told, String(why)]).toEqual([code, reason]);
    expect(await other.closed).toEqual({ code, reason });
  });

  test('a close without a code is one on the other side too', async () => {
    const { closed } = await enter(onAlpha);
    last(alpha).session?.close();
    expect((await closed).code).toBe(1005);
  });

  test('whose worker is lost: 1011', async () => {
    const { closed } = await enter(onAlpha);
    last(alpha).session?.terminate();
    expect((await closed).code).toBe(1011);
  });

  test('whose client is lost ends at the worker at once', async () => {
    const { socket } = await enter(onBeta);
    const { closed } = last(beta);
    const since = performance.now();
    socket.terminate();
    expect((await closed) - since).toBeLessThan(1000);
  });

  test('16 MB pass, a byte more closes with 1009, whoever sends it', async () => {
    const whole = await enter(onAlpha);
    whole.socket.send(Buffer.alloc(MAX, 'x'));
    expect(await until(() => whole.messages.some(({ data }) => data.length === MAX), 20_000)).toBe(true);
    whole.socket.send(Buffer.alloc(MAX + 1, 'x'));
    expect((await whole.closed).code).toBe(1009);
    const told = await enter(onAlpha);
    last(alpha).session?.send(Buffer.alloc(MAX + 1, 'x'));
    expect((await told.closed).code).toBe(1009);
  });

  test('of which one does not finish its message, or takes none, is closed where the memory for them is taken', async () => {
    await using small = await start({ GATEWAY_BUFFERED_BYTES: '4000000' }, [fleet()[0]]);
    const other = await enter({ to: small });
    const isServed = async () => {
      const { length } = other.messages;
      other.socket.send(Buffer.alloc(1_000_000));
      return until(() => other.messages.length > length);
    };
    const client = await dial(Number(new URL(small.origin).port));
    client.say(
      `GET /v1/realtime?model=${model} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-test\r\nconnection: upgrade\r\nupgrade: websocket\r\n${whole}\r\n\r\n`,
    );
    await client.until('session.created');
    const frameOf10MB = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x98, 0x96, 0x80, 0, 0, 0, 0]);
    client.say(Buffer.concat([frameOf10MB, Buffer.alloc(5_000_000)]));
    // 1013: try again later.
    expect(await client.closed).toContain(String.fromCharCode(0x03, 0xf5));
    expect(await isServed()).toBe(true);
    const silent = await enter({ to: small });
    silent.socket.pause();
    last(alpha).session?.send(Buffer.alloc(8_000_000));
    await last(alpha).closed;
    expect(await isServed()).toBe(true);
  });

  test('a client that does not read holds its worker back', async () => {
    const { socket } = await enter(onAlpha);
    const session = last(alpha).session as WebSocket;
    socket.pause();
    let sent = 0;
    const block = Buffer.alloc(65_536, 'x');
    const flood = setInterval(() => {
      if (session.bufferedAmount > 1024 * 1024) return;
      for (let i = 0; i < 16; i += 1) session.send(block);
      sent += 16 * block.length;
    }, 1);
    const isHeld = async () => {
      const before = sent;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return sent === before;
    };
    expect(await until(isHeld, 10_000)).toBe(true);
    clearInterval(flood);
    // Kernel buffers and what may wait for one side, on two connections.
    expect(sent).toBeLessThan(40 * 1024 * 1024);
    socket.resume();
    expect(await until(() => session.bufferedAmount === 0)).toBe(true);
  });

  test('in which nobody says a thing is closed on both sides', async () => {
    await using impatient = await start({ GATEWAY_IDLE_TIMEOUT_SECONDS: '0.3' }, [fleet()[0]]);
    const { socket, closed } = await enter({ to: impatient });
    const heard = once(last(alpha).session as WebSocket, 'close');
    for (let i = 0; i < 5; i += 1) {
      socket.pong();
      await new Promise((resolve) => setTimeout(resolve, 150));
      expect(socket.readyState).toBe(WebSocket.OPEN);
    }
    await Promise.all([closed, heard]);
  });

  test('leaves a line in the log, with its bytes and how it ended', async () => {
    const lines: string[] = [];
    await using own = await start({}, [fleet()[0]], (line) => lines.push(line));
    const { socket, messages, closed } = await enter({ to: own });
    socket.send('x'.repeat(1000));
    expect(await until(() => messages.length === 2)).toBe(true);
    socket.close(1000);
    await closed;
    expect(await until(() => lines.some((line) => line.includes('"event":"request"')))).toBe(true);
    const bytes = messages.reduce((sum, { data }) => sum + data.length, 0);
    expect(lines.filter((line) => line.includes('"event":"request"')).map((line) => JSON.parse(line))).toMatchObject([
      { operation: 'realtime', status: 101, node_id: 'node-alpha', attempts: 1, bytes, ending: 'complete' },
    ]);
  });

  test('200 at once, each with its own', async () => {
    const sessions = await Promise.all(Array.from({ length: 200 }, () => enter()));
    for (const [i, { socket }] of sessions.entries()) socket.send(`session ${i}`);
    const isEchoed = ({ messages }: Session, i: number) => messages.at(-1)?.data.toString() === `session ${i}`;
    expect(await until(() => sessions.every(isEchoed), 20_000)).toBe(true);
    const nodes = new Set(sessions.map(({ headers }) => headers['x-localai-node']));
    expect([...nodes].sort()).toEqual(['node-alpha', 'node-beta']);
  });

  test('ends with 1001 when the gateway is told to end and its time is over', async () => {
    const own = await start({ GATEWAY_DRAIN_SECONDS: '0.2' }, [fleet()[0]]);
    open.push(own.close);
    const { closed } = await enter({ to: own });
    own.child.kill('SIGTERM');
    expect((await closed).code).toBe(1001);
    expect(await own.exited).toBe(0);
  });
});

describe('the official client', () => {
  // It speaks TLS and nothing else; what is tested begins behind that.
  const client = () => new OpenAI({ apiKey: 'sk-test', baseURL: `${container.origin}/v1` });
  const talk = async (realtime: OpenAIRealtimeWS | OpenAIRealtimeWebSocket): Promise<string> => {
    let text = '';
    const done = Promise.withResolvers<void>();
    realtime.on('error', done.reject);
    realtime.on('session.created', () => realtime.send({ type: 'response.create' }));
    realtime.on('response.output_text.delta', ({ delta }) => {
      text += delta;
    });
    realtime.on('response.done', () => done.resolve());
    await done.promise;
    realtime.close();
    return text;
  };

  test('on ws', async () => {
    const { port } = new URL(container.origin);
    const options = { createConnection: () => connect(Number(port), '127.0.0.1') };
    expect(await talk(new OpenAIRealtimeWS({ model, options }, client()))).toBe('Grüß Gott');
  });

  test('on the runtime’s own WebSocket, with its key among the subprotocols', async () => {
    const { WebSocket: own } = globalThis;
    globalThis.WebSocket = class extends own {
      constructor(url: string | URL, protocols?: ConstructorParameters<typeof own>[1]) {
        super(String(url).replace('wss:', 'ws:'), protocols);
      }
    };
    open.push(() => {
      globalThis.WebSocket = own;
    });
    const realtime = new OpenAIRealtimeWebSocket({ model, dangerouslyAllowBrowser: true }, client());
    expect(await talk(realtime)).toBe('Grüß Gott');
  });
});
