import { afterAll, describe, expect, test } from '@jest/globals';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import fc from 'fast-check';
import { anyStream } from '../../../../lib/dialects/any-stream.ts';
import { completionStream } from '../../../../lib/dialects/completion-stream.ts';
import type { StreamFormat } from '../../../../lib/dialects/dialect.ts';
import { messageStream } from '../../../../lib/dialects/message-stream.ts';
import { ollamaStream } from '../../../../lib/dialects/ollama-stream.ts';
import { responseStream } from '../../../../lib/dialects/response-stream.ts';
import { transcriptStream } from '../../../../lib/dialects/transcript-stream.ts';
import { UpstreamError } from '../../../../lib/errors.ts';

/**
 * The watchers, which look at bytes as they come and read only what may matter, against a plain reading of all that has
 * come: every place at which a stream may be cut, and every place at which its bytes may be.
 */

/** Texts that look like what they are not, wherever a worker or a client may put them. */
const said = fc.oneof(
  { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 6 }) },
  fc.constantFrom(
    'data: [DONE]\n\n',
    '[DONE]',
    '"finish_reason":"stop"',
    '"type":"error"',
    '{"type":"response.completed"}',
    'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    'transcript.text.done',
    '\r\n\r\n',
    'event: error',
    '\u2028{"done":true}\n',
    'loading"',
  ),
);
const finish = fc.constantFrom(null, null, null, '', 'stop', 'length', 7, { type: 'error' });
const index = fc.constantFrom(0, 0, 0, 1, 2);
const types = fc.constantFrom(
  'response.created',
  'response.output_text.delta',
  'response.completed',
  'response.failed',
  'message_start',
  'message_stop',
  'transcript.text.delta',
  'transcript.text.done',
  'error',
  'ping',
);
/** What the client may have its request echoed in. */
const echo = fc.constantFrom(
  {},
  { type: 'error' },
  { type: 'message_stop' },
  { finish_reason: 'stop' },
  { error: { message: 'no' } },
  { choices: [{ finish_reason: 'stop' }] },
);

const value: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(index, said, finish).map(([at, content, finish_reason]) => ({
      choices: [{ index: at, delta: { content }, finish_reason }],
    })),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(types, said, echo).map(([type, delta, metadata]) => ({
      type,
      delta,
      response: { metadata, error: null },
    })),
  },
  fc.tuple(types, said, echo).map(([type, text, metadata]) => ({ nested: [{ type, text, ...metadata }] })),
  fc.tuple(said, echo).map(([message, more]) => ({ error: { message, ...more } })),
  fc.constantFrom<unknown>(
    { object: 'error', message: 'no' },
    { error: null },
    { choices: null },
    { choices: [null, 1] },
    [],
    7,
    null,
  ),
  said,
);

/** JSON as some serialisers write it: with spaces, with letters escaped. */
const spelled = fc
  .tuple(value, fc.constantFrom('plain', 'plain', 'plain', 'spaced', 'escaped', 'pretty'))
  .map(([one, how]) => {
    const text = JSON.stringify(one);
    if (how === 'spaced') return text.replaceAll(/":(?=[\w"{[])/g, '" : ');
    if (how === 'escaped')
      return text.replaceAll('_', '\\u005f').replaceAll('error', '\\u0065rror').replaceAll('.', '\\u002e');
    return how === 'pretty' ? JSON.stringify(one, undefined, 1) : text;
  });
