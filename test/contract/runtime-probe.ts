import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Runtime, runtimeEntry } from '../../infra/local/runtime.ts';

/** What the Runtime API saw of one runtime process given one event. */
export interface Seen {
  /** `init/error`, `response` or `error`; undefined when the process ended without any. */
  call: string | undefined;
  headers: Record<string, string | undefined>;
  body: string;
  /** What had come of the body when the handler paused for it to be seen; undefined when it did not. */
  firstBurst: string | undefined;
  /** Whether the body came to its proper end. */
  complete: boolean;
  errorType: string | undefined;
  errorMessage: string | undefined;
  /** `next`: asked for the next event; else how the process ended. */
  then: string;
}

const HEADERS = ['content-type', 'lambda-runtime-function-response-mode', 'transfer-encoding', 'trailer'];
const fixtures = fileURLToPath(new URL('../fixtures/runtime', import.meta.url));
const EVENT = { greeting: 'hello', unicode: '\u00e4\u{1f600}', nul: '\u0000' };

/** Reads a body; `pause` answers a handler that waits for its bytes to be seen. */
const createReader = () => {
  const chunks: Buffer[] = [];
  const started = Promise.withResolvers<void>();
  let firstBurst: string | undefined;
  return {
    async read(request: IncomingMessage) {
      try {
        for await (const chunk of request as AsyncIterable<Buffer>) {
          chunks.push(chunk);
          started.resolve();
        }
        return { body: Buffer.concat(chunks), complete: true };
      } catch {
        return { body: Buffer.concat(chunks), complete: false };
      }
    },
    async pause(response: ServerResponse) {
      await started.promise;
      // The rest of what was written in one go may come in a segment of its own.
      await setTimeout(50);
      firstBurst ??= Buffer.concat(chunks).toString('latin1');
      response.end();
    },
    get firstBurst() {
      return firstBurst;
    },
  };
};

const describeFailure = (body: Buffer, type: string | string[] | undefined) => {
  if (type === undefined) return { errorType: undefined, errorMessage: undefined };
  const { errorType, errorMessage } = JSON.parse(body.toString()) as { errorType: string; errorMessage: string };
  return { errorType, errorMessage };
};

const record = async (
  request: IncomingMessage,
  reader: ReturnType<typeof createReader>,
): Promise<Omit<Seen, 'then'>> => {
  const { body, complete } = await reader.read(request);
  const call = request.url?.split('/').slice(-1)[0];
  const isError = call === 'error';
  const trailer = request.trailers['lambda-runtime-function-error-type'];
  const failure = isError
    ? describeFailure(body, 'error')
    : describeFailure(Buffer.from(request.trailers['lambda-runtime-function-error-body'] ?? '', 'base64'), trailer);
  return {
    call: request.url?.includes('init/error') ? 'init/error' : call,
    headers: Object.fromEntries(HEADERS.map((name) => [name, isError ? undefined : String(request.headers[name])])),
    body: isError ? '' : body.toString('latin1'),
    firstBurst: reader.firstBurst,
    complete,
    ...failure,
  };
};

const listen = async (server: Server) => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const start = (runtime: Runtime, handler: string, api: string): ChildProcess =>
  spawn(process.execPath, [runtimeEntry(runtime)], {
    stdio: 'ignore',
    env: {
      PATH: process.env.PATH ?? '',
      AWS_LAMBDA_RUNTIME_API: api,
      AWS_LAMBDA_FUNCTION_NAME: 'probe',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/probe',
      AWS_LAMBDA_LOG_STREAM_NAME: 'probe',
      AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
      LAMBDA_TASK_ROOT: fixtures,
      _HANDLER: handler,
      PROBE_SEEN: `http://${api}/seen`,
    },
  });

/** Runs one handler of `test/fixtures/runtime` on a Runtime API that only watches. */
export const probe = async (runtime: Runtime, handler: string): Promise<Seen> => {
  let seen: Promise<Omit<Seen, 'then'>> | undefined;
  let nexts = 0;
  const reader = createReader();
  const posted = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    if (request.url === '/seen') return reader.pause(response);
    if (request.url?.endsWith('/next')) {
      nexts += 1;
      if (nexts > 1) return asked.resolve();
      response.writeHead(200, {
        'content-type': 'application/json',
        'lambda-runtime-aws-request-id': 'request-1',
        'lambda-runtime-deadline-ms': String(Date.now() + 5000),
        'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:us-east-1:000000000000:function:probe',
        'lambda-runtime-trace-id': 'Root=1-2-3',
      });
      return response.end(JSON.stringify(EVENT));
    }
    seen = record(request, reader);
    posted.resolve();
    request.once('end', () => response.writeHead(202, { 'content-type': 'application/json' }).end('{}'));
  });
  const child = start(runtime, handler, await listen(server));
  const exited = once(child, 'exit').then(([code, signal]) => `exit ${code ?? signal}`);
  // The real client asks for the next event while the error trailers of the last may still be on their way.
  const done = Promise.all([asked.promise, posted.promise]).then(() => seen);
  const then = await Promise.race([exited, done.then(() => 'next')]);
  child.kill('SIGKILL');
  await exited;
  // Ends when every connection of the dead process was read to its end.
  await new Promise((resolve) => server.close(resolve));
  const nothing = { call: undefined, headers: {}, body: '', firstBurst: undefined, complete: false };
  return { ...((await seen) ?? { ...nothing, errorType: undefined, errorMessage: undefined }), then };
};
