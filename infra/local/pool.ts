import { createEnvironment, type Environment, type EnvironmentOptions } from './environment.ts';
import type { Runtime } from './runtime.ts';
import { FunctionError, type InvocationResponse } from './runtime-api.ts';

/** How many environments a function may have, and how long they and their queue wait. */
export interface Limits {
  maxEnvironments: number;
  /** How long a request waits for an environment before it is refused. */
  queueSeconds: number;
  /** How long an idle environment is kept. */
  idleKeepSeconds: number;
  /** Stop the process between requests, as Lambda does. */
  freeze: boolean;
}

/** No environment came free in time: 429. */
export class ThrottledError extends Error {
  override readonly name = 'ThrottledError';
}

/** The environments of one function. */
export interface Pool {
  /**
   * Runs one invocation in an environment of its own.
   * @param signal aborted when nobody waits for the answer any more: leaves the queue, or ends the environment.
   * @throws {ThrottledError} after too long in the queue.
   * @throws {FunctionError} when the function, or the start of its environment, failed before an answer.
   */
  invoke(payload: string, requestId: string, traceId: string, signal: AbortSignal): Promise<InvocationResponse>;
  environments(): Environment[];
  /** Lets idle environments go that run on another runtime than new ones would. */
  renew(): void;
  close(): Promise<void>;
}

interface Waiter {
  /** Wall clock of its arrival, ms since 1970. */
  readonly since: number;
  take(environment: Environment): void;
  reject(error: Error): void;
}

/** Longest time between two looks for environments that were idle too long. */
const SWEEP_MS = 10_000;
/** A little more than the second that a refresh of the configuration may hold an invocation whose answer is complete. */
const PATIENCE_MS = 1200;
const failed = (errorType: string, errorMessage: string) => new FunctionError({ errorType, errorMessage });

export interface PoolOptions extends Omit<EnvironmentOptions, 'onIdle' | 'onDead' | 'freeze' | 'runtime'> {
  /** What new environments run on. Those that run on another serve no further request. */
  runtimeOf(): Runtime;
}

/** Environments are started on demand, serve one request at a time, and the last used serves next. */
export const createPool = (options: PoolOptions, limits: Limits): Pool => {
  const { runtimeOf, ...environmentOptions } = options;
  const all = new Set<Environment>();
  const warm = new Set<Environment>();
  const idle: Environment[] = [];
  const waiters: Waiter[] = [];
  const starts = new Set<Promise<void>>();
  let closed = false;

  const leave = <T>(list: T[], item: T) => {
    const at = list.indexOf(item);
    if (at !== -1) list.splice(at, 1);
  };

  const onIdle = (environment: Environment) => {
    warm.add(environment);
    if (environment.runtime !== runtimeOf()) {
      environment.stop();
      return;
    }
    const waiter = waiters.shift();
    if (waiter) waiter.take(environment);
    else idle.push(environment);
  };

  const onDead = (environment: Environment, reason: FunctionError) => {
    all.delete(environment);
    leave(idle, environment);
    // A start that failed is the answer to the request that asked for it.
    if (!warm.delete(environment)) waiters.shift()?.reject(reason);
    serveWaiters();
  };

  const start = () => {
    const started = createEnvironment({
      ...environmentOptions,
      runtime: runtimeOf(),
      freeze: limits.freeze,
      onIdle,
      onDead,
    })
      .then(
        (environment) => void all.add(environment),
        (error: Error) => void waiters.shift()?.reject(error),
      )
      .finally(() => starts.delete(started));
    starts.add(started);
  };

  /** A client's next request may come before its last environment asked for work: that one is worth a moment. */
  const serveWaiters = () => {
    const finishing = [...all].filter(({ state }) => state === 'finishing').length;
    const recently = Date.now() - PATIENCE_MS;
    const patient = Math.min(finishing, waiters.filter(({ since }) => since > recently).length);
    for (let n = waiters.length - patient; n > 0 && idle.length > 0; n -= 1) {
      waiters.shift()?.take(idle.pop() as Environment);
    }
    const room = limits.maxEnvironments - all.size - starts.size;
    const coming = all.size - warm.size + starts.size + patient;
    for (let n = Math.min(room, waiters.length - coming); n > 0 && !closed; n -= 1) start();
  };

  const sweep = setInterval(
    () => {
      const oldest = Date.now() - limits.idleKeepSeconds * 1000;
      for (const environment of idle.filter(({ idleSince }) => idleSince < oldest)) {
        leave(idle, environment);
        environment.stop();
      }
    },
    Math.min(SWEEP_MS, limits.idleKeepSeconds * 500),
  ).unref();

  return {
    invoke(payload, requestId, traceId, signal) {
      return new Promise((resolve, reject) => {
        const take = (environment: Environment) => {
          clearTimeout(timer);
          clearTimeout(patience);
          signal.removeEventListener('abort', onAbort);
          const onLeft = () =>
            environment.kill(failed('Client.Left', 'the client left before the answer was complete'));
          signal.addEventListener('abort', onLeft, { once: true });
          environment.invoke(payload, requestId, traceId).then(resolve, reject);
        };
        const giveUp = (error: Error) => {
          clearTimeout(timer);
          clearTimeout(patience);
          leave(waiters, waiter);
          reject(error);
        };
        const onAbort = () => giveUp(failed('Client.Left', 'the client left the queue'));
        const onTooLong = () => giveUp(new ThrottledError(`no environment came free in ${limits.queueSeconds} s`));
        const waiter: Waiter = { since: Date.now(), take, reject: giveUp };
        const timer = setTimeout(onTooLong, limits.queueSeconds * 1000);
        const patience = setTimeout(serveWaiters, PATIENCE_MS + 1);
        if (closed) return giveUp(failed('Runtime.ExitError', 'the platform is shutting down'));
        signal.addEventListener('abort', onAbort, { once: true });
        waiters.push(waiter);
        serveWaiters();
      });
    },
    environments: () => [...all],
    renew() {
      for (const environment of idle.filter(({ runtime }) => runtime !== runtimeOf())) {
        leave(idle, environment);
        environment.stop();
      }
    },
    async close() {
      closed = true;
      clearInterval(sweep);
      for (const waiter of [...waiters]) waiter.reject(failed('Runtime.ExitError', 'the platform is shutting down'));
      await Promise.all(starts);
      await Promise.all([...all].map((environment) => environment.stop()));
    },
  };
};
