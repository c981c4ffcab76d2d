import { randomBytes } from 'node:crypto';
import type { Task } from '@aws-sdk/client-ecs';
import { AwsError } from './fault.ts';
import { offsetOf, tokenOf } from './parameter-store.ts';

/** A task as the JSON of the wire has it: dates are seconds. */
export type WireTask = Omit<Task, 'createdAt' | 'startedAt' | 'stoppingAt'> & {
  readonly taskArn: string;
  readonly createdAt: number;
  readonly startedAt?: number | undefined;
  readonly stoppingAt?: number | undefined;
};

export interface TaskOptions {
  readonly cluster: string;
  readonly service: string;
  /** Private address of the task's network interface; left out: a task without one (bridge mode). */
  readonly address?: string;
  /** 32 hexadecimal digits; default random. */
  readonly id?: string;
  readonly lastStatus?: string;
  readonly desiredStatus?: string;
  readonly healthStatus?: 'HEALTHY' | 'UNHEALTHY' | 'UNKNOWN';
  readonly region?: string;
  readonly account?: string;
}

/** A Fargate task in awsvpc mode, as DescribeTasks shows it. */
export const ecsTask = (options: TaskOptions): WireTask => {
  const { cluster, service, address, region = 'eu-central-1', account = '123456789012' } = options;
  const { lastStatus = 'RUNNING', desiredStatus = 'RUNNING', healthStatus = 'UNKNOWN' } = options;
  const id = options.id ?? randomBytes(16).toString('hex');
  const arn = (kind: string) => `arn:aws:ecs:${region}:${account}:${kind}`;
  const startedAt = Date.now() / 1000 - 60;
  const network = address && {
    attachments: [
      {
        id: randomBytes(16).toString('hex'),
        type: 'ElasticNetworkInterface',
        status: 'ATTACHED',
        details: [
          { name: 'subnetId', value: 'subnet-0123456789abcdef0' },
          { name: 'networkInterfaceId', value: `eni-${id.slice(0, 17)}` },
          { name: 'macAddress', value: '02:00:00:00:00:01' },
          { name: 'privateDnsName', value: `ip-${address.replaceAll('.', '-')}.${region}.compute.internal` },
          { name: 'privateIPv4Address', value: address },
        ],
      },
    ],
  };
  return {
    taskArn: `${arn('task')}/${cluster}/${id}`,
    clusterArn: `${arn('cluster')}/${cluster}`,
    taskDefinitionArn: `${arn('task-definition')}/${service}:1`,
    group: `service:${service}`,
    availabilityZone: `${region}a`,
    launchType: 'FARGATE',
    lastStatus,
    desiredStatus,
    healthStatus,
    connectivity: 'CONNECTED',
    version: 3,
    cpu: '4096',
    memory: '16384',
    createdAt: startedAt - 30,
    startedAt,
    ...(network ?? { attachments: [] }),
    containers: [
      {
        containerArn: `${arn('container')}/${cluster}/${id}/worker`,
        taskArn: `${arn('task')}/${cluster}/${id}`,
        name: 'worker',
        lastStatus,
        healthStatus,
        networkInterfaces: address ? [{ attachmentId: `att-${id.slice(0, 8)}`, privateIpv4Address: address }] : [],
      },
    ],
  };
};

/** The test's own hand in the clusters. */
export interface ContainerService {
  /** Replaces a service's tasks; creates cluster and service where needed. */
  readonly setTasks: (cluster: string, service: string, tasks: readonly WireTask[]) => void;
  readonly removeService: (cluster: string, service: string) => void;
  /** The count that DescribeServices tells; without one it is the number of tasks. */
  readonly setDesired: (cluster: string, service: string, desired: number) => void;
  readonly desired: (cluster: string, service: string) => number;
  /** Every count set through the API, in order. */
  readonly updates: readonly { readonly service: string; readonly desired: number; readonly at: number }[];
  /** Told of each count set through the API, of one service or of all; a later listener takes the place of an earlier one. */
  readonly onUpdate: (listener: (service: string, desired: number) => void, service?: string) => void;
  /** Puts a line into the service's event log. */
  readonly say: (cluster: string, service: string, message: string, at?: number) => void;
  /** Tasks that ListTasks still names but DescribeTasks reports as `MISSING`. */
  readonly vanish: (taskArn: string) => void;
}

type Input = Readonly<Record<string, unknown>>;
type Operations = Readonly<Record<string, (input: Input) => object>>;

const nameOf = (nameOrArn: unknown): string => String(nameOrArn).split('/').at(-1) ?? '';
const invalid = (message: string) => new AwsError('InvalidParameterException', message);

