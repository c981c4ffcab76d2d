import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { awsVariables, functionEnv } from '../../../../infra/local/function-env.ts';

describe('what functions get of the runner\u2019s environment', () => {
  it('is settings and AWS variables, and nothing else', () => {
    const env = {
      GATEWAY_POLICY: 'random',
      LOCALAI_WORKERS: 'http://127.0.0.1:1',
      LOCALAI_API_KEY: 'k',
      AWS_REGION: 'eu-central-1',
      AWS_LAMBDA_FUNCTION_NAME: 'the runner\u2019s own',
      NODE_EXTRA_CA_CERTS: '/ca.pem',
      GATEWAY_EDGE_SECRET: '',
      AWS_PROFILE: 'me',
      HOME: '/home/me',
      PORT: '8080',
    };
    expect(functionEnv(env)).toEqual({
      GATEWAY_POLICY: 'random',
      LOCALAI_WORKERS: 'http://127.0.0.1:1',
      LOCALAI_API_KEY: 'k',
      AWS_REGION: 'eu-central-1',
      NODE_EXTRA_CA_CERTS: '/ca.pem',
    });
  });

  it.each([
    [{}, 'true'],
    [{ GATEWAY_SSM_PREFIX: '/x' }, 'true'],
    [{ LOCALAI_API_KEY: '' }, 'true'],
    [{ LOCALAI_API_KEY: 'k' }, undefined],
    [{ LOCALAI_ADMIN_KEY: 'k' }, undefined],
    [{ GATEWAY_ALLOW_ANONYMOUS: 'false' }, 'false'],
    [{ LOCALAI_API_KEY: 'k', GATEWAY_ALLOW_ANONYMOUS: 'true' }, 'true'],
  ])('with %j allows anonymous access: %s', (env, expected) => {
    expect(functionEnv(env).GATEWAY_ALLOW_ANONYMOUS).toBe(expected);
  });
});

describe('AWS variables', () => {
  const before = { ...process.env };
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'aws-'));
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
  });
  afterEach(() => {
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    Object.assign(process.env, before);
    rmSync(folder, { recursive: true });
  });

  it('come from a profile', async () => {
    const credentials = join(folder, 'credentials');
    const config = join(folder, 'config');
    writeFileSync(credentials, '[me]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = hidden\n');
    writeFileSync(config, '[profile me]\nregion = eu-west-1\n');
    const files = { AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_CONFIG_FILE: config, AWS_PROFILE: 'me' };
    Object.assign(process.env, files);
    expect(await awsVariables(process.env)).toEqual({
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'hidden',
      AWS_SESSION_TOKEN: '',
    });
  });

  it('that are given are left alone', async () => {
    expect(await awsVariables({ AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_REGION: 'eu-west-1' })).toEqual({});
  });
});
