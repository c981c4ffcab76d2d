import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import ZonesPlugin, { type Serverless } from '../../../../infra/aws/zones.js';
import { type Deployment, startDeployment } from '../../../support/aws/deployment.ts';

const [a, b, c] = ['subnet-0aaaaaaaaaaaaaaaa', 'subnet-0bbbbbbbbbbbbbbbb', 'subnet-0cccccccccccccccc'] as const;
const VPC = 'vpc-0123456789abcdef0';
let aws: Deployment | undefined;
beforeEach(() => {
  delete process.env.AWS_ENDPOINT_URL_EC2;
});
afterEach(async () => {
  delete process.env.AWS_ENDPOINT_URL_EC2;
  await aws?.[Symbol.asyncDispose]();
  aws = undefined;
});

/** Runs the hook of a deployment with interface endpoints in these subnets. @returns what it warned of. */
const look = async (
  zones: Record<string, string>,
  { subnets = [a, b] as readonly string[], vpc = VPC, denied = [] as string[], endpoints = true, door = false } = {},
) => {
  aws = await startDeployment({ zones, denied });
  process.env.AWS_ENDPOINT_URL_EC2 = aws.env.AWS_ENDPOINT_URL;
  const warnings: string[] = [];
  const Resources = {
    ...(endpoints && { SsmEndpoint: { Properties: { SubnetIds: [...subnets], VpcId: vpc } } }),
    ...(door && {
      LoadBalancer: { Properties: { Subnets: [...subnets] } },
      TargetGroup: { Properties: { VpcId: vpc } },
    }),
  };
  const serverless: Serverless = {
    classes: { Error },
    service: { provider: { compiledCloudFormationTemplate: { Resources } } },
    getProvider: () => ({
      getRegion: () => 'us-east-1',
      getAwsSdkV3Config: async () => ({
        credentials: async () => ({ accessKeyId: 'AKIA', secretAccessKey: 'secret' }),
      }),
    }),
  };
  const plugin = new ZonesPlugin(serverless, {}, { log: { warning: (text) => warnings.push(text) } });
  await plugin.hooks['before:aws:deploy:deploy:createStack']();
  return warnings;
};

describe('the subnets of interface endpoints', () => {
  test('one of each zone are fine', async () => {
    expect(await look({ [a]: 'us-east-1a', [b]: 'us-east-1b' })).toEqual([]);
    expect(aws?.calls).toEqual(['DescribeSubnets']);
  });

  test('two in one zone are told, by name', async () => {
    const zones = { [a]: 'us-east-1a', [b]: 'us-east-1b', [c]: 'us-east-1a' };
    await expect(look(zones, { subnets: [a, b, c] })).rejects.toThrow(`${a}, ${c} are all in us-east-1a`);
  });

  test('those of a load balancer are looked at as well', async () => {
    const own = { endpoints: false, door: true };
    expect(await look({ [a]: 'us-east-1a', [b]: 'us-east-1b' }, own)).toEqual([]);
    await aws?.[Symbol.asyncDispose]();
    await expect(look({ [a]: 'us-east-1a', [b]: 'us-east-1a' }, own)).rejects.toThrow('all in us-east-1a');
  });

  test('one that is not there, or is of another VPC, is told as well', async () => {
    await expect(look({ [a]: 'us-east-1a' })).rejects.toThrow(`InvalidSubnetID.NotFound: The subnet ID '${b}`);
    await aws?.[Symbol.asyncDispose]();
    const zones = { [a]: 'us-east-1a', [b]: 'us-east-1b' };
    await expect(look(zones, { vpc: 'vpc-0fedcba9876543210' })).rejects.toThrow('not in vpc-0fedcba9876543210');
  });

  test('who may not look at them, or cannot reach EC2, goes on and hears of it', async () => {
    const zones = { [a]: 'us-east-1a', [b]: 'us-east-1a' };
    expect((await look(zones, { denied: ['DescribeSubnets'] })).join()).toContain('ec2:DescribeSubnets');
  });

  test('nobody looks where there are no interface endpoints', async () => {
    expect(await look({}, { endpoints: false })).toEqual([]);
    expect(aws?.calls).toEqual([]);
  });
});
