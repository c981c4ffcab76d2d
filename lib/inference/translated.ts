import type { StreamFormat } from '../dialects/dialect.ts';
import { openai } from '../dialects/openai.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { engineOf } from '../engines/index.ts';
import { GatewayError, InvalidRequestError, TimeoutError } from '../errors.ts';
import type { Reply } from '../http/reply.ts';
import type { PrimedBody } from '../relay/answer.ts';
import { collect, readShort } from '../relay/collect.ts';
import { withoutNode } from '../relay/loading-node.ts';
import { idleError } from '../relay/relay.ts';
import { namesOf } from '../relay/worker-error.ts';
import { isSilent, orSilent } from '../time/silence.ts';
import type { Pair } from '../translation/index.ts';
import { nothingMore } from '../upstream/chunk-reader.ts';
import { ExchangeError } from '../upstream/exchange-error.ts';
import { listedName, type Worker } from '../worker.ts';
import type { RawAnswer } from './attempt.ts';
import type { InferenceRequest } from './inference-request.ts';

type Carried = ReturnType<typeof import('../translation/carry.ts').carry>;
type Clean = (words: unknown) => unknown;

/** A request in a worker's own dialect, and the way back. */
export interface Translated {
  /** The pair's name. */
  readonly name: string;
  readonly path: string;
  readonly body: Buffer;
  /** The answer, where there is nothing to ask a worker. */
  readonly own: Reply | undefined;
  /**
   * @returns the worker's answer in the client's dialect, its first event here.
   * @throws {ExchangeError} where it is none.
   */
  answer(answer: RawAnswer): Promise<RawAnswer>;
}

/** Longer answers Lambda does not send. */
const LONGEST_ANSWER = 200 * 1024 * 1024;
const LONGEST_ERROR = 1024 * 1024;

export interface TranslateOptions {
  readonly pair: Pair;
  readonly inference: InferenceRequest;
  readonly request: GatewayRequest;
  readonly idleMs: number;
}

