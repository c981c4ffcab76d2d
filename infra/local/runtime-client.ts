import { existsSync } from 'node:fs';
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { basename, dirname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { format } from 'node:util';

/**
 * Our own client of the Lambda Runtime API, for machines on which AWS's cannot be built, and (through
 * `test/support/awslambda.ts`) the `awslambda` of unit tests. It does what `aws-lambda-ric` 4 does, its sharp edges
 * included: no head without a write, and an error on the response stream ends the process. `test/contract` holds it
 * to the real one.
 */

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const HIGH_WATER_MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const PRELUDE_CONTENT_TYPE = 'application/vnd.awslambda.http-integration-response';
const ERROR_TYPE = 'Lambda-Runtime-Function-Error-Type';
const ERROR_BODY = 'Lambda-Runtime-Function-Error-Body';
const VERSION = '/2018-06-01/runtime';

/** Where a response goes: the POST to the Runtime API, or memory. An `error` event on it is fatal to the runtime. */
export interface ResponseTarget extends Writable {
  setHeader(name: string, value: string): unknown;
  addTrailers(trailers: Record<string, string>): void;
  /** Settles when the platform has taken the whole response. */
  readonly answered: Promise<void>;
}

/** What a handler gets as `responseStream`: the methods of a Writable, but not an instance of one. */
export interface ResponseStream extends Omit<Writable, never> {
  setContentType(contentType: string): void;
}

export type StreamingHandler = (event: unknown, stream: ResponseStream, context: object) => Promise<void>;

type Handler = ((...args: never[]) => unknown) & { [STREAMING]?: 'response'; [HIGH_WATER_MARK]?: number };

const METHODS = (
  'cork destroy end uncork addListener on once prependListener prependOnceListener off removeListener ' +
  'removeAllListeners setMaxListeners getMaxListeners listeners rawListeners listenerCount eventNames emit'
).split(' ');
const PROPERTIES = (
  'destroyed writableFinished writableObjectMode writableEnded writableNeedDrain writableHighWaterMark ' +
  'writableCorked writableLength writable'
).split(' ');

const runtimeError = (type: string, message: string) => Object.assign(new Error(message), { name: `Runtime.${type}` });

const armed = new WeakMap<object, (prelude: string) => void>();

const createResponseStream = (target: ResponseTarget): ResponseStream => {
  const stream: Record<string, unknown> = {};
  let written = false;
  let prelude: string | undefined;
  for (const name of METHODS) stream[name] = (Reflect.get(target, name) as () => unknown).bind(target);
  for (const name of PROPERTIES) Object.defineProperty(stream, name, { get: () => Reflect.get(target, name) });
  stream.setContentType = (contentType: string) => {
    if (written) throw runtimeError('InvalidStreamingOperation', 'Cannot set content-type, too late.');
    target.setHeader('Content-Type', contentType);
  };
  stream.write = (chunk: unknown, ...rest: [BufferEncoding?]) => {
    if (!written && prelude !== undefined) {
      target.write(prelude);
      target.write(new Uint8Array(8));
    }
    const bytes = typeof chunk === 'string' || chunk instanceof Uint8Array;
    const more = target.write(bytes ? chunk : JSON.stringify(chunk), ...(rest as [BufferEncoding]));
    written = true;
    return more;
  };
  armed.set(stream, (json) => {
    prelude = json;
  });
  return stream as unknown as ResponseStream;
};

/** Arms the prelude: it is serialised now and sent with the first write. */
const HttpResponseStream = {
  from(stream: ResponseStream, prelude: object): ResponseStream {
    stream.setContentType(PRELUDE_CONTENT_TYPE);
    armed.get(stream)?.(JSON.stringify(prelude));
    return stream;
  },
};

const streamifyResponse = <T extends Handler>(handler: T, options?: { highWaterMark?: number }): T => {
  handler[STREAMING] = 'response';
  if (typeof options?.highWaterMark === 'number') handler[HIGH_WATER_MARK] = Math.trunc(options.highWaterMark);
  return handler;
};

/** Sets `globalThis.awslambda`. Handlers use it when their module is loaded: call it before. */
export const installAwslambda = (): void => {
  Object.assign(globalThis, { awslambda: { streamifyResponse, HttpResponseStream } });
};

const describeError = (error: unknown) =>
  error instanceof Error
    ? { errorType: error.name, errorMessage: error.message, trace: error.stack?.split('\n') ?? [] }
    : { errorType: typeof error, errorMessage: String(error), trace: [] };

/**
 * One streaming invocation from call to end: a failure of the handler becomes error trailers.
 * @returns what the handler failed with, as `[error]`.
 */
export const runStreaming = async (
  handler: StreamingHandler,
  event: unknown,
  context: object,
  target: ResponseTarget,
): Promise<[unknown] | undefined> => {
  try {
    const running: unknown = handler(event, createResponseStream(target), context);
    if (!(running instanceof Object && 'then' in running)) {
      throw new Error('Streaming does not support non-async handlers.');
    }
    await running;
    await target.answered;
    if (!target.writableFinished) throw new Error('Response stream is not finished.');
  } catch (error) {
    await turn();
    const described = describeError(error);
    target.addTrailers({
      [ERROR_TYPE]: described.errorType,
      [ERROR_BODY]: Buffer.from(JSON.stringify(described)).toString('base64'),
    });
    target.end();
    return [error];
  }
  return undefined;
};

const loadHandler = async (taskRoot: string, name: string): Promise<Handler> => {
  const [, moduleName, path] = /^([^.]*)\.(.*)$/.exec(basename(name)) ?? [];
  if (name.includes('..') || moduleName === undefined || path === undefined) {
    throw runtimeError('MalformedHandlerName', `'${name}' is not a valid handler name`);
  }
  const base = resolve(taskRoot, dirname(name), moduleName);
  const file = ['', '.js', '.mjs', '.cjs']
    .map((extension) => base + extension)
    .find((candidate) => existsSync(candidate));
  if (!file) throw runtimeError('ImportModuleError', `Cannot find module '${base}'`);
  const loaded = (await import(pathToFileURL(file).href)) as Record<string, unknown> & { default?: unknown };
  const find = (from: unknown) =>
    path.split('.').reduce<unknown>((at, key) => (at instanceof Object ? Reflect.get(at, key) : undefined), from);
  const handler = find({ ...loaded }) ?? find(loaded.default);
  if (!handler) throw runtimeError('HandlerNotFound', `${name} is undefined or not exported`);
  if (typeof handler !== 'function') throw runtimeError('HandlerNotFound', `${name} is not a function`);
  if (handler.length >= 3 && !(STREAMING in handler)) {
    throw runtimeError('CallbackHandlerDeprecated', 'callback-based function handlers are no longer supported');
  }
  return handler as Handler;
};

const env = (name: string) => process.env[name];

const contextOf = ({ headers }: IncomingMessage) => {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  return {
    awsRequestId: String(headers['lambda-runtime-aws-request-id']),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    xRayTraceId: headers['lambda-runtime-trace-id'],
    functionName: env('AWS_LAMBDA_FUNCTION_NAME'),
    functionVersion: env('AWS_LAMBDA_FUNCTION_VERSION'),
    memoryLimitInMB: env('AWS_LAMBDA_FUNCTION_MEMORY_SIZE'),
    logGroupName: env('AWS_LAMBDA_LOG_GROUP_NAME'),
    logStreamName: env('AWS_LAMBDA_LOG_STREAM_NAME'),
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
};

/** The runtime process: init, then one invocation after the other for ever. */
const main = async () => {
  const [hostname, port] = (env('AWS_LAMBDA_RUNTIME_API') ?? '').split(':');
  let requestId = '-';
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'log'] as const) {
    const name = level === 'log' ? 'INFO' : level.toUpperCase();
    console[level] = (...args) => {
      const text = format(...args).replaceAll('\n', '\r');
      process.stdout.write(`${new Date().toISOString()}\t${requestId}\t${name}\t${text}\n`);
    };
  }
  const agent = new Agent({ keepAlive: true });
  const open = (
    method: string,
    path: string,
    headers: Record<string, string | string[]>,
    more: RequestOptions = {},
  ) => {
    const outgoing = request({ hostname, port, agent, method, path: VERSION + path, headers, ...more });
    const answer = new Promise<IncomingMessage>((done, fail) => outgoing.once('response', done).on('error', fail));
    return { outgoing, answer };
  };
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const { outgoing, answer } = open('POST', path, { 'Content-Type': 'application/json', ...headers });
    outgoing.end(JSON.stringify(body ?? null));
    await (await answer).toArray();
  };

  installAwslambda();
  const handler = await loadHandler(env('LAMBDA_TASK_ROOT') ?? '', env('_HANDLER') ?? '').catch(async (error) => {
    console.error('Init Error', error);
    await post('/init/error', describeError(error), { [ERROR_TYPE]: describeError(error).errorType });
    throw error;
  });

  const stream = async (event: unknown, context: ReturnType<typeof contextOf>) => {
    const { outgoing, answer } = open(
      'POST',
      `/invocation/${context.awsRequestId}/response`,
      {
        'Lambda-Runtime-Function-Response-Mode': 'streaming',
        Trailer: [ERROR_TYPE, ERROR_BODY],
        'Content-Type': 'application/octet-stream',
        'Transfer-Encoding': 'chunked',
      },
      { highWaterMark: handler[HIGH_WATER_MARK] } as RequestOptions,
    );
    // Deliberately nobody's: like the real client, this process does not outlive an error of the response stream.
    void answer.then(() => undefined);
    const answered = answer.then(async (reply) => void (await reply.toArray()));
    const target = Object.assign(outgoing, { answered }) as unknown as ResponseTarget;
    const failed = await runStreaming(handler as StreamingHandler, event, context, target);
    if (failed) console.error('Invoke Error', ...failed);
  };

  for (;;) {
    const { outgoing, answer } = open('GET', '/invocation/next', {});
    outgoing.end();
    const next = await answer;
    const event: unknown = JSON.parse(Buffer.concat(await next.toArray()).toString());
    const context = contextOf(next);
    requestId = context.awsRequestId;
    process.env._X_AMZN_TRACE_ID = String(context.xRayTraceId ?? '');
    if (handler[STREAMING]) {
      await stream(event, context);
      continue;
    }
    try {
      const result = await (handler as unknown as (event: unknown, context: object) => unknown)(event, context);
      await post(`/invocation/${requestId}/response`, result);
    } catch (error) {
      console.error('Invoke Error', error);
      await post(`/invocation/${requestId}/error`, describeError(error));
    }
  }
};

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
