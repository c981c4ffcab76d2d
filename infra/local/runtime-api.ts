import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a runtime says went wrong; `errorType` is `Runtime.*`, `Sandbox.*` or the name of the thrown error. */
export interface RuntimeFailure {
  errorType: string;
  errorMessage: string;
  trace?: string[];
}

/** A function did not answer, or only with an error: init failed, it threw, exited or ran out of time. */
export class FunctionError extends Error {
  override readonly name = 'FunctionError';
  readonly failure: RuntimeFailure;
  constructor(failure: RuntimeFailure) {
    super(`${failure.errorType}: ${failure.errorMessage}`);
    this.failure = failure;
  }
}

export interface Invocation {
  requestId: string;
  /** Wall clock, ms since 1970. */
  deadlineMs: number;
  functionArn: string;
  traceId: string;
  /** The event as JSON. */
  payload: string;
}

export type InvocationResponse =
  /** `failure` tells, after the body's end, whether it ended in error trailers. */
  | { kind: 'stream'; contentType: string; body: IncomingMessage; failure(): RuntimeFailure | undefined }
  | { kind: 'buffered'; body: Buffer };

/** The Runtime API of one environment. */
export interface RuntimeApi {
  /** `host:port` for `AWS_LAMBDA_RUNTIME_API`. */
  readonly address: string;
  /** Answers the pending `/next`. Resolves with the response's head. @throws {FunctionError} */
  dispatch(invocation: Invocation): Promise<InvocationResponse>;
  /** The runtime is gone: what it owed fails. */
  abandon(error: FunctionError): void;
  close(): void;
}

interface RuntimeApiEvents {
  /** The runtime asks for work; nothing else of it runs any more. */
  onNext(): void;
  onInitError(failure: RuntimeFailure): void;
  /** The waiting `/next` broke: the runtime died. */
  onLost(): void;
}

interface Pending {
  requestId: string;
  resolve(response: InvocationResponse): void;
  reject(error: Error): void;
}

const VERSION = '/2018-06-01/runtime';
/** Payload limit of a buffered response, bytes. */
const MAX_RESPONSE_BYTES = 6_291_556;

const collect = async (request: IncomingMessage): Promise<Buffer> => Buffer.concat(await request.toArray());

const toFailure = (body: string, errorType: string | undefined): RuntimeFailure => {
  try {
    const value = JSON.parse(body) as Partial<RuntimeFailure> & { stackTrace?: string[] };
    return {
      errorType: value.errorType ?? errorType ?? 'Error',
      errorMessage: value.errorMessage ?? '',
      trace: value.trace ?? value.stackTrace,
    };
  } catch {
    return { errorType: errorType ?? 'Error', errorMessage: body };
  }
};

const trailerFailure = ({ trailers }: IncomingMessage): RuntimeFailure | undefined => {
  const errorType = trailers['lambda-runtime-function-error-type'];
  if (errorType === undefined) return undefined;
  const body = Buffer.from(trailers['lambda-runtime-function-error-body'] ?? '', 'base64').toString();
  return toFailure(body, errorType);
};

const reply = (response: ServerResponse, status: number, body: unknown) => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

/**
 * Serves the Lambda Runtime API, version 2018-06-01, to one runtime process
 * (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, response streaming as the Node runtime does it).
 */
export const createRuntimeApi = async (events: RuntimeApiEvents): Promise<RuntimeApi> => {
  let waiting: ServerResponse | undefined;
  let pending: Pending | undefined;

  const take = (requestId: string): Pending | undefined => {
    if (pending?.requestId !== requestId) return undefined;
    const taken = pending;
    pending = undefined;
    return taken;
  };

  const onNext = (response: ServerResponse) => {
    pending?.reject(new FunctionError({ errorType: 'Runtime.NoResponse', errorMessage: 'the runtime did not answer' }));
    pending = undefined;
    waiting = response;
    response.once('close', () => {
      if (waiting === response) events.onLost();
    });
    events.onNext();
  };

  const onResponse = async (requestId: string, request: IncomingMessage, response: ServerResponse) => {
    const invocation = take(requestId);
    if (!invocation) return reply(response, 400, { errorType: 'InvalidRequestID', errorMessage: requestId });
    if (request.headers['lambda-runtime-function-response-mode'] === 'streaming') {
      request.once('end', () => reply(response, 202, { status: 'OK' }));
      const contentType = request.headers['content-type'] ?? 'application/octet-stream';
      return invocation.resolve({ kind: 'stream', contentType, body: request, failure: () => trailerFailure(request) });
    }
    const body = await collect(request);
    if (body.length > MAX_RESPONSE_BYTES) {
      const failure = { errorType: 'Function.ResponseSizeTooLarge', errorMessage: `${body.length} bytes` };
      invocation.reject(new FunctionError(failure));
      return reply(response, 413, failure);
    }
    invocation.resolve({ kind: 'buffered', body });
    reply(response, 202, { status: 'OK' });
  };

  const onError = async (request: IncomingMessage, response: ServerResponse, report: (f: RuntimeFailure) => void) => {
    const errorType = request.headers['lambda-runtime-function-error-type'];
    const body = (await collect(request)).toString();
    reply(response, 202, { status: 'OK' });
    report(toFailure(body, Array.isArray(errorType) ? errorType[0] : errorType));
  };

  const route = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? '';
    if (path === `${VERSION}/invocation/next`) return onNext(response);
    if (path === `${VERSION}/init/error`) return onError(request, response, events.onInitError);
    const [, id = '', what] = /\/invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    const requestId = decodeURIComponent(id);
    if (what === 'response') return onResponse(requestId, request, response);
    if (what === 'error') {
      return onError(request, response, (failure) => take(requestId)?.reject(new FunctionError(failure)));
    }
    reply(response, 404, { errorType: 'NotFound', errorMessage: path });
  };

  const server = createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 }, (request, response) => {
    // A runtime that dies while it posts breaks the request; its exit is what reports that.
    route(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    dispatch(invocation) {
      const next = waiting;
      if (!next) throw new Error('dispatch without a pending /next');
      waiting = undefined;
      return new Promise((resolve, reject) => {
        pending = { requestId: invocation.requestId, resolve, reject };
        next.writeHead(200, {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(invocation.payload),
          'lambda-runtime-aws-request-id': invocation.requestId,
          'lambda-runtime-deadline-ms': String(invocation.deadlineMs),
          'lambda-runtime-invoked-function-arn': invocation.functionArn,
          'lambda-runtime-trace-id': invocation.traceId,
        });
        next.end(invocation.payload);
      });
    },
    abandon(error) {
      pending?.reject(error);
      pending = undefined;
    },
    close() {
      waiting = undefined;
      server.close();
      server.closeAllConnections();
    },
  };
};
