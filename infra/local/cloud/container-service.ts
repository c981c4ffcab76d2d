import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { AwsError, type Input, type Operations } from './json-api.ts';

/** What runs in a task. */
export interface Running {
  /** Private address of its network interface. */
  readonly address: string;
  stop(): Promise<void>;
}

export interface ContainerServiceOptions {
  readonly cluster: string;
  readonly service: string;
  /** How long an instance, and its image, take to come. */
  readonly startMs: number;
  /** Starts what the task definition says. */
  start(): Promise<Running>;
  onLog(line: string): void;
}

export interface ContainerService {
  /** Behind `X-Amz-Target: AmazonEC2ContainerServiceV20141113.`. */
  readonly operations: Operations;
  close(): Promise<void>;
}

interface Task {
  readonly taskArn: string;
  lastStatus: 'PROVISIONING' | 'PENDING' | 'RUNNING' | 'DEACTIVATING' | 'STOPPED';
  desiredStatus: 'RUNNING' | 'STOPPED';
  running?: Running;
}

const ARN = 'arn:aws:ecs:us-east-1:000000000000';
const lastOf = (nameOrArn: unknown) => String(nameOrArn).split('/').at(-1);

/** ECS with one service, as far as the registrar uses it: `UpdateService` really starts and stops what runs. */
export const createContainerService = (options: ContainerServiceOptions): ContainerService => {
  const { cluster, service, startMs, onLog } = options;
  const tasks: Task[] = [];
  let desired = 0;
  const wanted = () => tasks.filter(({ desiredStatus }) => desiredStatus === 'RUNNING');

  const stop = async (task: Task) => {
    task.desiredStatus = 'STOPPED';
    if (!task.running) return;
    task.lastStatus = 'DEACTIVATING';
    await task.running.stop();
    task.lastStatus = 'STOPPED';
    onLog('the worker has stopped, and its instance goes');
  };
  const start = async () => {
    const task: Task = {
      taskArn: `${ARN}:task/${cluster}/${randomBytes(16).toString('hex')}`,
      lastStatus: 'PROVISIONING',
      desiredStatus: 'RUNNING',
    };
    tasks.push(task);
    onLog('an instance is being started');
    await setTimeout(startMs);
    task.lastStatus = 'PENDING';
    if (task.desiredStatus === 'RUNNING') {
      onLog('the instance is there; the worker starts');
      task.running = await options.start();
      task.lastStatus = 'RUNNING';
    }
    // It may have been told to stop while it started.
    if ((task.desiredStatus as string) === 'STOPPED') await stop(task);
  };
  const settle = () => {
    for (const task of wanted().slice(desired)) void stop(task);
    for (let missing = desired - wanted().length; missing > 0; missing -= 1) {
      void start().catch((error: Error) => onLog(`the worker did not start: ${error.message}`));
    }
  };

  const described = ({ taskArn, lastStatus, desiredStatus, running }: Task) => ({
    taskArn,
    clusterArn: `${ARN}:cluster/${cluster}`,
    group: `service:${service}`,
    lastStatus,
    desiredStatus,
    healthStatus: 'UNKNOWN',
    attachments: running
      ? [
          {
            type: 'ElasticNetworkInterface',
            status: 'ATTACHED',
            details: [{ name: 'privateIPv4Address', value: running.address }],
          },
        ]
      : [],
  });
  const shown = () => {
    const runningCount = wanted().filter(({ lastStatus }) => lastStatus === 'RUNNING').length;
    return {
      serviceArn: `${ARN}:service/${cluster}/${service}`,
      serviceName: service,
      status: 'ACTIVE',
      desiredCount: desired,
      runningCount,
      pendingCount: wanted().length - runningCount,
      events: [],
    };
  };
  /** @throws {AwsError} for a cluster or service that is not there. */
  const check = (name: unknown, input: Input) => {
    if (lastOf(input.cluster) !== cluster) throw new AwsError('ClusterNotFoundException', 'Cluster not found.');
    if (lastOf(name) !== service) throw new AwsError('ServiceNotFoundException', 'Service not found.');
  };

  return {
    operations: {
      ListTasks(input) {
        check(input.serviceName, input);
        return {
          taskArns: tasks
            .filter(({ desiredStatus }) => desiredStatus === (input.desiredStatus ?? 'RUNNING'))
            .map(({ taskArn }) => taskArn),
        };
      },
      DescribeTasks(input) {
        const arns = input.tasks as string[];
        return { tasks: tasks.filter(({ taskArn }) => arns.includes(taskArn)).map(described), failures: [] };
      },
      DescribeServices(input) {
        for (const name of input.services as unknown[]) check(name, input);
        return { services: [shown()], failures: [] };
      },
      UpdateService(input) {
        check(input.service, input);
        desired = Number(input.desiredCount ?? desired);
        settle();
        return { service: shown() };
      },
    },
    async close() {
      desired = 0;
      await Promise.all(wanted().map(stop));
    },
  };
};
