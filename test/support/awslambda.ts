import { Writable } from 'node:stream';
import { createPreludeReader, PRELUDE_CONTENT_TYPE, type Prelude } from '../../infra/local/prelude.ts';
import {
  installAwslambda,
  type ResponseTarget,
  runStreaming,
  type StreamingHandler,
} from '../../infra/local/runtime-client.ts';

export { installAwslambda };

/** What the platform would have seen of one streaming invocation. */
export interface Capture {
  contentType: string;
  /** Every non-empty write, prelude and delimiter included. */
  readonly chunks: Buffer[];
  /** The head; undefined while nothing was written, or without `HttpResponseStream.from`. */
  readonly prelude: Prelude | undefined;
  /** The bytes after the head. */
  readonly body: Buffer;
  /** Whether `end` was reached. */
  readonly ended: boolean;
  /** The handler's failure, as error trailers carry it. */
  failure: { errorType: string; errorMessage: string } | undefined;
  /** What would have ended the runtime process. */
  fatal: Error | undefined;
  /** Stops taking chunks, so that writes meet backpressure, and goes on. */
  pause(): void;
  resume(): void;
}

/** An in-memory stand-in for the POST to the Runtime API, as strict as that one. */
class MemoryTarget extends Writable implements ResponseTarget {
  readonly chunks: Buffer[] = [];
  readonly answered: Promise<void>;
  contentType = 'application/octet-stream';
  failure: Capture['failure'];
  fatal: Error | undefined;
  #paused = false;
  #waiting: (() => void) | undefined;

  constructor(highWaterMark: number) {
    super({ highWaterMark });
    this.answered = new Promise((resolve, reject) => {
      this.once('finish', resolve);
      this.once('error', (error) => {
        this.fatal = error;
        reject(error);
      });
    });
    this.answered.catch(() => {});
  }

  setHeader(_name: string, value: string) {
    this.contentType = value;
  }

  addTrailers(trailers: Record<string, string>) {
    if (this.fatal) return;
    this.failure = JSON.parse(Buffer.from(Object.values(trailers)[1] ?? '', 'base64').toString());
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void) {
    const take = () => {
      if (chunk.length) this.chunks.push(chunk);
      done();
    };
    if (this.#paused) this.#waiting = take;
    else setImmediate(take);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void) {
    done(error ?? (this.writableFinished ? null : new Error('socket hang up')));
  }

  pause() {
    this.#paused = true;
  }

  resume() {
    this.#paused = false;
    this.#waiting?.();
    this.#waiting = undefined;
  }
}

export interface InvokeOptions {
  /** Time left for the invocation, ms; 900 s by default. */
  remainingMs?: number;
  requestId?: string;
  highWaterMark?: number;
}

/**
 * Runs a streaming handler against memory. `done` settles when the invocation is over; `capture` can be read at any
 * time. Handlers must have been made after `installAwslambda()`.
 */
export const invokeStreaming = (handler: unknown, event: unknown, options: InvokeOptions = {}) => {
  const { remainingMs = 900_000, requestId = 'request-1', highWaterMark = 65_536 } = options;
  const target = new MemoryTarget(highWaterMark);
  const deadline = Date.now() + remainingMs;
  const context = {
    awsRequestId: requestId,
    functionName: 'test',
    functionVersion: '$LATEST',
    invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:test',
    memoryLimitInMB: '512',
    logGroupName: '/aws/lambda/test',
    logStreamName: 'test',
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  const split = () => {
    const bytes = Buffer.concat(target.chunks);
    if (target.contentType !== PRELUDE_CONTENT_TYPE) return { prelude: undefined, body: bytes };
    // Before the delimiter is there, what was written is no body yet.
    const read = createPreludeReader()(bytes);
    return { prelude: read?.prelude, body: read?.rest ?? Buffer.alloc(0) };
  };
  const capture: Capture = {
    get contentType() {
      return target.contentType;
    },
    chunks: target.chunks,
    get prelude() {
      return split().prelude;
    },
    get body() {
      return split().body;
    },
    get ended() {
      return target.writableFinished;
    },
    get failure() {
      return target.failure;
    },
    get fatal() {
      return target.fatal;
    },
    pause: () => target.pause(),
    resume: () => target.resume(),
  };
  const done = runStreaming(handler as StreamingHandler, event, context, target)
    .then(() => target.answered)
    .then(
      () => capture,
      () => capture,
    );
  return { capture, done };
};
