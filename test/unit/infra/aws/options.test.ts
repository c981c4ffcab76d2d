import { describe, expect, test } from '@jest/globals';
import { readOptions } from '../../../../infra/aws/options.js';
import { readParams } from '../../../support/stack-params.ts';

const about = { service: 'gateway', stage: 'prod' };
const read = (given: Record<string, unknown> = {}) => readOptions({ ...readParams(), ...given }, about);
const vpc = { vpcId: 'vpc-1', subnetIds: 'subnet-a, subnet-b' };

describe('parameters of a deployment', () => {
  test('the defaults of serverless.yml are a stack of their own', () => {
    expect(read()).toMatchObject({
      name: 'gateway-prod',
      prefix: '/gateway/prod',
      edge: true,
      network: 'none',
      workers: false,
      clusters: [],
      registrarConcurrency: 1,
    });
  });

  test('lists, and the cluster of the workers beside those of the team', () => {
    const options = read({ ...vpc, network: 'endpoints', workers: 'on', clusters: 'llm,speech' });
    expect(options.subnetIds).toEqual(['subnet-a', 'subnet-b']);
    expect(options.workerSubnetIds).toEqual(options.subnetIds);
    expect(options.clusters).toEqual(['gateway-prod-workers', 'llm', 'speech']);
  });

  test.each([
    [{ edge: 'yes' }, 'edge must be one of on, off'],
    [{ network: 'nat' }, 'network must be one of none, endpoints, own'],
    [{ workerPort: 'http' }, 'workerPort must be a whole number'],
    [{ registrarConcurrency: 'no' }, 'registrarConcurrency must be a number or off'],
    [{ network: 'own' }, 'network=own needs vpcId and subnetIds'],
    [{ network: 'own', ...vpc }, 'workerSecurityGroupId'],
    [{ workers: 'on' }, 'workers=on needs network=endpoints or network=own'],
    [{ edgeDomain: 'llm.example.org' }, 'edgeDomain and edgeCertificateArn go together'],
  ])('%j is refused in words', (given, words) => {
    expect(() => read(given)).toThrow(words);
  });

  test('the registrar need not reserve its place', () => {
    expect(read({ registrarConcurrency: 'off' }).registrarConcurrency).toBeUndefined();
  });
});
