import { createParser } from 'eventsource-parser';
import type { ChunkReader } from '../upstream/chunk-reader.ts';
import { asChunk, errorIn, hasGivenUp, type WorkerError } from './chat.ts';
import { isObject, objectOf, parseJson } from './fields.ts';
import type { Asked, Fields, StreamTranslation, Translation } from './translation.ts';

/** A worker's stream in the client's events. */
export interface CarriedStream extends ChunkReader {
  /** Whole events of the client's; empty where the worker's bytes led to none yet. */
  read(): Promise<Uint8Array | undefined>;
  /** The worker's own error, where it came before anything that the client gets. */
  readonly error: WorkerError | undefined;
}

/** Takes out of a worker's words what the client may not learn. */
export type Clean = (words: unknown) => unknown;

const NOTHING = new Uint8Array(0);
/** Characters; a picture in base64 may be one. */
const LONGEST_EVENT = 32 * 1024 * 1024;
const OWN_WORDS = 'The worker reported an error.';
const GIVEN_UP = 'The worker gave the request up.';

/** An error may come in an event that has choices as well, and a finish that says no more than that it is one. */
const wrongIn = (event: Fields, clean: Clean): WorkerError | undefined => {
  if (!Array.isArray(event.choices)) return errorIn(clean(event));
  if (event.error) return errorIn(clean({ error: event.error }));
  return hasGivenUp(event) ? { status: undefined, message: GIVEN_UP } : undefined;
};

/** The worker's events, read from its bytes, and what the translation makes of them. */
const createReading = (translation: StreamTranslation, clean: Clean) => {
  let out = '';
  let isDone = false;
  let hasFailed = false;
  let hasSpoken = false;
  let error: WorkerError | undefined;
  /** What could not be read ends the body. */
  let broken: unknown;

  const read = (data: string) => {
    if (data === '[DONE]') {
      isDone = true;
      out += translation.end(true);
      return;
    }
    const event = parseJson(data);
    const wrong = isObject(event) ? wrongIn(event, clean) : undefined;
    if (wrong) {
      hasFailed = true;
      // However the bytes came: what stands before it in the same piece has been said.
      if (!hasSpoken && out === '') error = wrong;
      out += translation.fail(wrong.status ?? 502, wrong.message || OWN_WORDS);
    } else if (isObject(event)) out += translation.event(event);
  };
  const parser = createParser({
    maxBufferSize: LONGEST_EVENT,
    // Nothing may be thrown inside of a callback.
    onEvent: ({ data }) => {
      if (isDone || hasFailed || broken) return;
      try {
        read(data);
      } catch (cause) {
        broken = cause;
      }
    },
    onComment: () => {
      out += translation.comment();
    },
  });
  const decoder = new TextDecoder();

  const take = (): Uint8Array => {
    if (out === '') return NOTHING;
    const bytes = Buffer.from(out);
    hasSpoken = true;
    out = '';
    return bytes;
  };

  return {
    push(chunk: Uint8Array): Uint8Array {
      parser.feed(decoder.decode(chunk, { stream: true }));
      if (broken && out === '') throw broken;
      return take();
    },
    /** @param isClean the worker ended its body. */
    end(isClean: boolean): Uint8Array {
      // A last event may lack its blank line; half of one cannot be read, and counts as none.
      if (isClean) parser.feed(`${decoder.decode()}\n\n`);
      out += translation.end(false);
      return take();
    },
    get error() {
      return error;
    },
  };
};

/** A worker's body of which something was read already. */
export interface Started {
  readonly first: readonly Uint8Array[];
  readonly rest: ChunkReader;
}

const carryStream = (reading: ReturnType<typeof createReading>, { first, rest }: Started): CarriedStream => {
  const waiting = [...first];
  let hasEnded = false;
  /** What broke the worker's body: told behind what it has said before. */
  let failure: { readonly cause: unknown } | undefined;

  const end = (isClean: boolean, cause?: unknown): Uint8Array | undefined => {
    hasEnded = true;
    const last = reading.end(isClean);
    if (last.length > 0) return last;
    if (!isClean) throw cause;
    return undefined;
  };

  return {
    async read() {
      if (failure) throw failure.cause;
      if (hasEnded) return undefined;
      let chunk: Uint8Array | undefined;
      try {
        chunk = waiting.shift() ?? (await rest.read());
      } catch (cause) {
        return end(false, cause);
      }
      if (!chunk) return end(true);
      try {
        return reading.push(chunk);
      } catch (cause) {
        failure = { cause };
        throw cause;
      }
    },
    stop: (reason) => rest.stop(reason),
    get error() {
      return reading.error;
    },
  };
};

/** One request on its way through a pair. */
export interface Carried {
  /** What the worker is asked. */
  readonly body: Buffer;
  /** The answer, where there is nothing to ask a worker. */
  readonly own: string | undefined;
  /** @param answer the worker's JSON of a 200. @returns the client's. @throws where it is no such answer. */
  json(answer: Buffer): Buffer;
  /** @param answer one that came whole although a stream was asked for. @returns the client's events. @throws as `json`. */
  events(answer: Buffer): Buffer;
  /** @param answer a worker's error body. @returns it in the client's dialect. */
  error(status: number, answer: Buffer, clean: Clean): Buffer;
  /** @returns what an error means in words that the client looks for. */
  message(message: string): string;
  stream(body: Started, clean: Clean): CarriedStream;
}

const completionIn = (answer: Buffer) => {
  const value = parseJson(answer.toString());
  if (!isObject(value) || hasGivenUp(value)) throw new TypeError('no answer');
  return value;
};

const wordsIn = (answer: Buffer, clean: Clean): string | undefined => {
  try {
    return errorIn(clean(JSON.parse(answer.toString())))?.message;
  } catch {
    return undefined;
  }
};

/** @throws {UntranslatableError} where the request cannot be carried. */
export const carry = (translation: Translation, asked: Asked): Carried => {
  const stream = (): StreamTranslation => {
    if (!translation.stream) throw new TypeError('this operation does not stream');
    return translation.stream(asked);
  };
  return {
    body: Buffer.from(JSON.stringify(translation.request(asked))),
    own: translation.own?.(asked),
    json: (answer) => Buffer.from(JSON.stringify(translation.response(completionIn(answer), asked))),
    events: (answer) => {
      const completion = completionIn(answer);
      if (!Array.isArray(completion.choices)) throw new TypeError('no choices');
      const one = stream();
      return Buffer.from(one.event(objectOf(asChunk(completion))) + one.end(true));
    },
    error: (status, answer, clean) => Buffer.from(asked.errorBody(status, wordsIn(answer, clean) ?? OWN_WORDS)),
    message: (message) => errorIn({ error: { message } })?.message ?? message,
    stream: (body, clean) => carryStream(createReading(stream(), clean), body),
  };
};

/** @param bytes the client's JSON body. @param fields the same, parsed. @returns it with every number as it was written. */
export const exactFields = (bytes: Uint8Array, fields: Asked['body']): Asked['body'] =>
  /\d{16}/.test(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
    ? objectOf(parseJson(Buffer.from(bytes).toString()))
    : fields;
