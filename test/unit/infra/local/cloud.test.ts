import {
  DescribeServicesCommand,
  DescribeTasksCommand,
  ECSClient,
  ListTasksCommand,
  UpdateServiceCommand,
} from '@aws-sdk/client-ecs';
import { GetParametersByPathCommand, GetParametersCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createContainerService } from '../../../../infra/local/cloud/container-service.ts';
import { type JsonApi, serveJsonApi } from '../../../../infra/local/cloud/json-api.ts';
import { createParameterStore } from '../../../../infra/local/cloud/parameter-store.ts';
import { until } from '../../../support/until.ts';

const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
let api: JsonApi;
afterEach(() => api.close());

describe('what stands in for SSM in the demonstration of sleep', () => {
  test('keeps parameters, and tells of writes as EventBridge does', async () => {
    const changes: string[] = [];
    const store = createParameterStore((name, operation) => void changes.push(`${operation} ${name}`));
    api = await serveJsonApi({ AmazonSSM: store.operations });
    const ssm = new SSMClient({ endpoint: api.url, region: 'us-east-1', credentials });
    store.put('/p/services/one', 'a');
    for (const Value of ['1', '2']) {
      await ssm.send(new PutParameterCommand({ Name: '/p/runtime/wake/one', Value, Type: 'String', Overwrite: true }));
    }
    expect(changes).toEqual(['Create /p/runtime/wake/one', 'Update /p/runtime/wake/one']);
    const found = await ssm.send(new GetParametersCommand({ Names: ['/p/runtime/wake/one', '/p/none'] }));
    expect(found.Parameters).toMatchObject([{ Name: '/p/runtime/wake/one', Value: '2' }]);
    expect(found.InvalidParameters).toEqual(['/p/none']);
    const below = await ssm.send(new GetParametersByPathCommand({ Path: '/p/services', Recursive: true }));
    expect(below.Parameters?.map(({ Name }) => Name)).toEqual(['/p/services/one']);
    ssm.destroy();
  });
});

describe('what stands in for ECS', () => {
  const start = async (startMs: number) => {
    const running = new Set<string>();
    let started = 0;
    const service = createContainerService({
      cluster: 'c',
      service: 's',
      startMs,
      onLog: () => {},
      async start() {
        started += 1;
        const address = `127.0.0.${started}`;
        running.add(address);
        return { address, stop: async () => void running.delete(address) };
      },
    });
    api = await serveJsonApi({ AmazonEC2ContainerServiceV20141113: service.operations });
    const ecs = new ECSClient({ endpoint: api.url, region: 'us-east-1', credentials });
    const scale = (desiredCount: number) =>
      ecs.send(new UpdateServiceCommand({ cluster: 'c', service: 's', desiredCount }));
    const counts = async () => {
      const { services } = await ecs.send(new DescribeServicesCommand({ cluster: 'c', services: ['s'] }));
      return [services?.[0]?.desiredCount, services?.[0]?.runningCount, services?.[0]?.pendingCount];
    };
    return { ecs, service, running, scale, counts };
  };

  test('starts what is wanted and stops what is not; once more of the same changes nothing', async () => {
    const { ecs, service, running, scale, counts } = await start(1);
    expect(await counts()).toEqual([0, 0, 0]);
    await Promise.all([scale(1), scale(1)]);
    expect(await until(async () => String(await counts()) === '1,1,0')).toBe(true);
    const { taskArns = [] } = await ecs.send(new ListTasksCommand({ cluster: 'c', serviceName: 's' }));
    const { tasks } = await ecs.send(new DescribeTasksCommand({ cluster: 'c', tasks: taskArns }));
    expect(tasks).toMatchObject([{ lastStatus: 'RUNNING', attachments: [{ details: [{ value: '127.0.0.1' }] }] }]);
    await scale(2);
    expect(await until(() => running.size === 2)).toBe(true);
    await scale(0);
    expect(await until(() => running.size === 0)).toBe(true);
    const gone = await ecs.send(new ListTasksCommand({ cluster: 'c', serviceName: 's', desiredStatus: 'STOPPED' }));
    expect(gone.taskArns).toHaveLength(2);
    await service.close();
    ecs.destroy();
  });

  test('what was stopped while it started does not stay', async () => {
    const { ecs, service, running, scale, counts } = await start(20);
    await scale(1);
    expect(await counts()).toEqual([1, 0, 1]);
    await scale(0);
    await scale(1);
    expect(await until(async () => String(await counts()) === '1,1,0')).toBe(true);
    expect(running.size).toBe(1);
    await service.close();
    expect(running.size).toBe(0);
    ecs.destroy();
  });

  test('knows no other service', async () => {
    const { ecs } = await start(1);
    const other = ecs.send(new ListTasksCommand({ cluster: 'c', serviceName: 'other' }));
    await expect(other).rejects.toMatchObject({ name: 'ServiceNotFoundException' });
    await expect(ecs.send(new ListTasksCommand({ cluster: 'd', serviceName: 's' }))).rejects.toMatchObject({
      name: 'ClusterNotFoundException',
    });
    ecs.destroy();
  });
});
