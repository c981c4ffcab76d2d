import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Config, ConfigError, parseConfig } from '../../../lib/config.ts';

/** docs/contract.md section 8, one row after the other. */
const failureOf = (env: Record<string, string>): ConfigError => {
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('it was accepted');
};

describe('with nothing set', () => {
  test('every default is the documented one', () => {
    expect(parseConfig({})).toMatchObject({
      exposeNodeHeader: false,
      workers: undefined,
      apiKeys: [],
      adminKeys: [],
      allowAnonymous: false,
      ssmPrefix: undefined,
      configTtlMs: 10_000,
      policy: 'affinity',
      maxAttempts: 3,
      connectTimeoutMs: 1000,
      firstByteTimeoutMs: undefined,
      idleTimeoutMs: 300_000,
      keepAliveMs: 10_000,
      deadlineMarginMs: 1500,
      maxBodyBytes: undefined,
      corsOrigins: [],
      uploadBucket: undefined,
      edgeSecret: undefined,
      wakeWaitMs: 60_000,
      wakeHoldMs: 300_000,
      translate: true,
      bufferedBytes: undefined,
      requestMs: 3_600_000,
      drainMs: 900_000,
      serviceName: 'localai-lambda-gateway',
    } satisfies Partial<Config>);
    // "200 MB"
    expect([200_000_000, 200 * 1024 * 1024]).toContain(parseConfig({}).uploadMaxBytes);
  });

  test('an empty value is a value not given', () => {
    const empty = { LOCALAI_WORKERS: '', GATEWAY_SSM_PREFIX: '', GATEWAY_EDGE_SECRET: '', GATEWAY_MAX_ATTEMPTS: '' };
    expect(parseConfig(empty)).toEqual(parseConfig({}));
  });
});

describe('each variable', () => {
  test.each<[string, string, keyof Config, unknown]>([
    ['LOCALAI_EXPOSE_NODE_HEADER', 'true', 'exposeNodeHeader', true],
    ['LOCALAI_EXPOSE_NODE_HEADER', '1', 'exposeNodeHeader', true],
    ['LOCALAI_EXPOSE_NODE_HEADER', 'TRUE', 'exposeNodeHeader', true],
    ['LOCALAI_EXPOSE_NODE_HEADER', 'false', 'exposeNodeHeader', false],
    ['LOCALAI_EXPOSE_NODE_HEADER', '0', 'exposeNodeHeader', false],
    ['LOCALAI_API_KEY', 'a, b,,c ', 'apiKeys', ['a', 'b', 'c']],
    ['LOCALAI_ADMIN_KEY', 'root', 'adminKeys', ['root']],
    ['GATEWAY_ALLOW_ANONYMOUS', 'true', 'allowAnonymous', true],
    ['GATEWAY_SSM_PREFIX', '/localai-gateway/dev', 'ssmPrefix', '/localai-gateway/dev'],
    ['GATEWAY_SSM_PREFIX', '/localai-gateway/dev/', 'ssmPrefix', '/localai-gateway/dev'],
    ['GATEWAY_CONFIG_TTL_SECONDS', '0.5', 'configTtlMs', 500],
    ['GATEWAY_POLICY', 'random', 'policy', 'random'],
    ['GATEWAY_MAX_ATTEMPTS', '5', 'maxAttempts', 5],
    ['GATEWAY_CONNECT_TIMEOUT_MS', '250', 'connectTimeoutMs', 250],
    ['GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS', '30', 'firstByteTimeoutMs', 30_000],
    ['GATEWAY_IDLE_TIMEOUT_SECONDS', '1.5', 'idleTimeoutMs', 1500],
    ['GATEWAY_KEEPALIVE_SECONDS', '3', 'keepAliveMs', 3000],
    ['GATEWAY_DEADLINE_MARGIN_MS', '0', 'deadlineMarginMs', 0],
    ['GATEWAY_MAX_BODY_BYTES', '1048576', 'maxBodyBytes', 1_048_576],
    ['GATEWAY_CORS_ORIGINS', 'https://a.test, https://b.test', 'corsOrigins', ['https://a.test', 'https://b.test']],
    ['GATEWAY_CORS_ORIGINS', 'https://A.test/,null', 'corsOrigins', ['https://a.test', 'null']],
    ['GATEWAY_CORS_ORIGINS', '*', 'corsOrigins', ['*']],
    ['GATEWAY_UPLOAD_BUCKET', 'media', 'uploadBucket', 'media'],
    ['GATEWAY_UPLOAD_MAX_BYTES', '1000', 'uploadMaxBytes', 1000],
    ['GATEWAY_EDGE_SECRET', 's3cret', 'edgeSecret', 's3cret'],
    ['GATEWAY_WAKE_WAIT_SECONDS', '5', 'wakeWaitMs', 5000],
    ['GATEWAY_WAKE_HOLD_SECONDS', '20', 'wakeHoldMs', 20_000],
    ['GATEWAY_TRANSLATE', 'false', 'translate', false],
    ['GATEWAY_BUFFERED_BYTES', '1000000', 'bufferedBytes', 1_000_000],
    ['GATEWAY_REQUEST_SECONDS', '60', 'requestMs', 60_000],
    ['GATEWAY_DRAIN_SECONDS', '0', 'drainMs', 0],
    ['OTEL_SERVICE_NAME', 'gateway-prod', 'serviceName', 'gateway-prod'],
  ])('%s=%s', (name, value, field, expected) => {
    expect(parseConfig({ [name]: value })[field]).toEqual(expected);
  });

  test("the AWS SDK's own variables are handed on", () => {
    const aws = { AWS_REGION: 'eu-central-1', AWS_SESSION_TOKEN: 't', AWS_ENDPOINT_URL_SSM: 'http://127.0.0.1:1' };
    expect(parseConfig({ ...aws, HOME: '/root' }).aws).toEqual(aws);
  });
});

