import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../../infra/local/free-port.ts';
import { startAws } from '../support/aws.ts';
import { fetchAll } from '../support/http.ts';
import { type Runner, startRunner } from '../support/runner.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';

/** `npm start` from its script on, as a process of its own. */

const READY = 'Ctrl-C ends it.';
const messages = [{ role: 'user', content: 'hello' }];

const startGateway = async (
  env: Readonly<Record<string, string>>,
  args: readonly string[] = ['infra/local/start.ts'],
) => {
  const PORT = String(await freePort());
  const runner = startRunner(args, { PORT, ...env });
  return { runner, origin: `http://127.0.0.1:${PORT}` };
};

describe('npm start with workers', () => {
  let one: StandIn;
  let two: StandIn;
  let runner: Runner;
  let origin: string;
  beforeAll(async () => {
    [one, two] = [
      await startWorker({ name: 'one', models: ['model-one'] }),
      await startWorker({ name: 'two', models: ['model-two'] }),
    ];
    ({ runner, origin } = await startGateway({
      LOCALAI_WORKERS: `${one.url},${two.url}`,
      LOCALAI_EXPOSE_NODE_HEADER: 'true',
    }));
    await runner.printed(READY);
  });
  afterEach(() => {
    one.reset();
    two.reset();
  });
  afterAll(async () => {
    await Promise.all([runner, one, two].map((each) => each?.[Symbol.asyncDispose]()));
  });

  it('serves them, each with its own models', async () => {
    expect((await fetchAll(`${origin}/readyz`)).status).toBe(200);
    for (const [model, node] of [
      ['model-one', 'worker-1'],
      ['model-two', 'worker-2'],
    ]) {
      const reply = await fetchAll(`${origin}/v1/chat/completions`, { body: { model, messages } });
      expect(reply).toMatchObject({ status: 200, headers: { 'x-localai-node': node } });
    }
    expect([one.requests.length, two.requests.length]).toEqual([1, 1]);

    const [, rerank = ''] = /rerank +(http:\S+)/.exec(runner.output()) ?? [];
    expect((await fetchAll(`${rerank}/healthz`)).status).toBe(200);
    const elsewhere = await fetchAll(`${rerank}/v1/chat/completions`, { body: { model: 'model-one', messages } });
    expect(elsewhere).toMatchObject({ status: 404, text: expect.stringContaining("'openai' function") });
  });

  it('refuses a body beyond 6 MB in the caller`s dialect, and foreign names while it serves anybody', async () => {
    const body = JSON.stringify({ model: 'model-one', messages: [{ role: 'user', content: 'x'.repeat(6_300_000) }] });
    const headers = { 'content-type': 'application/json' };
    const openai = await fetchAll(`${origin}/v1/chat/completions`, { method: 'POST', headers, body });
    expect([openai.status, openai.json()]).toEqual([
      413,
      {
        error: expect.objectContaining({ code: 'request_too_large', message: expect.stringContaining('6283264 fit') }),
      },
    ]);
    const anthropic = await fetchAll(`${origin}/v1/messages`, { method: 'POST', headers, body });
    expect(anthropic.json()).toMatchObject({ type: 'error', error: { type: 'request_too_large' } });
    const ollama = await fetchAll(`${origin}/api/chat`, { method: 'POST', headers, body });
    expect(ollama.json()).toEqual({ error: expect.stringContaining('Send less at once') });

    // Nobody knows how long they are before they have been read.
    const inChunks = async (path: string, content: string, headers: Record<string, string>) => {
      const options = { method: 'POST', headers, body: new Blob([content]).stream(), duplex: 'half' };
      return await fetch(`${origin}${path}`, options as RequestInit);
    };
    for (const [path, content, said] of [
      ['/v1/chat/completions', body, '6283264 fit through'],
      ['/v1/messages', body, '6283264 fit through'],
      ['/v1/chat/completions', body.replaceAll('x', '"').slice(0, 4_000_000), 'JSON has to escape'],
    ] as const) {
      const id = `chunked-${said.length}`;
      const reply = await inChunks(path, content, { ...headers, 'x-correlation-id': id });
      expect([reply.status, reply.headers.get('x-correlation-id'), await reply.text()]).toEqual([
        413,
        id,
        expect.stringContaining(said),
      ]);
    }
    for (const { headers } of [openai, anthropic, ollama]) {
      expect(headers['x-correlation-id']).toMatch(/^[0-9a-f-]{36}$/);
      expect(headers['x-request-id']).toBe(headers['x-correlation-id']);
    }
    expect(anthropic.json()).toMatchObject({ request_id: anthropic.headers['request-id'] });

    const [, own = ''] = /openai +(http:\S+)/.exec(runner.output()) ?? [];
    for (const url of [origin, own]) {
      const of = async (host: string) => (await fetchAll(`${url}/v1/models`, { headers: { host } })).status;
      expect(
        await Promise.all(['evil.example', 'evil.example:8080', '10.0.0.1', 'localhost.evil.example'].map(of)),
      ).toEqual([403, 403, 403, 403]);
      expect(
        await Promise.all(['localhost', 'LOCALHOST:1', 'a.localhost', '127.0.0.9:80', '[::1]:80'].map(of)),
      ).toEqual([200, 200, 200, 200, 200]);
    }
    const foreign = await fetchAll(`${origin}/api/tags`, { headers: { host: 'evil.example', 'x-request-id': 'mine' } });
    expect(foreign.json()).toEqual({ error: expect.stringContaining('LOCALAI_API_KEY') });
    expect(foreign.headers).toMatchObject({ 'x-correlation-id': 'mine', 'x-request-id': 'mine' });
    expect([one.requests, two.requests]).toEqual([[], []]);
  });

  it('ends when it is told to, and leaves nothing behind', async () => {
    runner.child.kill('SIGTERM');
    expect(await runner.exited).toBe(0);
    expect(await until(() => !runner.leftBehind(), 3000)).toBe(true);
  });
});

