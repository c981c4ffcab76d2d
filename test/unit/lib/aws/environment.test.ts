import { describe, expect, test } from '@jest/globals';
import { credentialsOf, givenEndpoint, hostOf, regionOf } from '../../../../lib/aws/environment.ts';

describe("AWS's own variables", () => {
  test.each([
    [{ AWS_REGION: 'eu-west-1', AWS_DEFAULT_REGION: 'eu-west-2' }, 'eu-west-1'],
    [{ AWS_REGION: '', AWS_DEFAULT_REGION: 'eu-west-2' }, 'eu-west-2'],
    [{}, 'us-east-1'],
  ])('%j: the region is %s', (env, region) => {
    expect(regionOf(env)).toBe(region);
  });

  test.each([
    [{ AWS_ENDPOINT_URL_S3: 'http://a', AWS_ENDPOINT_URL: 'http://b' }, 'http://a'],
    [{ AWS_ENDPOINT_URL_SSM: 'http://a', AWS_ENDPOINT_URL: 'http://b' }, 'http://b'],
    [{ AWS_ENDPOINT_URL_S3: '' }, undefined],
  ])('%j: the endpoint of S3 is %s', (env, endpoint) => {
    expect(givenEndpoint(env, 's3')).toBe(endpoint);
  });

  test('China has a domain of its own', () => {
    expect(hostOf('ssm', 'eu-central-1')).toBe('ssm.eu-central-1.amazonaws.com');
    expect(hostOf('ssm', 'cn-north-1')).toBe('ssm.cn-north-1.amazonaws.com.cn');
  });

  test('credentials, with a session token where there is one', () => {
    const keys = { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'secret' };
    expect(credentialsOf(keys)).toEqual({ accessKeyId: 'AKIA', secretAccessKey: 'secret', sessionToken: undefined });
    expect(credentialsOf({ ...keys, AWS_SESSION_TOKEN: 't' }).sessionToken).toBe('t');
    expect(() => credentialsOf({ AWS_ACCESS_KEY_ID: 'AKIA' })).toThrow('credentials');
  });
});