describe('a value that does not parse names its variable', () => {
  test.each([
    ['LOCALAI_EXPOSE_NODE_HEADER', 'yes'],
    ['GATEWAY_ALLOW_ANONYMOUS', 'maybe'],
    ['GATEWAY_SSM_PREFIX', 'no-slash'],
    ['GATEWAY_SSM_PREFIX', '/a b'],
    ['GATEWAY_CONFIG_TTL_SECONDS', '10s'],
    ['GATEWAY_CONFIG_TTL_SECONDS', '-1'],
    ['GATEWAY_CONFIG_TTL_SECONDS', '0'],
    ['GATEWAY_POLICY', 'round-robin'],
    ['GATEWAY_MAX_ATTEMPTS', '0'],
    ['GATEWAY_MAX_ATTEMPTS', '1.5'],
    ['GATEWAY_MAX_ATTEMPTS', 'three'],
    ['GATEWAY_CONNECT_TIMEOUT_MS', '1e3'],
    ['GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS', 'NaN'],
    ['GATEWAY_IDLE_TIMEOUT_SECONDS', 'Infinity'],
    ['GATEWAY_KEEPALIVE_SECONDS', '0x10'],
    ['GATEWAY_DEADLINE_MARGIN_MS', '-1'],
    ['GATEWAY_MAX_BODY_BYTES', '6 MB'],
    ['GATEWAY_UPLOAD_MAX_BYTES', '0'],
    ['LOCALAI_WORKERS', 'not a url'],
    ['LOCALAI_WORKERS', '[{'],
    ['LOCALAI_API_KEY', 'one,SHA256:abc'],
    ['LOCALAI_ADMIN_KEY', 'sha256:'],
    ['LOCALAI_WORKERS', '{"id":"a","url":"http://a"}'],
    ['LOCALAI_WORKERS', '[{"id":"a"}]'],
    ['LOCALAI_WORKERS', '[{"url":"http://a"}]'],
    ['LOCALAI_WORKERS', '[{"id":"a","url":"ftp://a"}]'],
    ['LOCALAI_WORKERS', '[{"id":"a","url":"http://a","engine":"tgi"}]'],
    ['LOCALAI_WORKERS', '[{"id":"a","url":"http://a","models":"m"}]'],
    ['LOCALAI_WORKERS', '[{"id":"a","url":"http://a","load":"nginx"}]'],
    ['LOCALAI_WORKERS', '[{"id":"a","url":"http://a","colour":"red"}]'],
    ['LOCALAI_WORKERS', '[{"id":"a b","url":"http://a"}]'],
    ['LOCALAI_WORKERS', '[{"id":"a","url":"http://a","serves":["chats"]}]'],
    ['LOCALAI_WORKERS', '[{"id":"a","url":"http://a","serves":"chat"}]'],
    ['LOCALAI_WORKERS', '[{"id":"a","url":"http://a"},{"id":"a","url":"http://b"}]'],
  ])('%s=%s', (variable, value) => {
    const error = failureOf({ [variable]: value });
    expect(error.variable).toBe(variable);
    expect(error.message).toMatch(new RegExp(`^${variable}: .+`));
  });

  test.each([
    '[{"id":"a","url":"http://a","apiKey":12345678}]',
    '[{"id":"a","url":"http://a","apiKey":"12345678\\n"}]',
    '[{"id":"a","url":"http://a","apiKey":"1234 5678"}]',
    '[{"id":"a","url":"http://a","apiKey":"12345678\u00fc"}]',
    '[{"id":"a","url":"http://a","apiKey":["12345678"]}]',
    '[{"id":"a","url":"http://user:12345678@a"}]',
    '[{"id":"a","url":"http://12345678@a"}]',
    '[{"id":"a","url":"http://a/?key=12345678"}]',
    '[{"id":"a","url":"http://a/?"}]',
    '[{"id":"a","url":"http://a/#12345678"}]',
    '[{"id":"a","url":"http://a/b\\tc12345678"}]',
    '[{"id":"a","url":"http://a","models":[12345678]}]',
    '[{"id":"a","url":"http://a","labels":{"zone":12345678}}]',
    '[{"id":12345678,"url":"http://a"}]',
    '[{"id":"a","url":12345678}]',
    '[12345678]',
    '12345678',
    'http://user:12345678@a',
    'http://a/?key=12345678',
  ])('%s is refused at the door, by its name and never by its value', (value) => {
    const error = failureOf({ LOCALAI_WORKERS: value });
    expect(error.variable).toBe('LOCALAI_WORKERS');
    expect(error.message).toMatch(/^LOCALAI_WORKERS: .+/);
    expect(`${error.message} ${error.stack}`).not.toContain('12345678');
  });

  test('whatever it is, it is a ConfigError or it is accepted', () => {
    const names = ['LOCALAI_WORKERS', 'GATEWAY_SSM_PREFIX', 'GATEWAY_MAX_ATTEMPTS', 'GATEWAY_POLICY'];
    fc.assert(
      fc.property(fc.constantFrom(...names), fc.oneof(fc.string(), fc.json()), (name, value) => {
        try {
          parseConfig({ [name]: value });
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
      }),
    );
  });
});

describe('an unknown variable', () => {
  test.each(['GATEWAY_MAX_ATEMPTS', 'GATEWAY_', 'GATEWAY_max_attempts'])('%s is named', (name) => {
    expect(failureOf({ [name]: '3' })).toMatchObject({ variable: name, name: 'ConfigError' });
  });

  test.each(['LOCALAI_SOMETHING', 'MY_GATEWAY_X', 'AWS_LAMBDA_FUNCTION_NAME', 'PORT', 'HOST', '_HANDLER'])(
    '%s is none of ours',
    (name) => expect(() => parseConfig({ [name]: 'x' })).not.toThrow(),
  );
});

describe('LOCALAI_WORKERS', () => {
  test('as a list of URLs: ids worker-1, worker-2, ..., any models, no engine', () => {
    const { workers } = parseConfig({ LOCALAI_WORKERS: 'http://10.0.0.1:8080/, https://w.test/base ' });
    expect(workers).toEqual([
      { id: 'worker-1', name: 'worker-1', url: 'http://10.0.0.1:8080', status: 'healthy' },
      { id: 'worker-2', name: 'worker-2', url: 'https://w.test/base', status: 'healthy' },
    ]);
  });

  test('as JSON, with everything it may say', () => {
    const worker = {
      id: 'a',
      url: 'http://a:1',
      models: ['m'],
      engine: 'vllm',
      serves: ['moderation', 'rerank'],
      load: 'haproxy',
      apiKey: 'k',
      labels: { zone: 'a' },
    };
    expect(parseConfig({ LOCALAI_WORKERS: JSON.stringify([worker]) }).workers).toEqual([
      { ...worker, name: 'a', status: 'healthy' },
    ]);
  });

  test('as an empty list is a fleet of nobody, which is a configuration', () => {
    expect(parseConfig({ LOCALAI_WORKERS: '[]' }).workers).toEqual([]);
  });

  test('a message about it holds no key', () => {
    const bad = JSON.stringify([{ id: 'a', url: 'http://a', apiKey: 'sk-very-secret', engine: 'tgi' }]);
    expect(failureOf({ LOCALAI_WORKERS: bad }).message).not.toContain('sk-very-secret');
  });
});