const data = fc.oneof(
  { weight: 6, arbitrary: spelled },
  fc.constantFrom('[DONE]', '[DONE] ', ' [DONE]', '[DONE', 'no JSON', '', '{"type":"mess'),
);
const field = fc.oneof(
  { weight: 8, arbitrary: data.map((text) => text.split('\n').map((line) => `data: ${line}`)) },
  { weight: 2, arbitrary: types.map((type) => [`event: ${type}`]) },
  fc.constantFrom(
    [': ping'],
    ['id: 7'],
    ['retry: 10'],
    ['data'],
    ['data:[DONE]'],
    ['event:error'],
    ['nothing: at all'],
    ['event:'],
    [': \ndata: x'],
  ),
);
const eol = fc.constantFrom('\n', '\n', '\n', '\r\n', '\r\n', '\r');
const event = fc.array(field, { minLength: 1, maxLength: 3 }).map((fields) => fields.flat());
const events = fc
  .tuple(
    fc.constantFrom('', '', '', '\uFEFF', '\n'),
    fc.array(event, { minLength: 1, maxLength: 4 }),
    eol,
    fc.constantFrom(2, 2, 2, 1, 3),
  )
  .map(([start, all, end, blank]) => start + all.map((lines) => lines.join(end) + end.repeat(blank)).join(''));

const line = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(said, fc.constantFrom(false, false, true, 'true', null))
      .map(([response, done]) => JSON.stringify({ response, done })),
  },
  echo.map((one) => JSON.stringify(one)),
  fc.constantFrom(
    '',
    '{"done": true}',
    '{"d\\u006fne":true}',
    'no JSON',
    '{"response":"',
    '{"nested":{"done":true}}',
    '[1]',
    'true',
  ),
);
const lines = fc
  .tuple(fc.array(line, { minLength: 1, maxLength: 6 }), fc.constantFrom('\n', '\n', '\r\n'))
  .map(([all, end]) => all.map((one) => one + end).join(''));

const parsed = (text: string): EventSourceMessage[] => {
  const found: EventSourceMessage[] = [];
  createParser({ onEvent: (one) => found.push(one) }).feed(text);
  return found;
};
type Fields = Record<string, unknown>;
const json = (text: string): Fields | undefined => {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === 'object' && found !== null && !Array.isArray(found) ? (found as Fields) : undefined;
  } catch {
    return undefined;
  }
};
const isDone = ({ data: text }: EventSourceMessage) => text.trim() === '[DONE]';
const typeOf = (one: EventSourceMessage): unknown => {
  const found = json(one.data);
  if (one.event === 'error') return 'error';
  return found && (typeof found.type === 'string' && found.type !== '' ? found.type : one.event);
};

/** By a plain reading of every event that a client was given: has it all come? */
type Judge = (all: readonly EventSourceMessage[]) => boolean;
const typed =
  (...last: string[]): Judge =>
  (all) =>
    all.some((one) => last.includes(String(typeOf(one))));
const finished =
  (choices: number): Judge =>
  (all) => {
    const given = new Set<unknown>();
    for (const one of all) {
      const list = json(one.data)?.choices;
      for (const choice of Array.isArray(list) ? (list as (Fields | null)[]) : []) {
        const reason = choice?.finish_reason;
        if (typeof reason === 'string' && reason) given.add(choice?.index ?? 0);
      }
    }
    const end = all.at(-1);
    const last = end && json(end.data);
    const isError = end?.event === 'error' || !!last?.error || last?.type === 'error' || last?.object === 'error';
    return all.some(isDone) || given.size >= choices || isError;
  };
const orDone =
  (judge: Judge): Judge =>
  (all) =>
    all.some(isDone) || judge(all);

interface Kind {
  readonly name: string;
  readonly format: StreamFormat;
  readonly asked: Fields;
  readonly judge: Judge;
  /** The marker itself: what follows it is of no interest. */
  readonly isOver: Judge;
}
const same = (judge: Judge) => ({ judge, isOver: judge });
const kinds: readonly Kind[] = [
  { name: 'chat', format: completionStream, asked: {}, judge: finished(1), isOver: (all) => all.some(isDone) },
  {
    name: 'chat, n: 2',
    format: completionStream,
    asked: { n: 2 },
    judge: finished(2),
    isOver: (all) => all.some(isDone),
  },
  {
    name: 'completions',
    format: completionStream,
    asked: { prompt: ['a', 'b', 'c'] },
    judge: finished(3),
    isOver: (all) => all.some(isDone),
  },
  {
    name: 'responses',
    format: responseStream,
    asked: {},
    ...same(typed('response.completed', 'response.incomplete', 'response.failed', 'error')),
  },
  { name: 'messages', format: messageStream, asked: {}, ...same(typed('message_stop', 'error')) },
  {
    name: 'transcription',
    format: transcriptStream,
    asked: {},
    ...same(orDone(typed('transcript.text.done', 'error'))),
  },
  { name: 'unknown', format: anyStream, asked: {}, ...same((all) => all.some(isDone)) },
];

