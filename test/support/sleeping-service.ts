import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { ecsTask, type TaskOptions } from './aws/container-service.ts';
import type { Aws } from './aws.ts';
import type { Gateway } from './gateway.ts';

/** What a task of the service runs: a server of its own. */
export interface Launched {
  readonly url: string;
  /** Ends it once it has nothing to do, as a task's stop time-out lets it. */
  readonly stop: () => Promise<void>;
}

export interface SleepingServiceOptions {
  readonly aws: Aws;
  readonly cluster: string;
  readonly service: string;
  /** Starts what a task runs; its address is `127.0.0.x`, and its port the service's. Throws: the task stops. */
  readonly launch: (task: number) => Promise<Launched>;
  /** From `UpdateService` to the task that runs, in milliseconds; default 300. */
  readonly launchMs?: number;
}

export interface SleepingService extends AsyncDisposable {
  /** Tasks started so far. */
  readonly started: () => number;
  /** When the newest task began to run. */
  readonly startedAt: () => number;
}

/** An ECS service whose count does something: `UpdateService` starts and stops what its tasks run. */
export const startSleepingService = (options: SleepingServiceOptions): SleepingService => {
  const { aws, cluster, service, launch, launchMs = 300 } = options;
  interface Running {
    readonly task: Partial<TaskOptions>;
    launched: Launched | undefined;
    isStopping: boolean;
  }
  const running: Running[] = [];
  const stopped: Partial<TaskOptions>[] = [];
  let started = 0;
  let startedAt = 0;
  let isOver = false;

  const show = () => {
    if (isOver) return;
    const tasks = running.map(({ task, launched, isStopping }) => ({
      ...task,
      lastStatus: launched ? 'RUNNING' : 'PENDING',
      desiredStatus: isStopping ? 'STOPPED' : 'RUNNING',
    }));
    const gone = stopped.map((task) => ({ ...task, lastStatus: 'STOPPED', desiredStatus: 'STOPPED' }));
    aws.ecs.setTasks(
      cluster,
      service,
      [...tasks, ...gone].map((task) => ecsTask({ cluster, service, ...task })),
    );
  };
  const remove = (one: Running) => {
    const at = running.indexOf(one);
    if (at >= 0) running.splice(at, 1);
    stopped.push(one.task);
    show();
  };
  const start = async () => {
    started += 1;
    const number = started;
    const one: Running = {
      task: { id: randomBytes(16).toString('hex') },
      launched: undefined,
      isStopping: false,
    };
    running.push(one);
    show();
    await pause(launchMs, undefined, { ref: false });
    try {
      const launched = await launch(number);
      one.launched = launched;
      Object.assign(one.task, { address: new URL(launched.url).hostname });
      startedAt = Date.now();
      show();
      if (one.isStopping) await stop(one);
    } catch {
      remove(one);
      settle();
    }
  };
  const stop = async (one: Running) => {
    one.isStopping = true;
    show();
    if (!one.launched) return;
    await one.launched.stop();
    remove(one);
  };
  /** ECS keeps as many tasks as are wanted. */
  const settle = () => {
    if (isOver) return;
    const wanted = aws.ecs.desired(cluster, service);
    const up = running.filter(({ isStopping }) => !isStopping);
    for (const one of up.slice(wanted)) void stop(one);
    for (let n = up.length; n < wanted; n += 1) void start();
  };

  aws.ecs.setDesired(cluster, service, 0);
  aws.ecs.onUpdate(settle, service);
  return {
    started: () => started,
    startedAt: () => startedAt,
    async [Symbol.asyncDispose]() {
      isOver = true;
      await Promise.all(running.map(({ launched }) => launched?.stop()));
    },
  };
};

/**
 * EventBridge: a registrar that is started by its schedule and by each wish, and never twice at once, since what comes
 * meanwhile is dropped. @returns ends it.
 */
export const scheduleRegistrar = (aws: Aws, gateway: Gateway, everyMs: number) => {
  let isRunning = false;
  let isOver = false;
  const start = async (detail: string) => {
    if (isRunning || isOver) return;
    isRunning = true;
    await gateway.invoke('registrar', { 'detail-type': detail, detail: {} }).catch(() => {});
    isRunning = false;
  };
  aws.ssm.onWrite((name) => {
    if (name.includes('/runtime/wake/')) void pause(50).then(() => start('Parameter Store Change'));
  });
  const timer = setInterval(() => void start('Scheduled Event'), everyMs);
  void start('Scheduled Event');
  return () => {
    isOver = true;
    clearInterval(timer);
    aws.ssm.onWrite(() => {});
  };
};
