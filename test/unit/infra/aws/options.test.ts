import { describe, expect, test } from '@jest/globals';
import { readOptions } from '../../../../infra/aws/options.js';
import { readParams } from '../../../support/stack-params.ts';

const about = { service: 'gateway', stage: 'prod' };
const read = (given: Record<string, unknown> = {}) => readOptions({ ...readParams(), ...given }, about);
const vpc = { vpcId: 'vpc-0123abcd', subnetIds: 'subnet-0000000a, subnet-0000000b' };
const targets = { workerTargets: 'sg-0123456789abcdef0:8000' };
const s3 = { uploads: 'on', s3PrefixListId: 'pl-63a5400a' };
const image = '123456789012.dkr.ecr.us-east-1.amazonaws.com/gateway:1';
const container = {
  ...{ door: 'container', containerImage: image, cloudFrontPrefixListId: 'pl-3b927c52' },
  ...{ network: 'own', ...vpc, ...targets },
};
const certificate = { containerCertificateArn: 'arn:aws:acm:x', containerDomain: 'llm.internal.example.org' };
const inside = { ...container, cloudFrontPrefixListId: '', edge: 'off' };
const narrow = { ...container, network: 'endpoints' };

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
    expect(options.subnetIds).toEqual(['subnet-0000000a', 'subnet-0000000b']);
    expect(options.workerSubnetIds).toEqual(options.subnetIds);
    expect(options.clusters).toEqual(['gateway-prod-workers', 'llm', 'speech']);
  });

  test.each([
    [{ edge: 'yes' }, 'edge must be one of on, off'],
    [{ network: 'nat' }, 'network must be one of none, endpoints, own'],
    [{ door: 'window' }, 'door must be one of url, rest, container'],
    [{ endpointType: 'private' }, 'endpointType=private needs door=rest'],
    [{ door: 'rest', endpointType: 'private' }, 'needs edge=off'],
    [{ door: 'rest', endpointType: 'private', edge: 'off' }, 'needs vpcEndpointIds'],
    [{ door: 'rest', vpcEndpointIds: 'vpce-0123abcd' }, 'vpcEndpointIds has no effect'],
    [{ webAclArn: 'arn:aws:wafv2:x' }, 'webAclArn has no effect without door=rest'],
    [{ workerPort: 'http' }, 'workerPort must be a whole number'],
    [{ registrarConcurrency: 'no' }, 'registrarConcurrency must be a number or off'],
    [{ network: 'own' }, 'network=own needs vpcId and subnetIds'],
    [{ network: 'own', ...vpc }, 'workerTargets'],
    [{ network: 'own', ...targets, vpcId: 'vpc-...', subnetIds: 'subnet-...' }, 'vpcId: "vpc-..."'],
    [
      { network: 'endpoints', ...targets, ...vpc, subnetIds: 'subnet-0000000a,subnet-0000000a' },
      'subnet-0000000a twice',
    ],
    [{ network: 'endpoints', ...vpc, workers: 'on', workerPort: 8081 }, 'workerPort cannot be 8081'],
    [{ network: 'endpoints', ...vpc, ...targets, uploads: 'on' }, 's3PrefixListId'],
    [{ network: 'endpoints', ...vpc, ...targets, ...s3 }, 's3Endpoint=own'],
    [{ network: 'own', ...vpc, ...targets, uploads: 'on', endpointSecurityGroupId: 'sg-00000000' }, 's3PrefixListId'],
    [targets, 'workerTargets has no effect without network'],
    [{ network: 'endpoints', ...vpc, ...targets, endpointSecurityGroupId: 'sg-00000000' }, 'without network=own'],
    [
      { network: 'endpoints', ...vpc, ...targets, ...s3, s3Endpoint: 'own', routeTableIds: 'rtb-00000000' },
      'routeTableIds',
    ],
    [s3, 's3PrefixListId has no effect'],
    [{ workerSubnetIds: 'subnet-0000000a' }, 'without workers=on'],
    [{ workerModelNames: 'm' }, 'without workers=on'],
    [{ network: 'endpoints', ...vpc, workers: 'on', workerScaleToZero: 'off', workerModelNames: 'm' }, 'no effect'],
    [{ network: 'endpoints', ...vpc, workers: 'on', workerModels: 'a, huggingface://b/c' }, '"huggingface://b/c"'],
    [{ network: 'endpoints', ...vpc, workers: 'on', workerCount: 0 }, 'workerCount must be at least 1'],
    [{ network: 'endpoints', ...vpc, workers: 'on', workerIdleMinutes: 0 }, 'workerIdleMinutes'],
    [{ edge: 'off', edgeDomain: 'llm.example.org', edgeCertificateArn: 'arn' }, 'without edge=on'],
    [{ alarms: 'off', alarmTopicArn: 'arn' }, 'without alarms=on'],
    [{ containerImage: image }, 'containerImage has no effect without door=container'],
    [certificate, 'containerCertificateArn has no effect without door=container'],
    [{ door: 'rest', cloudFrontPrefixListId: 'pl-3b927c52' }, 'without door=container and edge=on'],
    [{ ...container, containerCallers: '10.0.0.0/8' }, 'without door=container and edge=off'],
    [{ ...container, openaiConcurrency: '100' }, 'openaiConcurrency has no effect without door=url or door=rest'],
    [{ ...container, webAclArn: 'arn' }, 'webAclArn has no effect without door=rest'],
    [{ ...container, s3PrefixListId: 'pl-63a5400a', routeTableIds: 'rtb-00000000' }, 'routeTableIds has no effect'],
    [{ ...container, containerArchitecture: 'x86' }, 'containerArchitecture must be one of arm64, x86_64'],
    [{ ...container, network: 'none', vpcId: '', subnetIds: '', workerTargets: '' }, 'its tasks are private'],
    [{ ...container, containerImage: '' }, 'needs containerImage'],
    [{ ...container, containerImage: '<account>.dkr.ecr.us-east-1.amazonaws.com/gateway' }, 'names no image'],
    [{ ...container, subnetIds: 'subnet-0000000a' }, 'two subnetIds'],
    [
      { ...container, containerDomain: 'llm.example.org' },
      'containerCertificateArn and containerDomain (or edgeDomain) go together',
    ],
    [{ ...container, cloudFrontPrefixListId: '' }, 'needs cloudFrontPrefixListId in this region'],
    [{ ...inside, containerCallers: '10.0.0.0/8' }, 'keys are not sent in clear'],
    [{ ...inside, ...certificate }, 'needs containerCallers'],
    [{ ...inside, ...certificate, containerCallers: 'everybody' }, 'containerCallers: "everybody"'],
    [{ ...container, containerMinTasks: 1 }, 'containerMinTasks must be at least 2'],
    [{ ...container, containerMaxTasks: 1 }, 'containerMaxTasks must not be less'],
    [{ ...container, containerCpu: 700 }, 'containerCpu must be one of 256, 512'],
    [{ ...container, containerMemoryMiB: 8192 }, 'containerMemoryMiB must be 1024 to 4096 with containerCpu=512'],
    [{ ...container, containerCpu: 256, containerMemoryMiB: 1536 }, 'in steps of Fargate'],
    [{ ...narrow, containerImage: 'ghcr.io/team/gateway:1' }, 'out of the tasks'],
    [narrow, 'door=container needs s3PrefixListId'],
    [{ ...narrow, s3PrefixListId: 'pl-63a5400a' }, 'door=container needs routeTableIds'],
    [{ workers: 'on' }, 'workers=on needs network=endpoints or network=own'],
    [{ edgeDomain: 'llm.example.org' }, 'edgeDomain and edgeCertificateArn go together'],
  ])('%j is refused in words', (given, words) => {
    expect(() => read(given)).toThrow(words);
  });

  test('where CloudFront comes from is known in most regions, and what is given comes first', () => {
    const params = { ...readParams(), ...container, cloudFrontPrefixListId: '' };
    const inRegion = (region: string, given = '') =>
      readOptions({ ...params, cloudFrontPrefixListId: given }, { ...about, region }).cloudFrontPrefixListId;
    expect([inRegion('eu-central-1'), inRegion('eu-central-1', 'pl-00000000')]).toEqual(['pl-a3a144ca', 'pl-00000000']);
    expect(() => inRegion('xx-new-1')).toThrow('needs cloudFrontPrefixListId in this region');
  });

  test("a container's certificate is checked for the callers' own name unless there is another", () => {
    const edged = { edgeDomain: 'llm.example.org', edgeCertificateArn: 'arn:aws:acm:us-east-1:1:certificate/1' };
    const domain = (given: Record<string, unknown>) => read({ ...container, ...edged, ...given }).containerDomain;
    expect(domain({})).toBe('');
    expect(domain({ containerCertificateArn: 'arn:aws:acm:x' })).toBe('llm.example.org');
    expect(domain(certificate)).toBe('llm.internal.example.org');
  });

  test.each([
    ['in a VPC with a way of its own, S3 included', { network: 'own', ...vpc, ...targets, uploads: 'on' }],
    [
      'with endpoints and an endpoint of S3 that is there',
      { network: 'endpoints', ...vpc, ...targets, ...s3, s3Endpoint: 'own' },
    ],
    [
      'with endpoints of the team, and S3',
      { network: 'own', ...vpc, ...targets, ...s3, endpointSecurityGroupId: 'sg-00000000' },
    ],
    [
      'models by their addresses, and what requests call them',
      { network: 'endpoints', ...vpc, workers: 'on', workerModels: 'oci://b/c', workerModelNames: 'c' },
    ],
    [
      'models by their addresses, where no worker sleeps',
      { network: 'endpoints', ...vpc, workers: 'on', workerScaleToZero: 'off', workerModels: 'oci://b/c' },
    ],
    ['a container whose image is anywhere', { ...container, containerImage: 'ghcr.io/team/gateway:1' }],
    [
      'a container behind TLS, with four cores',
      { ...container, ...certificate, containerCpu: 4096, containerMemoryMiB: 8192 },
    ],
    ['a container for callers inside', { ...inside, ...certificate, containerCallers: 'sg-00000000, 10.0.0.0/8' }],
    ['a container with endpoints', { ...narrow, s3PrefixListId: 'pl-63a5400a', routeTableIds: 'rtb-00000000' }],
    ['its own workers beside those of the team', { network: 'endpoints', ...vpc, ...targets, workers: 'on' }],
  ])('%s: nothing is missing', (_, given) => {
    expect(() => read(given)).not.toThrow();
  });

  test('a stage whose names would be too long for AWS, or not of its letters, is refused before anything is made', () => {
    const named = (stage: string) => () => readOptions(readParams(), { service: 'localai-gateway', stage });
    expect(named('x'.repeat(33))).not.toThrow();
    expect(named('x'.repeat(34))).toThrow('1 characters too long');
    expect(named('feature_x')).toThrow('letters, digits and hyphens');
  });

  test('the registrar need not reserve its place', () => {
    expect(read({ registrarConcurrency: 'off' }).registrarConcurrency).toBeUndefined();
  });
});
