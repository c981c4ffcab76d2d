import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request as httpRequest, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startDoctorWorker } from '../../infra/doctor/worker.ts';
import { type Aws, startAws } from '../support/aws.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';

const script = fileURLToPath(new URL('../../infra/doctor/doctor.ts', import.meta.url));

const doctor = async (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
    env: { PATH: process.env.PATH, ...env },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said += text));
  const [code] = await once(child, 'close');
  return { code, said, lines: said.split('\n') };
};
const portOf = (server: Server) => (server.address() as AddressInfo).port;
const listen = async (listener: RequestListener): Promise<Server> => {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
};

const prefix = '/localai-gateway/doctor';
const keys = ['--key', 'caller', '--admin-key', 'operator'];

describe('doctor', () => {
  let aws: Aws;
  let worker: Server;
  let gateway: Gateway;

  beforeAll(async () => {
    [aws, worker] = await Promise.all([startAws(), startDoctorWorker(0)]);
    const workers = [{ id: 'node-doctor', url: `http://127.0.0.1:${portOf(worker)}` }];
    aws.ssm.put(`${prefix}/services/doctor`, JSON.stringify({ workers }));
    aws.ssm.put(`${prefix}/runtime/expose-node-header`, 'false');
    aws.ssm.put(`${prefix}/runtime/api-keys`, 'caller', 'SecureString');
    aws.ssm.put(`${prefix}/runtime/admin-keys`, 'operator', 'SecureString');
    const env = { ...aws.env, GATEWAY_SSM_PREFIX: prefix, GATEWAY_CONFIG_TTL_SECONDS: '0.5' };
    gateway = await startGateway({
      env: { ...env, GATEWAY_ALLOW_ANONYMOUS: undefined, LOCALAI_EXPOSE_NODE_HEADER: undefined },
    });
    await gateway.invoke('registrar', { 'detail-type': 'Scheduled Event', source: 'aws.events' });
  }, 60_000);
  afterAll(async () => {
    await gateway?.close();
    worker?.closeAllConnections();
    worker?.close();
    await aws?.close();
  });

  test('finds nothing wrong with a gateway that is well, and turns the header on and off again', async () => {
    const args = ['--url', `${gateway.origin}/`, ...keys, '--ssm-prefix', prefix, '--wait', '20'];
    const { code, said } = await doctor(args, { ...aws.env });
    expect(said).toMatch(/^ok {2}bytes come spaced as they are sent: 12 pieces/m);
    expect(said).toMatch(/^ok {2}a cut is visible on \/v1\/messages/m);
    expect(said).toMatch(/^ok {2}header follows .* = true: after/m);
    expect(said).toMatch(/^ok {2}header follows .* = false: after/m);
    expect(said).toMatch(/ good, 0 bad, 0 not known$/m);
    expect(code).toBe(0);
    expect(aws.ssm.get(`${prefix}/runtime/expose-node-header`)).toBe('false');
  });

  test('tells a front that collects what it passes on, and one that hides a cut', async () => {
    const front = await listen((incoming, outgoing) => {
      const { method, url, headers } = incoming;
      const through = httpRequest(gateway.origin + url, { method, headers }, async (answer) => {
        let body = '';
        for await (const chunk of answer) body += chunk;
        delete answer.headers['transfer-encoding'];
        outgoing.writeHead(answer.statusCode ?? 0, answer.headers).end(body.replace(/^data: \{"error".*\n\n/m, ''));
      });
      incoming.pipe(through);
    });
    const { code, said } = await doctor(['--url', `http://127.0.0.1:${portOf(front)}`, ...keys]);
    front.close();
    expect(said).toMatch(/^BAD bytes come spaced as they are sent: .* something collects them$/m);
    expect(said).toMatch(/^BAD a cut is visible on \/v1\/chat\/completions: the stream just ends/m);
    expect(code).toBe(1);
  });

  test('tells functions that are behind the wrong path, and a wrong key', async () => {
    const front = await listen(({ method, url, headers }, outgoing) => {
      httpRequest(gateway.urlOf('openai') + url, { method, headers: { ...headers, 'content-length': 0 } }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(outgoing);
      }).end();
    });
    const { code, said } = await doctor(['--url', `http://127.0.0.1:${portOf(front)}`, '--key', 'caller']);
    front.close();
    expect(said).toMatch(/^BAD function rerank: \/v1\/rerank leads to another function/m);
    const mistaken = await doctor(['--url', gateway.origin, '--key', 'mistaken']);
    expect(mistaken.said).toMatch(/^BAD your key, Authorization: Bearer: 401$/m);
    expect([code, mistaken.code]).toEqual([1, 1]);
  });

  test('says what it could not look at', async () => {
    await using open = await startGateway({ workers: [], functions: ['openai'] });
    const { said } = await doctor(['--url', open.urlOf('openai')]);
    expect(said).toMatch(/^\? {3}keys: none is needed/m);
    expect(said).toMatch(/^\? {3}a cut is visible: needs the doctor/m);
    expect(said).toMatch(/^\? {3}streaming: none of no models can chat/m);
  });

  test('nobody there', async () => {
    const { code, said } = await doctor(['--url', 'http://127.0.0.1:1']);
    expect(said).toMatch(/^BAD reach: fetch failed/m);
    expect(code).toBe(1);
    expect((await doctor([])).code).toBe(2);
  });
});
