import {
  DescribeTasksCommand,
  type DesiredStatus,
  type ECSClient,
  paginateListTasks,
  type Task,
} from '@aws-sdk/client-ecs';

/** `DescribeTasks` takes so many. */
const TASKS_PER_CALL = 100;

/** What ECS says about a task; `running` still has to answer at its health path. */
export type TaskPhase = 'pending' | 'running' | 'unhealthy' | 'draining';

export interface ServiceTask {
  readonly taskArn: string;
  readonly phase: TaskPhase;
  /** Private IPv4 of the attached network interface, absent outside awsvpc mode and before it is attached. */
  readonly address?: string | undefined;
}

const phaseOf = ({ lastStatus, desiredStatus, healthStatus }: Task): TaskPhase | undefined => {
  if (lastStatus === 'STOPPED' || lastStatus === 'DELETED') return undefined;
  if (desiredStatus === 'STOPPED' || /^(DEACTIVATING|STOPPING|DEPROVISIONING)$/.test(lastStatus ?? ''))
    return 'draining';
  if (lastStatus !== 'RUNNING' || desiredStatus !== 'RUNNING') return 'pending';
  return healthStatus === 'UNHEALTHY' ? 'unhealthy' : 'running';
};

const addressOf = ({ attachments }: Task): string | undefined =>
  attachments
    ?.find(({ type, status }) => /^(ElasticNetworkInterface|eni)$/.test(type ?? '') && status === 'ATTACHED')
    ?.details?.find(({ name }) => name === 'privateIPv4Address')?.value;

/** @returns the candidate a described task is, none once it has stopped. */
export const serviceTaskOf = (task: Task): ServiceTask | undefined => {
  const phase = phaseOf(task);
  return task.taskArn && phase ? { taskArn: task.taskArn, phase, address: addressOf(task) } : undefined;
};

export interface Discovered {
  readonly tasks: readonly ServiceTask[];
  /** How many run and are to go on running. */
  readonly running: number;
  /** ARNs of those that have stopped lately. */
  readonly stopped: readonly string[];
  /** ARNs ECS listed but could not describe, other than `MISSING` (gone meanwhile). */
  readonly failed: readonly string[];
}

/**
 * Reads the tasks of one ECS service: those that should run, and those on their way out (listed by ECS until an hour
 * after they stopped).
 * @throws errors of the SDK.
 */
export const discoverTasks = async (
  ecs: ECSClient,
  { cluster, service }: { readonly cluster: string; readonly service: string },
  abortSignal: AbortSignal,
): Promise<Discovered> => {
  const arns = new Set<string>();
  for (const desiredStatus of ['RUNNING', 'STOPPED'] satisfies DesiredStatus[]) {
    const query = { cluster, serviceName: service, desiredStatus, maxResults: 100 };
    for await (const page of paginateListTasks({ client: ecs }, query, { abortSignal })) {
      for (const arn of page.taskArns ?? []) arns.add(arn);
    }
  }
  const listed = [...arns];
  const tasks: ServiceTask[] = [];
  const stopped: string[] = [];
  const failed: string[] = [];
  for (let start = 0; start < listed.length; start += TASKS_PER_CALL) {
    const some = listed.slice(start, start + TASKS_PER_CALL);
    const answer = await ecs.send(new DescribeTasksCommand({ cluster, tasks: some }), { abortSignal });
    for (const task of answer.tasks ?? []) {
      const candidate = serviceTaskOf(task);
      if (candidate) tasks.push(candidate);
      else if (task.taskArn) stopped.push(task.taskArn);
    }
    for (const { arn, reason } of answer.failures ?? []) if (arn && reason !== 'MISSING') failed.push(arn);
  }
  const running = tasks.filter(({ phase }) => phase === 'running' || phase === 'unhealthy').length;
  return { tasks, running, stopped, failed };
};
