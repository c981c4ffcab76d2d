import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Aws, startAws } from '../support/aws.ts';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { type Gateway, settingOf, startGateway } from '../support/gateway.ts';
import { operation } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';

/** docs/contract.md section 7 with keys kept in SSM. */
const prefix = '/localai-gateway/keys';
const model = 'test-model';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

let aws: Aws;
let worker: StandIn;
const open: AsyncDisposable[] = [];
beforeEach(async () => {
  aws = await startAws();
  worker = await startWorker({ name: 'alpha', models: [model] });
  open.push(aws, worker);
});
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

const put = (name: string, value: string) => aws.ssm.put(`${prefix}/runtime/${name}`, value, 'SecureString');
const gatewayWith = async (env: Record<string, string | undefined> = {}): Promise<Gateway> => {
  const gateway = await startGateway({
    workers: [settingOf(worker, { apiKey: 'worker-secret' })],
    functions: ['openai', 'nodes'],
    env: {
      ...aws.env,
      GATEWAY_SSM_PREFIX: prefix,
      GATEWAY_CONFIG_TTL_SECONDS: '0.1',
      GATEWAY_ALLOW_ANONYMOUS: undefined,
      ...env,
    },
  });
  open.push(gateway);
  return gateway;
};
const ask = async (gateway: Gateway, key?: string) => {
  const headers: Record<string, string> =
    key === undefined ? {} : { authorization: `Bearer ${key.replaceAll(/\s+/g, ' ')}` };
  return (await gateway.fetch('/v1/chat/completions', { headers, body: operation('chat').body(model) })).status;
};
const nodes = async (gateway: Gateway, key?: string) =>
  (await gateway.fetch('/api/nodes', key === undefined ? {} : { headers: { 'x-api-key': key } })).status;

describe('api-keys', () => {
  test.each([
    ['one', 'sk-1'],
    ['lines', 'sk-0\nsk-1\r\nsk-2\n'],
    ['commas', 'sk-0, sk-1 ,sk-2'],
    ['a digest', `sha256:${sha256('sk-1')}`],
    ['a digest in upper case, among others', `sk-0,sha256:${sha256('sk-1').toUpperCase()}`],
  ])('%s', async (_, value) => {
    put('api-keys', value);
    const gateway = await gatewayWith();
    expect(await ask(gateway, 'sk-1')).toBe(200);
    expect(worker.requests[0]?.headers.authorization).toBe('Bearer worker-secret');
    for (const wrong of [
      undefined,
      'sk-',
      'sk-3',
      value,
      sha256('sk-1'),
      `sha256:${sha256('sk-1')}`,
      'worker-secret',
    ]) {
      if (wrong !== 'sk-1') expect(await ask(gateway, wrong)).toBe(401);
    }
  });

  test('count beside those of the environment', async () => {
    put('api-keys', 'sk-ssm');
    const gateway = await gatewayWith({ LOCALAI_API_KEY: 'sk-env' });
    expect([await ask(gateway, 'sk-ssm'), await ask(gateway, 'sk-env'), await ask(gateway)]).toEqual([200, 200, 401]);
  });

  test.each([
    ['a short digest', 'sha256:abc'],
    ['no hexadecimal', `sha256:${'g'.repeat(64)}`],
    ['one good, one malformed', `sk-1\nsha256:abc`],
    ['spaces inside', 'sk-1 sk-2'],
    ['nothing', ' ,\n '],
  ])('malformed (%s): closed, also where anonymous access is allowed', async (_, value) => {
    put('api-keys', value);
    for (const GATEWAY_ALLOW_ANONYMOUS of [undefined, 'true']) {
      const gateway = await gatewayWith({ GATEWAY_ALLOW_ANONYMOUS });
      for (const key of [undefined, 'sk-1', value.trim() || 'x']) expect(await ask(gateway, key)).toBe(401);
      expect((await gateway.fetch('/readyz')).status).toBe(503);
      expect(gateway.logs.join('\n')).toContain(`${prefix}/runtime/api-keys`);
      expect(gateway.logs.join('\n')).not.toContain('sk-1');
    }
    expect(worker.requests).toHaveLength(0);
  });

  test('are turned within three cache times, without a restart', async () => {
    put('api-keys', 'sk-old');
    const gateway = await gatewayWith();
    expect(await ask(gateway, 'sk-old')).toBe(200);
    put('api-keys', 'sk-new');
    expect(await until(async () => (await ask(gateway, 'sk-new')) === 200, 2000)).toBe(true);
    expect(await ask(gateway, 'sk-old')).toBe(401);
  });

  test('close what was open to anybody', async () => {
    const gateway = await gatewayWith({ GATEWAY_ALLOW_ANONYMOUS: 'true' });
    expect([await ask(gateway), await nodes(gateway)]).toEqual([200, 200]);
    put('api-keys', 'sk-1');
    expect(await until(async () => (await ask(gateway)) === 401, 2000)).toBe(true);
    expect(await ask(gateway, 'sk-1')).toBe(200);
    expect(await until(async () => (await nodes(gateway)) === 401, 2000)).toBe(true);
  });
});

describe('no key anywhere', () => {
  test('closed, and not ready', async () => {
    const gateway = await gatewayWith();
    const received = await gateway.fetch('/v1/chat/completions', { body: operation('chat').body(model) });
    expectErrorIn('openai', received);
    expect([received.status, received.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    expect((await gateway.fetch('/readyz')).status).toBe(503);
    expect((await gateway.fetch('/healthz')).status).toBe(200);
    put('api-keys', 'sk-1');
    expect(await until(async () => (await gateway.fetch('/readyz')).status === 200, 2000)).toBe(true);
  });
});

describe('admin-keys', () => {
  test('open GET /api/nodes and nothing else; API keys do not', async () => {
    put('api-keys', 'sk-1');
    put('admin-keys', `sha256:${sha256('sk-admin')}`);
    const gateway = await gatewayWith();
    expect([await nodes(gateway, 'sk-admin'), await nodes(gateway, 'sk-1'), await nodes(gateway)]).toEqual([
      200, 401, 401,
    ]);
    expect(await ask(gateway, 'sk-admin')).toBe(401);
  });

  test('close GET /api/nodes also where anonymous access is allowed', async () => {
    put('admin-keys', 'sk-admin');
    const gateway = await gatewayWith({ GATEWAY_ALLOW_ANONYMOUS: 'true' });
    expect([await ask(gateway), await nodes(gateway), await nodes(gateway, 'sk-admin')]).toEqual([200, 401, 200]);
  });
});
