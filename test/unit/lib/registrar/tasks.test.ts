import { DescribeTasksCommand, ECSClient, ListTasksCommand, type Task } from '@aws-sdk/client-ecs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { mockClient } from 'aws-sdk-client-mock';
import { discoverTasks, serviceTaskOf } from '../../../../lib/registrar/tasks.ts';

const eni = (status = 'ATTACHED', type = 'ElasticNetworkInterface') => ({
  type,
  status,
  details: [
    { name: 'subnetId', value: 'subnet-1' },
    { name: 'privateIPv4Address', value: '10.0.0.7' },
  ],
});
const task = (more: Task = {}): Task => ({
  taskArn: 'arn:task/1',
  lastStatus: 'RUNNING',
  desiredStatus: 'RUNNING',
  healthStatus: 'UNKNOWN',
  attachments: [eni()],
  ...more,
});

describe('serviceTaskOf', () => {
  it.each([
    ['RUNNING', 'RUNNING', 'UNKNOWN', 'running'],
    ['RUNNING', 'RUNNING', 'HEALTHY', 'running'],
    ['RUNNING', 'RUNNING', 'UNHEALTHY', 'unhealthy'],
    ['PROVISIONING', 'RUNNING', 'UNKNOWN', 'pending'],
    ['PENDING', 'RUNNING', 'UNKNOWN', 'pending'],
    ['ACTIVATING', 'RUNNING', 'UNKNOWN', 'pending'],
    ['RUNNING', 'STOPPED', 'HEALTHY', 'draining'],
    ['DEACTIVATING', 'STOPPED', 'UNKNOWN', 'draining'],
    ['STOPPING', 'STOPPED', 'UNHEALTHY', 'draining'],
    ['DEPROVISIONING', 'STOPPED', 'UNKNOWN', 'draining'],
    ['STOPPED', 'STOPPED', 'UNKNOWN', undefined],
  ] as const)('%s, should be %s, health %s: %s', (lastStatus, desiredStatus, healthStatus, phase) => {
    expect(serviceTaskOf(task({ lastStatus, desiredStatus, healthStatus }))?.phase).toBe(phase);
  });

  it('has the address of an attached interface only', () => {
    expect(serviceTaskOf(task())?.address).toBe('10.0.0.7');
    expect(serviceTaskOf(task({ attachments: [eni('ATTACHED', 'eni')] }))?.address).toBe('10.0.0.7');
    expect(serviceTaskOf(task({ attachments: [eni('DETACHED')] }))?.address).toBeUndefined();
    expect(serviceTaskOf(task({ attachments: [] }))?.address).toBeUndefined();
    expect(serviceTaskOf(task({ attachments: [eni('ATTACHED', 'sdi'), eni()] }))?.address).toBe('10.0.0.7');
  });
});

describe('discoverTasks', () => {
  const ecs = mockClient(ECSClient);
  afterEach(() => void ecs.reset());
  const discover = () =>
    discoverTasks(
      new ECSClient({ region: 'eu-central-1' }),
      { cluster: 'gpu', service: 'chat' },
      new AbortController().signal,
    );

  it('lists all pages of running and stopping tasks and describes them a hundred at a time', async () => {
    const arns = Array.from({ length: 250 }, (_, n) => `arn:task/${n}`);
    ecs
      .on(ListTasksCommand, { cluster: 'gpu', serviceName: 'chat', desiredStatus: 'RUNNING' })
      .resolvesOnce({ taskArns: arns.slice(0, 100), nextToken: 'a' })
      .resolvesOnce({ taskArns: arns.slice(100, 200), nextToken: 'b' })
      .resolvesOnce({ taskArns: arns.slice(200, 249) });
    // Listed twice while it changes sides: described once.
    ecs.on(ListTasksCommand, { desiredStatus: 'STOPPED' }).resolves({ taskArns: arns.slice(248) });
    ecs.on(DescribeTasksCommand).callsFake(({ tasks }: { tasks: string[] }) => ({
      tasks: tasks.map((taskArn) => task({ taskArn })),
    }));
    const { tasks } = await discover();
    expect(tasks.map(({ taskArn }) => taskArn)).toEqual(arns);
    expect(ecs.commandCalls(DescribeTasksCommand).map(({ args }) => args[0].input.tasks?.length)).toEqual([
      100, 100, 50,
    ]);
  });

  it('tells tasks that are gone from tasks ECS failed to describe', async () => {
    ecs.on(ListTasksCommand).resolves({ taskArns: ['arn:a', 'arn:b', 'arn:c'] });
    ecs.on(DescribeTasksCommand).resolves({
      tasks: [task({ taskArn: 'arn:a' })],
      failures: [
        { arn: 'arn:b', reason: 'MISSING' },
        { arn: 'arn:c', reason: 'INTERNAL' },
      ],
    });
    const { tasks, failed } = await discover();
    expect(tasks.map(({ taskArn }) => taskArn)).toEqual(['arn:a']);
    expect(failed).toEqual(['arn:c']);
  });

  it('describes nothing when there is nothing', async () => {
    ecs.on(ListTasksCommand).resolves({ taskArns: [] });
    expect(await discover()).toEqual({ tasks: [], running: 0, stopped: [], failed: [] });
    expect(ecs.commandCalls(DescribeTasksCommand)).toHaveLength(0);
  });
});