/** ECS as its API reference describes it, as far as discovery needs it. */
export const createContainerService = (arnPrefix: string): { operations: Operations; service: ContainerService } => {
  const clusters = new Map<string, Map<string, readonly WireTask[]>>();
  const vanished = new Set<string>();
  const counts = new Map<string, number>();
  const events = new Map<string, { id: string; createdAt: number; message: string }[]>();
  const updates: { service: string; desired: number; at: number }[] = [];
  const told = new Map<string, (service: string, desired: number) => void>();
  const keyOf = (cluster: string, service: string) => `${nameOf(cluster)}/${nameOf(service)}`;
  const clusterOf = ({ cluster }: Input) => {
    const found = clusters.get(nameOf(cluster ?? 'default'));
    if (!found) throw new AwsError('ClusterNotFoundException', 'Cluster not found.');
    return found;
  };
  const listOf = (value: unknown, most: number, field: string): string[] => {
    if (Array.isArray(value) && value.length >= 1 && value.length <= most) return value.map(String);
    throw invalid(`${field} must have length between 1 and ${most}`);
  };

  const operations: Operations = {
    ListTasks: (input) => {
      const cluster = clusterOf(input);
      const size = Number(input.maxResults ?? 100);
      if (!(size >= 1 && size <= 100)) throw invalid('maxResults must be between 1 and 100');
      const ofService = input.serviceName === undefined ? undefined : cluster.get(nameOf(input.serviceName));
      if (input.serviceName !== undefined && !ofService) {
        throw new AwsError('ServiceNotFoundException', 'Service not found.');
      }
      const wanted = String(input.desiredStatus ?? 'RUNNING');
      const tasks = (ofService ?? [...cluster.values()].flat()).filter(({ desiredStatus }) => desiredStatus === wanted);
      const from = input.nextToken === undefined ? 0 : offsetOf(String(input.nextToken));
      const more = from + size < tasks.length ? { nextToken: tokenOf(from + size) } : {};
      return { taskArns: tasks.slice(from, from + size).map(({ taskArn }) => taskArn), ...more };
    },

    DescribeTasks: (input) => {
      const all = new Map([...clusterOf(input).values()].flat().map((task) => [nameOf(task.taskArn), task]));
      const wanted = listOf(input.tasks, 100, 'tasks');
      const found = wanted.map((arn) => ({ arn, task: vanished.has(arn) ? undefined : all.get(nameOf(arn)) }));
      return {
        tasks: found.flatMap(({ task }) => task ?? []),
        failures: found.filter(({ task }) => !task).map(({ arn }) => ({ arn, reason: 'MISSING' })),
      };
    },

    DescribeServices: (input) => {
      const cluster = clusterOf(input);
      const wanted = listOf(input.services, 10, 'services');
      const clusterName = nameOf(input.cluster ?? 'default');
      const arnOf = (name: string) => `${arnPrefix}:service/${clusterName}/${nameOf(name)}`;
      const [present, absent] = [true, false].map((is) => wanted.filter((name) => cluster.has(nameOf(name)) === is));
      const described = (present ?? []).map((name) => {
        const tasks = cluster.get(nameOf(name)) ?? [];
        const runningCount = tasks.filter(({ lastStatus }) => lastStatus === 'RUNNING').length;
        const serviceArn = arnOf(name);
        const key = keyOf(clusterName, name);
        const desiredCount = counts.get(key) ?? tasks.length;
        const said = (events.get(key) ?? []).toReversed();
        return { serviceArn, serviceName: nameOf(name), status: 'ACTIVE', desiredCount, runningCount, events: said };
      });
      return { services: described, failures: (absent ?? []).map((name) => ({ arn: arnOf(name), reason: 'MISSING' })) };
    },

    UpdateService: (input) => {
      const cluster = nameOf(input.cluster ?? 'default');
      const name = nameOf(input.service);
      if (!clusterOf(input).has(name)) throw new AwsError('ServiceNotFoundException', 'Service not found.');
      const { desiredCount } = input;
      if (!Number.isInteger(desiredCount) || Number(desiredCount) < 0)
        throw invalid('desiredCount must not be negative');
      const desired = Number(desiredCount);
      updates.push({ service: name, desired, at: Date.now() });
      counts.set(keyOf(cluster, name), desired);
      (told.get(name) ?? told.get(''))?.(name, desired);
      return { service: { serviceName: name, status: 'ACTIVE', desiredCount: desired } };
    },
  };

  const setTasks: ContainerService['setTasks'] = (cluster, name, tasks) => {
    const services = clusters.get(cluster) ?? new Map<string, readonly WireTask[]>();
    clusters.set(cluster, services.set(name, tasks));
  };
  const service: ContainerService = {
    setTasks,
    setDesired: (cluster, name, desired) => {
      if (!clusters.get(cluster)?.has(name)) setTasks(cluster, name, []);
      counts.set(keyOf(cluster, name), desired);
    },
    desired: (cluster, name) => counts.get(keyOf(cluster, name)) ?? clusters.get(cluster)?.get(name)?.length ?? 0,
    updates,
    onUpdate: (listener, of = '') => void told.set(of, listener),
    say: (cluster, name, message, at = Date.now()) => {
      const key = keyOf(cluster, name);
      const event = { id: randomBytes(16).toString('hex'), createdAt: at / 1000, message };
      events.set(key, [...(events.get(key) ?? []), event]);
    },
    removeService: (cluster, name) => void clusters.get(cluster)?.delete(name),
    vanish: (taskArn) => void vanished.add(taskArn),
  };
  return { operations, service };
};
