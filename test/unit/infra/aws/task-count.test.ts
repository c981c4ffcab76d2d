import { describe, expect, test } from '@jest/globals';
import { readOptions } from '../../../../infra/aws/options.js';
import TaskCountPlugin, { type Serverless, type StackResource } from '../../../../infra/aws/task-count.js';
import { workers } from '../../../../infra/aws/workers.js';
import { readParams } from '../../../support/stack-params.ts';

const vpc = { network: 'endpoints', vpcId: 'vpc-01234567', subnetIds: 'subnet-01234567' };
type Template = Serverless['service']['provider']['compiledCloudFormationTemplate'];

/** Runs the hook of a deployment. @returns what it left of the template, and what was said. */
const run = async (Resources: Template['Resources'], resources: readonly StackResource[] | Error) => {
  const template = { Resources } as Template;
  const notices: string[] = [];
  const serverless: Serverless = {
    classes: { Error },
    service: { provider: { compiledCloudFormationTemplate: template } },
    getProvider: () => ({
      naming: { getStackName: () => 'g-s' },
      getStackResources: async () => {
        if (resources instanceof Error) throw resources;
        return [...resources];
      },
    }),
  };
  const plugin = new TaskCountPlugin(serverless, {}, { log: { notice: (text) => notices.push(text) } });
  await plugin.hooks['before:aws:deploy:deploy:checkForChanges']();
  return { template, notices };
};

/** @returns how many workers it asks for, and what was said. */
const deploy = async (
  resources: readonly StackResource[] | Error,
  params: Record<string, unknown> = { workers: 'on' },
) => {
  const options = readOptions(
    { ...readParams(), ...vpc, workerTargets: 'sg-01234567:1', ...params },
    { service: 'g', stage: 's' },
  );
  const { template, notices } = await run((workers(options).Resources ?? {}) as Template['Resources'], resources);
  return { count: template.Resources.WorkersService?.Properties.DesiredCount, notices };
};
const service = (ResourceStatus: string) => [
  { LogicalResourceId: 'WorkersService', PhysicalResourceId: 'arn:service', ResourceStatus },
];
const fixed = { workers: 'on', workerScaleToZero: 'off', workerCount: 2 };

describe('how many tasks of the container a deployment asks for', () => {
  const deployContainer = async (resources: readonly StackResource[] | Error) => {
    const Resources = { ContainerService: { ...asTheyAre, Properties: { DesiredCount: 2 } } };
    return (await run(Resources, resources)).template.Resources.ContainerService?.Properties.DesiredCount;
  };
  const asTheyAre = { Metadata: { TasksOnceItIsThere: 'as they are' } };

  test('the first one: its least; a later one: as many as load has made them', async () => {
    expect(await deployContainer(new Error('Stack with id g-s does not exist'))).toBe(2);
    // One that comes to a stack which had another door.
    expect(await deployContainer(service('UPDATE_COMPLETE'))).toBe(2);
    const there = [
      { LogicalResourceId: 'ContainerService', PhysicalResourceId: 'a', ResourceStatus: 'UPDATE_COMPLETE' },
    ];
    expect(await deployContainer(there)).toBeUndefined();
  });

  test('nothing is guessed', async () => {
    await expect(deployContainer(new Error('not authorized'))).rejects.toThrow('cloudformation:ListStackResources');
  });
});

describe('how many GPU tasks a deployment asks for', () => {
  test.each([
    ['the first one', new Error('Stack with id g-s does not exist')],
    ['one that adds them to a stack', [{ LogicalResourceId: 'WorkersCluster', PhysicalResourceId: 'c' }]],
    ['one that adds them again', service('DELETE_COMPLETE')],
    ['one after a failure to make them', [{ LogicalResourceId: 'WorkersService', ResourceStatus: 'CREATE_FAILED' }]],
  ])('%s: none, whatever workerScaleToZero says', async (_, resources) => {
    for (const params of [{ workers: 'on' }, fixed]) {
      const { count, notices } = await deploy(resources, params);
      expect([count, notices.length]).toEqual([0, 1]);
    }
  });

  test.each(['CREATE_COMPLETE', 'UPDATE_COMPLETE', 'UPDATE_FAILED', 'DELETE_FAILED'])(
    'a later one, the service being %s: as many as there are',
    async (status) => {
      expect(await deploy(service(status))).toEqual({ count: undefined, notices: [] });
    },
  );

  test('workerCount, where they are not to sleep', async () => {
    expect((await deploy(service('UPDATE_COMPLETE'), fixed)).count).toBe(2);
    expect((await deploy(service('UPDATE_COMPLETE'), { ...fixed, workerCount: 0 })).count).toBe(0);
  });

  test('nothing is guessed: where CloudFormation does not tell, nothing is deployed', async () => {
    await expect(deploy(new Error('not authorized'))).rejects.toThrow('cloudformation:ListStackResources');
  });

  test('CloudFormation is not asked where there are no workers', async () => {
    await expect(deploy(new Error('not authorized'), { workers: 'off' })).resolves.toMatchObject({ notices: [] });
  });
});
