import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readOptions } from '../../infra/aws/options.js';
import { taskDefinition } from '../../infra/aws/workers/task.js';
import { freePort } from '../../infra/local/free-port.ts';
import { haproxyLoadSources } from '../../lib/engines/haproxy.ts';
import { createWorkReader } from '../../lib/registrar/work.ts';
import { createAsk } from '../../lib/upstream/ask.ts';
import { createUpstream } from '../../lib/upstream/client.ts';
import { fetchAll, type Reply, send } from '../support/http.ts';
import { needs } from '../support/needs.ts';
import { readParams } from '../support/stack-params.ts';
import { until } from '../support/until.ts';

/** The sidecar as the task definition has it, its command included; only the two ports are free ones. */
const doorOf = (port: number, enginePort: number) => {
  const options = readOptions({ ...readParams(), workerConcurrency: 2 }, { service: 'gateway', stage: 'test' });
  const { ContainerDefinitions } = taskDefinition(options).Properties;
  const door = ContainerDefinitions.find(({ Name }) => Name === 'door');
  if (!door?.Environment) throw new Error('the task has no door');
  const environment = Object.fromEntries(door.Environment.map(({ Name, Value }) => [Name, Value]));
  return {
    command: door.Command,
    environment: { ...environment, WORKER_PORT: String(port), ENGINE_PORT: String(enginePort) },
  };
};

needs('haproxy')('the door of a worker', () => {
  let folder: string;
  let engine: Server;
  let held: ServerResponse[];
  let enginePort: number;
  let port: number;
  let haproxy: ChildProcess;
  let url: string;
  const path = `${process.env.PATH}${delimiter}/usr/sbin`;

  const run = (environment: Record<string, string>, [shell = '', flag = '', script = ''] = [] as string[]) =>
    spawn(shell, [flag, script.replaceAll('/tmp/', `${folder}/`)], { env: { PATH: path, ...environment } });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'door-'));
    held = [];
    engine = createServer((incoming, response) => {
      if (incoming.method === 'GET') return void response.end('ok');
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
      held.push(response);
    }).listen(0, '127.0.0.1');
    await once(engine, 'listening');
    enginePort = (engine.address() as AddressInfo).port;
    port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const { command, environment } = doorOf(port, enginePort);
    haproxy = run(environment, command);
    expect(await until(async () => (await fetchAll(`${url}/metrics`).catch(() => undefined))?.status === 200)).toBe(
      true,
    );
  });
  afterEach(async () => {
    const gone = haproxy.exitCode === null && haproxy.signalCode === null ? once(haproxy, 'exit') : undefined;
    haproxy.kill('SIGKILL');
    await gone;
    engine.closeAllConnections();
    engine.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = () => send(`${url}/v1/chat/completions`, { method: 'POST', body: '{}' });
  const load = async () => {
    const [source] = haproxyLoadSources;
    return source?.read((await fetchAll(url + source.path)).text);
  };

  test('its configuration is valid', async () => {
    const { environment } = doorOf(8080, 8081);
    const check = run(environment, [
      'sh',
      '-c',
      'printf %s "$HAPROXY_CONFIG" > /tmp/c.cfg && haproxy -c -f /tmp/c.cfg',
    ]);
    let said = '';
    check.stderr?.on('data', (text) => (said += text));
    const [code] = await once(check, 'close');
    expect({ code, said: said.replace(/^.*is valid.*$/m, '').trim() }).toEqual({ code: 0, said: '' });
  });

  test('as many at once as the engine computes; the others wait, and the gateway can read both numbers', async () => {
    const streams = [await ask(), await ask()];
    const waiting = [ask(), ask(), ask()];
    expect(await until(async () => JSON.stringify(await load()) === '{"running":2,"waiting":3}')).toBe(true);
    expect(held).toHaveLength(2);
    const lookup = await fetchAll(`${url}/readyz`);
    expect(lookup.text).toBe('ok');
    for (const response of held.splice(0)) response.end();
    for (const stream of streams) expect((await stream.all()).complete).toBe(true);
    expect(await until(() => held.length === 2)).toBe(true);
    for (const response of held.splice(0)) response.end();
    expect(await until(() => held.length === 1)).toBe(true);
    held[0]?.end();
    for (const stream of await Promise.all(waiting)) expect((await stream.all()).complete).toBe(true);
  });

  test('what it sent to the engine is work; questions about the engine are none, a WebSocket is', async () => {
    const { ask: question, read } = createWorkReader(createAsk(createUpstream({ connectTimeoutMs: 1000 })));
    const { signal } = new AbortController();
    const worker = { url, engine: 'localai', load: 'haproxy' };
    const work = () => read(worker, { signal });
    expect(await work()).toEqual({ running: 0, waiting: 0, served: 0, own: 0 });
    for (const path of ['/readyz', '/v1/models', '/metrics']) {
      expect((await question(worker, path, { timeoutMs: 1000 }))?.status).toBe(200);
    }
    expect(await work()).toEqual({ running: 0, waiting: 0, served: 0, own: 0 });
    const stream = await ask();
    expect(await work()).toEqual({ running: 1, waiting: 0, served: 1, own: 0 });
    held[0]?.end();
    await stream.all();
    expect(
      await until(async () => JSON.stringify(await work()) === '{"running":0,"waiting":0,"served":1,"own":0}'),
    ).toBe(true);
    const upgrade = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
    await (await send(`${url}/v1/realtime`, { method: 'GET', headers: upgrade })).all();
    expect(await work()).toMatchObject({ served: 2 });
  });

  test('who leaves the queue is not computed for', async () => {
    const streams: Reply[] = [await ask(), await ask()];
    const leaver = request(`${url}/v1/chat/completions`, { method: 'POST', agent: false });
    leaver.on('error', () => undefined);
    leaver.end('{}');
    expect(await until(async () => (await load())?.waiting === 1)).toBe(true);
    leaver.destroy();
    expect(await until(async () => (await load())?.waiting === 0)).toBe(true);
    for (const response of held.splice(0)) response.end();
    for (const stream of streams) await stream.all();
    expect(await until(async () => (await load())?.running === 0)).toBe(true);
    expect(held).toHaveLength(0);
  });

  test('chunks pass one by one, small ones too', async () => {
    const stream = await ask();
    expect((await stream.next())?.bytes.toString()).toBe('data: 1\n\n');
    held[0]?.write('a');
    expect((await stream.next())?.bytes.toString()).toBe('a');
    held[0]?.end('b');
    expect((await stream.all()).text).toBe('data: 1\n\nab');
  });

  test('an engine that is not there is 503, so that the gateway tries another worker', async () => {
    engine.close();
    engine.closeAllConnections();
    const startedAt = performance.now();
    const { status, headers, json } = await (await ask()).all();
    expect(performance.now() - startedAt).toBeLessThan(900);
    expect([status, headers['retry-after'], headers['content-type']]).toEqual([503, '5', 'application/json']);
    expect(json()).toMatchObject({ error: { code: 'service_unavailable' } });
  });

  test('told to stop, it takes nobody new and ends once its streams have ended', async () => {
    const stream = await ask();
    haproxy.kill('SIGUSR1');
    expect(await until(async () => (await fetchAll(`${url}/readyz`).catch(() => 'refused')) === 'refused')).toBe(true);
    expect(haproxy.exitCode).toBeNull();
    held[0]?.end('data: [DONE]\n\n');
    expect(await stream.all()).toMatchObject({ complete: true, text: 'data: 1\n\ndata: [DONE]\n\n' });
    if (haproxy.exitCode === null) await once(haproxy, 'exit');
    expect(haproxy.exitCode).toBe(0);
  });
});