const typeOf = ({ headers }: RawAnswer) => (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();

const answered = (answer: RawAnswer, contentType: string, body: PrimedBody): RawAnswer => ({
  ...answer,
  headers: { ...answer.headers, 'content-type': contentType },
  body,
  isChanged: true,
});

const wholeBody = (bytes: Uint8Array): PrimedBody => ({ first: [bytes], rest: nothingMore });

/** What goes wrong while an answer is read is the worker's failure: nothing has been sent yet. */
const orFailed = async <T>(read: () => Promise<T>): Promise<T> => {
  try {
    return await read();
  } catch (cause) {
    throw new ExchangeError(cause instanceof TimeoutError ? 'timeout' : 'reset', { sent: true, cause });
  }
};

/** Waits for the first event that the client gets. */
const carryStream = async (
  carried: Carried,
  answer: RawAnswer,
  { format, idleMs, clean }: { readonly format: StreamFormat; readonly idleMs: number; readonly clean: Clean },
): Promise<RawAnswer> => {
  const stream = carried.stream(answer.body, clean);
  for (;;) {
    const chunk = await orSilent(stream.read(), idleMs);
    if (isSilent(chunk)) throw idleError();
    if (!chunk) throw new TypeError('no event');
    if (stream.error) {
      const { status = 502, message } = stream.error;
      return { ...answer, status, error: { status, message, own: {} } };
    }
    if (chunk.length > 0) return answered(answer, format.contentType ?? '', { first: [chunk], rest: stream });
  }
};

const loadFiles = ({ load }: Pair) => Promise.all([import('../translation/carry.ts'), load()]);

const loaded = new Map<Pair, ReturnType<typeof loadFiles>>();

/**
 * Files of their own beside the bundle: what passes natively neither loads nor parses them. Asked for once, since
 * `import()` takes its time with what is loaded already, too.
 */
const filesOf = (pair: Pair): ReturnType<typeof loadFiles> => {
  const files = loaded.get(pair) ?? loadFiles(pair);
  loaded.set(pair, files);
  return files;
};

/** Carries one request through a pair, whoever the worker is. */
export const createTranslate = ({ pair, inference, request, idleMs }: TranslateOptions) => {
  const { endpoint, requestedModel, servedModel, stream: isStream } = inference;
  const { signal } = request.deadline;
  const { dialect } = endpoint;
  const startedAt = Date.now();
  const format = isStream ? endpoint.stream : undefined;
  const type = format?.contentType ?? 'application/json';

  const load = async (engine: string, model: string | undefined): Promise<Carried> => {
    const [{ carry, exactFields }, { translation }] = await filesOf(pair);
    try {
      return carry(translation, {
        body: inference.body instanceof Uint8Array ? exactFields(inference.body, inference.fields) : inference.fields,
        requestedModel,
        servedModel: model,
        engine,
        operation: endpoint.operation,
        isStream,
        id: request.id,
        startedAt,
        now: Date.now,
        errorBody: (status, message) =>
          dialect.errorBody(new GatewayError(status, 'upstream_error', message), request.id),
      });
    } catch (cause) {
      // Its class is another one in a file of its own.
      if (cause instanceof Error && 'field' in cause) {
        throw new InvalidRequestError(cause.message, { param: String(cause.field), cause });
      }
      throw new InvalidRequestError('The request cannot be carried to a worker of another dialect.', { cause });
    }
  };

  const carryError = async (carried: Carried, answer: RawAnswer, clean: Clean): Promise<RawAnswer> => {
    // It is the client's dialect already, or a page of something in front of the worker, which never passes.
    if (dialect === openai || (answer.status >= 500 && typeOf(answer) === 'text/html')) return answer;
    const bytes = await collect(answer.body, { signal, idleMs, maxBytes: LONGEST_ERROR });
    return answered(answer, 'application/json', wholeBody(carried.error(answer.status, bytes, clean)));
  };

  const carryAnswer = async (carried: Carried, answer: RawAnswer, clean: Clean): Promise<RawAnswer> => {
    if (format && typeOf(answer) === 'text/event-stream')
      return carryStream(carried, answer, { format, idleMs, clean });
    const bytes = await collect(answer.body, { signal, idleMs, maxBytes: LONGEST_ANSWER });
    return format
      ? answered(answer, type, wholeBody(carried.events(bytes)))
      : answered(answer, type, wholeBody(carried.json(bytes)));
  };

  const known = new Map<string, Promise<Carried>>();
  /** @throws {InvalidRequestError} names the field that cannot be carried. */
  return async (worker: Worker): Promise<Translated> => {
    const { name } = engineOf(worker.engine);
    const hidden = request.holder ? undefined : namesOf(worker);
    const clean: Clean = (words) => (hidden ? withoutNode(words, hidden) : words);
    // In a body of ours the model has the very name that the worker lists: Ollama's clients add `:latest`, others' servers
    // know no tags.
    const model = servedModel === undefined ? undefined : listedName(worker, servedModel);
    const key = JSON.stringify([name, model]);
    const carrying = known.get(key) ?? load(name, model);
    known.set(key, carrying);
    const carried = await carrying;
    return {
      name: pair.name,
      path: pair.path,
      body: carried.body,
      own:
        carried.own === undefined ? undefined : { status: 200, headers: { 'content-type': type }, body: carried.own },
      answer: (answer) =>
        orFailed(async () => {
          if (answer.error) {
            if (dialect === openai) return answer;
            const { status, message } = answer.error;
            return { ...answer, error: { status, message: carried.message(message), own: {} } };
          }
          if (answer.status >= 400) return carryError(carried, answer, clean);
          return answer.status === 200 ? carryAnswer(carried, answer, clean) : answer;
        }),
    };
  };
};

export type Translate = ReturnType<typeof createTranslate>;

/** How servers say that they do not know a path: FastAPI's, and llama.cpp's. */
const UNKNOWN_PATH = /^\s*\{\s*(?:"detail"\s*:\s*"Not Found"\s*\}|"error".*"File Not Found")/s;
const LONGEST_UNKNOWN = 1024;

/**
 * A server may be older than what is known of its engine: it lacks the path then, not the model.
 * @param answer a 404. @returns the same, `undefined` where it says that there is no such path.
 */
export const unlessMissing = async (
  answer: RawAnswer,
  limits: { readonly signal: AbortSignal; readonly idleMs: number },
): Promise<RawAnswer | undefined> => {
  const { body, isWhole } = await readShort(answer.body, { ...limits, maxBytes: LONGEST_UNKNOWN });
  const isMissing = isWhole && UNKNOWN_PATH.test(Buffer.concat(body.first).toString());
  return isMissing ? undefined : { ...answer, body };
};
