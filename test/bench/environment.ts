import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { defaultRuntime, runtimeEntry } from '../../infra/local/runtime.ts';
import { createRuntimeApi, FunctionError } from '../../infra/local/runtime-api.ts';
import type { Asked } from './client.ts';
import { lambdaFlags } from './lambda-flags.ts';

/** One execution environment under the benchmark's own Runtime API, from its first moment. */
export interface BenchEnvironment {
  readonly pid: number;
  /** Milliseconds from the process's start to its first `/next`. */
  readonly nextMs: number;
  /** Milliseconds from the process's start to the first byte of its first answer. */
  readonly firstByteMs: number;
  /** Runs a further request to its end. @throws {FunctionError} when the process dies. */
  invoke(asked: Asked): Promise<void>;
  stop(): Promise<void>;
}

export interface BenchEnvironmentOptions {
  readonly bundleDir: string;
  readonly env: Readonly<Record<string, string>>;
  /** The function's memory. */
  readonly memoryMb: number;
  /** What is asked first; it waits before the process is up, as on Lambda. */
  readonly first: Asked;
  /** The process puts itself here before it starts. */
  readonly memoryGroup?: string | undefined;
}

const eventOf = ({ path, contentType, body }: Asked) => {
  const isText = contentType === 'application/json';
  return JSON.stringify({
    version: '2.0',
    rawPath: path,
    rawQueryString: '',
    headers: { 'content-type': contentType, 'content-length': String(body.length), host: 'bench.test' },
    requestContext: { domainName: 'bench.test', http: { method: 'POST', path, sourceIp: '127.0.0.1' } },
    body: body.toString(isText ? 'utf8' : 'base64'),
    isBase64Encoded: !isText,
  });
};

/** @throws {FunctionError} when the process dies before it has answered the first request. */
export const startEnvironment = async (options: BenchEnvironmentOptions): Promise<BenchEnvironment> => {
  let nextAt = 0;
  let requests = 0;
  let idle = Promise.withResolvers<void>();
  const api = await createRuntimeApi({
    onNext() {
      nextAt ||= performance.now();
      idle.resolve();
    },
    onInitError: (failure) => idle.reject(new FunctionError(failure)),
    onLost: () => idle.reject(new FunctionError({ errorType: 'Runtime.ExitError', errorMessage: 'gone' })),
  });

  /** @returns when the first byte of the answer came. */
  const invoke = async (asked: Asked): Promise<number> => {
    await idle.promise;
    idle = Promise.withResolvers();
    idle.promise.catch(() => undefined);
    requests += 1;
    const answer = await api.dispatch({
      requestId: `request-${requests}`,
      deadlineMs: Date.now() + 900_000,
      functionArn: 'arn:aws:lambda:us-east-1:000000000000:function:bench',
      traceId: '',
      payload: eventOf(asked),
    });
    if (answer.kind !== 'stream') throw new Error('the answer is not a stream');
    let firstAt = 0;
    let start = '';
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      firstAt ||= performance.now();
      if (start.length < 64) start += chunk.toString('latin1', 0, 64);
    }
    if (!/"statusCode":200\b/.test(start) && !start.startsWith('{"statusCode":200'))
      throw new Error(`answered ${start}`);
    return firstAt;
  };

  const node = [process.execPath, runtimeEntry(defaultRuntime())];
  const [command = '', ...args] = options.memoryGroup
    ? ['/bin/sh', '-c', 'echo $$ > "$0" && exec "$@"', options.memoryGroup, ...node]
    : node;
  const startedAt = performance.now();
  const child = spawn(command, args, {
    cwd: options.bundleDir,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env.PATH ?? '',
      ...lambdaFlags(options.memoryMb),
      ...options.env,
      AWS_LAMBDA_RUNTIME_API: api.address,
      AWS_LAMBDA_FUNCTION_NAME: 'bench',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(options.memoryMb),
      AWS_LAMBDA_LOG_GROUP_NAME: 'bench',
      AWS_LAMBDA_LOG_STREAM_NAME: 'bench',
      LAMBDA_TASK_ROOT: options.bundleDir,
      _HANDLER: 'index.handler',
    },
  });
  const exited = once(child, 'exit');
  child.once('exit', (code, signal) => {
    const error = new FunctionError({ errorType: 'Runtime.ExitError', errorMessage: `${signal ?? code}` });
    idle.reject(error);
    api.abandon(error);
  });
  const stop = async () => {
    child.kill('SIGKILL');
    await exited;
    api.close();
  };
  try {
    const firstAt = await invoke(options.first);
    return {
      pid: child.pid ?? 0,
      nextMs: nextAt - startedAt,
      firstByteMs: firstAt - startedAt,
      invoke: async (asked) => void (await invoke(asked)),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
};
