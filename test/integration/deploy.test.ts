import { expect, test } from '@jest/globals';
import { type Account, startDeployment } from '../support/aws/deployment.ts';
import { deployStack } from '../support/osls.ts';

/** `serverless deploy` against a stand-in that stops it once the template has been uploaded. */
const deploy = async (account: Account) => {
  await using aws = await startDeployment(account);
  const { output, code } = await deployStack(
    {
      network: 'endpoints',
      workers: 'on',
      vpcId: 'vpc-0123456789abcdef0',
      subnetIds: 'subnet-0aaaaaaaaaaaaaaaa,subnet-0bbbbbbbbbbbbbbbb',
    },
    aws.env,
  );
  expect(code).not.toBe(0);
  return { output, calls: aws.calls, service: aws.uploaded()?.Resources.WorkersService?.Properties };
};
const zones = { 'subnet-0aaaaaaaaaaaaaaaa': 'us-east-1a', 'subnet-0bbbbbbbbbbbbbbbb': 'us-east-1b' };

test('the first deployment looks at the subnets before it makes anything, and waits for no GPU', async () => {
  const { service, calls, output } = await deploy({ zones });
  expect(calls.indexOf('DescribeSubnets')).toBeGreaterThan(-1);
  expect(calls.indexOf('DescribeSubnets')).toBeLessThan(calls.indexOf('CreateChangeSet'));
  expect(service).toHaveProperty('DesiredCount', 0);
  expect(output).toContain('made with no task');
}, 300_000);

test('a later one leaves as many tasks as there are', async () => {
  const stack = ['ServerlessDeploymentBucket', 'WorkersService'].map((id) => ({ id, status: 'UPDATE_COMPLETE' }));
  const { service, output } = await deploy({ zones, stack });
  expect(service).toHaveProperty('ServiceName', 'localai');
  expect(service).not.toHaveProperty('DesiredCount');
  expect(output).not.toContain('made with no task');
}, 300_000);