/** Every place where an event has just ended, by the standard: after an empty line. */
const boundariesOf = (bytes: Buffer): Set<number> => {
  const found = new Set([0]);
  let isEmpty = true;
  for (let at = 0; at < bytes.length; at += 1) {
    const isCr = bytes[at] === 0x0d;
    if (!isCr && bytes[at] !== 0x0a) {
      isEmpty = false;
      continue;
    }
    if (isCr && bytes[at + 1] === 0x0a) at += 1;
    if (isEmpty) found.add(at + 1);
    isEmpty = true;
  }
  return found;
};

let cases = 0;
const fail = (what: string, about: object): never => {
  throw new Error(`${what}: ${JSON.stringify(about)}`);
};

/** Lets a beginning of a stream pass in these pieces. */
const pass = (format: StreamFormat, asked: Fields, pieces: readonly Buffer[]) => {
  const watch = format.watch({ asked });
  const out: Uint8Array[] = [];
  for (const piece of pieces) {
    const parts = watch.push(piece);
    if (parts) out.push(parts);
  }
  return { watch, sent: Buffer.concat(out) };
};
const cutAt = (bytes: Buffer, places: readonly number[]): Buffer[] => {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1))), bytes.length].sort((a, b) => a - b);
  return ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end)).filter((piece) => piece.length > 0);
};

const isObjectOrArray = (text: string): boolean => {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === 'object' && found !== null;
  } catch {
    return false;
  }
};

/** What a plain reading makes of a beginning of a stream; the same wherever its bytes were cut. */
const read = (bytes: Buffer, { judge, isOver }: Kind) => {
  const boundaries = boundariesOf(bytes);
  const last = Math.max(...boundaries);
  const text = bytes.toString();
  // Half of a CRLF may be waited for; nothing else that is whole may be.
  const isHalfCrlf = text.endsWith('\r');
  const before = parsed(bytes.subarray(0, last).toString());
  const closed = parsed(`${text}\n\n`);
  const added = closed.slice(before.length);
  const isWhole = ({ data: one }: EventSourceMessage) => one === '[DONE]' || one === 'true' || isObjectOrArray(one);
  const all = added.length > 0 && added.every(isWhole) ? closed : before;
  return {
    boundaries,
    last,
    isHalfCrlf,
    before,
    all,
    wasComplete: judge(before),
    isComplete: judge(all),
    isOver: isOver(all),
  };
};
type Reading = ReturnType<typeof read>;

const check = (
  { format, asked }: Kind,
  bytes: Buffer,
  { boundaries, last, isHalfCrlf, before, all, ...told }: Reading,
  places: readonly number[],
  isClean: boolean,
) => {
  const { watch, sent } = pass(format, asked, cutAt(bytes, places));
  const about = () => ({ text: bytes.toString(), pieces: cutAt(bytes, places).map(String), isClean });
  if (!boundaries.has(sent.length) || !sent.equals(bytes.subarray(0, sent.length))) fail('not whole events', about());
  if (sent.length !== last && !isHalfCrlf) fail('held too long', about());
  if (watch.terminated !== told.isOver) fail('terminated', about());
  const isEnd = format === anyStream && isClean;
  const isComplete = isEnd || told.isComplete;
  const missing = watch.finish(isClean);
  if ((missing !== undefined) !== isComplete) fail(`complete is not ${isComplete}`, about());
  const rest = missing ?? watch.fail(new UpstreamError('it broke'), 'id');
  // What a client is given: exactly what was whole, then what is added. After the marker, or where a clean end is one,
  // the rest passes as it is: nobody waits for it.
  const expected = isEnd || told.wasComplete ? before : all;
  const given = parsed(Buffer.concat([sent, Buffer.from(rest)]).toString());
  const isSame = expected.every((one, at) => one.data === given[at]?.data && one.event === given[at]?.event);
  if (!isSame) fail(`given ${JSON.stringify(given)}`, about());
  if (missing === undefined && given.length === expected.length) fail('no error', about());
};
const seed = 20_260_701;
const EACH = 13_000;