describe('npm start', () => {
  it('serves two demo workers when it is given none', async () => {
    const { runner, origin } = await startGateway({ LOCALAI_EXPOSE_NODE_HEADER: 'true' });
    await using _ = runner;
    await runner.printed(READY);
    const body = { model: 'ngram', max_tokens: 4, messages };
    const reply = await fetchAll(`${origin}/v1/chat/completions`, { body });
    expect(reply.status).toBe(200);
    const nodes = (await fetchAll(`${origin}/api/nodes`)).json() as { id: string }[];
    expect(nodes).toHaveLength(2);
    expect(nodes.map(({ id }) => id)).toContain(reply.headers['x-localai-node']);

    // As a terminal does: every process of the group at once.
    process.kill(-(runner.child.pid ?? 0), 'SIGINT');
    expect(await runner.exited).toBe(0);
    expect(await until(() => !runner.leftBehind(), 3000)).toBe(true);
  });

  it('passes a demo worker`s hint on where this machine lacks what a model needs', async () => {
    // An empty PATH: no PocketSphinx, wherever this runs.
    const { runner, origin } = await startGateway({ PATH: '/nowhere' });
    await using _ = runner;
    await runner.printed(READY);
    const transcribed = async (model: string) => {
      const form = new FormData();
      form.set('model', model);
      form.set('file', new Blob([Buffer.alloc(64)]), 'a.wav');
      const { status, text } = await fetchAll(`${origin}/v1/audio/transcriptions`, { body: form });
      return [status, text];
    };
    expect(await transcribed('pocketsphinx')).toEqual([501, expect.stringContaining('apt-get install')]);
    expect(await transcribed('no-such-model')).toEqual([404, expect.stringContaining('no-such-model')]);
    const [, audio = ''] = /audio +(http:\S+)/.exec(runner.output()) ?? [];
    for (const url of [origin, audio]) {
      const { data } = (await fetchAll(`${url}/v1/models`)).json() as { data: { id: string }[] };
      const ids = data.map(({ id }) => id);
      expect([ids.includes('flite'), ids.includes('pocketsphinx'), ids.includes('*')]).toEqual([true, false, false]);
    }
  });

  it('with GATEWAY_SSM_PREFIX runs the registrar, and serves what it found', async () => {
    await using aws = await startAws();
    await using worker = await startWorker({ name: 'one', models: ['model-one'] });
    const prefix = '/localai-gateway/start';
    aws.ssm.put(`${prefix}/services/chat`, JSON.stringify({ workers: [{ id: 'node-one', url: worker.url }] }));
    const { runner, origin } = await startGateway({
      ...aws.env,
      GATEWAY_SSM_PREFIX: prefix,
      LOCALAI_EXPOSE_NODE_HEADER: 'true',
    });
    await using _ = runner;
    await runner.printed(READY);
    const reply = await fetchAll(`${origin}/v1/chat/completions`, { body: { model: 'model-one', messages } });
    expect(reply).toMatchObject({ status: 200, headers: { 'x-localai-node': 'node-one' } });
  });

  it.each([
    ['GATEWAY_NO_SUCH_THING', '1'],
    ['GATEWAY_MAX_ATTEMPTS', 'many'],
    ['LOCALAI_WORKERS', '[{'],
    ['PORT', 'http'],
    ['PORT', '70000'],
  ])('stops at %s=%s and names it', async (name, value) => {
    await using runner = startRunner(['infra/local/start.ts'], { [name]: value });
    expect(await runner.exited).toBe(1);
    expect(runner.output()).toContain(name);
    expect(runner.output()).not.toContain('    at ');
  });

  it('stops at a port that is taken and names it', async () => {
    await using worker = await startWorker({ name: 'one' });
    await using runner = startRunner(['infra/local/start.ts'], {
      LOCALAI_WORKERS: worker.url,
      PORT: String(worker.port),
    });
    expect(await runner.exited).toBe(1);
    expect(runner.output()).toMatch(/PORT: .*EADDRINUSE/);
  });
});

