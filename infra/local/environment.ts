import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type Runtime, runtimeEntry } from './runtime.ts';
import { createRuntimeApi, FunctionError, type InvocationResponse } from './runtime-api.ts';
import type { LocalFunction } from './serverless-yml.ts';

/**
 * `finishing`: its answer is complete, but it has not asked for the next event yet; `frozen`: stopped while its `/next`
 * waits, as Lambda does between requests.
 */
export type EnvironmentState = 'starting' | 'idle' | 'frozen' | 'busy' | 'finishing' | 'dead';

export interface EnvironmentOptions {
  fn: LocalFunction;
  runtime: Runtime;
  /** Variables of every function; a function's own win. */
  env: Readonly<Record<string, string>>;
  freeze: boolean;
  onLog(line: string): void;
  /** It can take a request. */
  onIdle(environment: Environment): void;
  /** It is gone, once. */
  onDead(environment: Environment, reason: FunctionError): void;
}

/** One execution environment: a process that serves one request at a time. */
export interface Environment {
  readonly pid: number;
  readonly runtime: Runtime;
  readonly state: EnvironmentState;
  /** Wall clock of its last turn to idle, ms since 1970. */
  readonly idleSince: number;
  /** @throws {FunctionError} when the function fails before it answers. */
  invoke(payload: string, requestId: string, traceId: string): Promise<InvocationResponse>;
  /** At once, frozen or not; its connections close with it. */
  kill(reason: FunctionError): void;
  /** SIGTERM, and SIGKILL after two seconds. */
  stop(): Promise<void>;
}

const REGION = 'us-east-1';
const STOP_GRACE_MS = 2000;
/** Longer than Lambda's 10 s: a laptop that starts 64 environments at once is slower than 64 micro-VMs. */
const INIT_TIMEOUT_MS = 60_000;

const variablesOf = ({ fn, env }: EnvironmentOptions, runtimeApi: string): Record<string, string> => {
  const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? REGION;
  return {
    PATH: process.env.PATH ?? '',
    LANG: 'en_US.UTF-8',
    TZ: ':UTC',
    ...env,
    ...fn.environment,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_LAMBDA_RUNTIME_API: runtimeApi,
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_LAMBDA_FUNCTION_NAME: fn.name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(fn.memory),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${fn.name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `local/[$LATEST]${randomUUID().replaceAll('-', '')}`,
    LAMBDA_TASK_ROOT: fn.bundleDir,
    _HANDLER: fn.handler,
  };
};

/** Starts the process. It stays in the runner's process group, so that Ctrl-C reaches it too. */
export const createEnvironment = async (options: EnvironmentOptions): Promise<Environment> => {
  const { fn, freeze, onLog } = options;
  let state: EnvironmentState = 'starting';
  let idleSince = 0;
  let reason: FunctionError | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopping = false;

  const limit = (ms: number, errorMessage: string) => {
    clearTimeout(timer);
    const onTimeout = () => environment.kill(new FunctionError({ errorType: 'Sandbox.Timedout', errorMessage }));
    timer = setTimeout(onTimeout, ms);
  };

  const api = await createRuntimeApi({
    onNext() {
      if (state === 'dead') return;
      clearTimeout(timer);
      state = 'idle';
      idleSince = Date.now();
      options.onIdle(environment);
      if (state === 'idle' && !stopping && freeze && child.kill('SIGSTOP')) state = 'frozen';
    },
    onInitError(failure) {
      reason ??= new FunctionError(failure);
    },
    onLost() {
      environment.kill(new FunctionError({ errorType: 'Runtime.ExitError', errorMessage: 'the runtime went away' }));
    },
  });

  const child = spawn(process.execPath, [runtimeEntry(options.runtime)], {
    cwd: fn.bundleDir,
    env: variablesOf(options, api.address),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit').catch(() => undefined);
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', onLog);

  const onAnswered = () => {
    if (state === 'busy') state = 'finishing';
  };

  const onGone = (errorMessage: string) => {
    if (state === 'dead') return;
    clearTimeout(timer);
    const when = state === 'starting' ? 'at init' : `while ${state}`;
    state = 'dead';
    reason ??= new FunctionError({ errorType: 'Runtime.ExitError', errorMessage });
    if (!stopping) onLog(`environment ${child.pid} ended ${when}: ${reason.message}`);
    api.abandon(reason);
    api.close();
    options.onDead(environment, reason);
  };
  child.once('exit', (code, signal) => onGone(`the runtime exited with ${signal ?? `code ${code}`}`));
  child.once('error', (error) => onGone(error.message));

  const environment: Environment = {
    pid: child.pid ?? 0,
    runtime: options.runtime,
    get state() {
      return state;
    },
    get idleSince() {
      return idleSince;
    },
    invoke(payload, requestId, traceId) {
      if (state === 'frozen') child.kill('SIGCONT');
      state = 'busy';
      limit(fn.timeoutSeconds * 1000, `Task timed out after ${fn.timeoutSeconds.toFixed(2)} seconds`);
      const answer = api.dispatch({
        requestId,
        traceId,
        payload,
        deadlineMs: Date.now() + fn.timeoutSeconds * 1000,
        functionArn: `arn:aws:lambda:${options.env.AWS_REGION ?? REGION}:000000000000:function:${fn.name}`,
      });
      answer.then(
        (response) => (response.kind === 'stream' ? response.body.once('end', onAnswered) : onAnswered()),
        onAnswered,
      );
      return answer;
    },
    kill(why) {
      reason ??= why;
      child.kill('SIGKILL');
    },
    async stop() {
      if (state === 'dead') return;
      stopping = true;
      reason ??= new FunctionError({ errorType: 'Runtime.ExitError', errorMessage: 'the environment was stopped' });
      child.kill('SIGCONT');
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
      await exited;
      clearTimeout(late);
    },
  };
  limit(INIT_TIMEOUT_MS, 'init took too long');
  return environment;
};