/** Streams that are taken apart at every byte; the others are where something changes: around the ends of lines. */
const EVERY_BYTE = 6;

const placesIn = (bytes: Buffer, isEvery: boolean): readonly number[] => {
  const all = [...bytes.keys()];
  const isEnd = (at: number) => bytes[at] === 0x0a || bytes[at] === 0x0d;
  return isEvery ? all : all.filter((at) => isEnd(at - 2) || isEnd(at - 1) || isEnd(at));
};

/** Ends a stream at every place, cuts it at every place, and into single bytes. */
const everyCut = (
  text: string,
  cuts: readonly number[],
  isEvery: boolean,
  look: (bytes: Buffer, cuts: readonly number[]) => void,
) => {
  const whole = Buffer.from(text);
  const places = placesIn(whole, isEvery);
  for (const at of places) look(whole.subarray(0, at), cuts);
  for (const at of places) look(whole, [at]);
  look(whole, [...whole.keys()]);
};
const places = fc.array(fc.nat(), { maxLength: 6 });
const settings = { numRuns: 1000, seed, endOnFailure: true };

describe('watchers say what a plain reading of the whole stream says', () => {
  test.each(kinds)('$name', (kind) => {
    let left = EACH;
    let streams = 0;
    const property = fc.property(events, places, fc.boolean(), (text, cuts, isClean) => {
      if (left <= 0) return;
      streams += 1;
      let reading: Reading | undefined;
      let length = -1;
      everyCut(text, cuts, streams <= EVERY_BYTE, (bytes, at) => {
        if (length !== bytes.length) reading = read(bytes, kind);
        length = bytes.length;
        check(kind, bytes, reading as Reading, at, isClean);
        left -= 1;
        cases += 1;
      });
    });
    fc.assert(property, settings);
    expect(left).toBeLessThanOrEqual(0);
  });

  test('Ollama', () => {
    const checkLines = (bytes: Buffer, cuts: readonly number[], isClean: boolean) => {
      const { watch, sent } = pass(ollamaStream, {}, cutAt(bytes, cuts));
      const about = () => ({ text: bytes.toString(), cuts, isClean });
      if (sent.length !== bytes.lastIndexOf('\n') + 1) fail('not whole lines', about());
      const rest = bytes.subarray(sent.length).toString();
      const all = `${bytes.subarray(0, sent.length)}${json(rest) ? rest : ''}`.split('\n');
      const last = json(all.findLast((one) => one.trim() !== '') ?? '');
      const isComplete = last?.done === true || !!last?.error;
      if (watch.terminated !== isComplete) fail('terminated', about());
      const missing = watch.finish(isClean);
      if ((missing !== undefined) !== isComplete) fail('complete', about());
      const end = Buffer.concat([
        sent,
        Buffer.from(missing ?? watch.fail(new UpstreamError('it broke'), 'id')),
      ]).toString();
      const error = json(end.trimEnd().split('\n').at(-1) ?? '')?.error;
      if (missing === undefined && !String(error).includes('it broke')) fail('no error', about());
      if (json(rest) && !end.includes(rest)) fail('a whole line is lost', about());
    };
    let left = EACH;
    let streams = 0;
    const property = fc.property(lines, places, fc.boolean(), (text, cuts, isClean) => {
      if (left <= 0) return;
      streams += 1;
      everyCut(text, cuts, streams <= EVERY_BYTE, (bytes, at) => {
        checkLines(bytes, at, isClean);
        left -= 1;
        cases += 1;
      });
    });
    fc.assert(property, settings);
  });

  afterAll(() => {
    expect(cases).toBeGreaterThan(100_000);
  });
});