describe('the bootstrap', () => {
  it('passes arguments and the exit code', async () => {
    await using runner = startRunner(['infra/local/bootstrap.js', 'test/fixtures/script.ts', '3', 'more']);
    expect(await runner.exited).toBe(3);
    expect(runner.output()).toMatch(/node 24\.\S+ arguments 3,more/);
  });

  it('passes signals', async () => {
    await using runner = startRunner(['infra/local/bootstrap.js', 'test/fixtures/script.ts']);
    await runner.printed('node 24');
    runner.child.kill('SIGTERM');
    expect(await runner.exited).toBe(9);
    expect(runner.output()).toContain('asked to end');
  });

  it('starts a gateway that asks for the key it is given, under any name, and takes it along when it is killed', async () => {
    await using worker = await startWorker({ name: 'one', models: ['model-one'] });
    const { runner, origin } = await startGateway({ LOCALAI_WORKERS: worker.url, LOCALAI_API_KEY: 'secret' }, [
      'infra/local/bootstrap.js',
      'infra/local/start.ts',
    ]);
    await using _ = runner;
    await runner.printed(READY);
    expect(runner.output()).toContain('Authorization: Bearer $LOCALAI_API_KEY');
    const authorization = 'Bearer secret';
    const callers: Record<string, string>[] = [{}, { authorization }, { host: 'gateway.example', authorization }];
    const replies = await Promise.all(callers.map((headers) => fetchAll(`${origin}/v1/models`, { headers })));
    expect(replies.map(({ status }) => status)).toEqual([401, 200, 200]);

    runner.child.kill('SIGKILL');
    expect(await until(() => !runner.leftBehind(), 5000)).toBe(true);
  });
});
