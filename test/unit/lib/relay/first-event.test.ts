import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PrimedBody } from '../../../../lib/relay/answer.ts';
import { holdFirstEvent, holdFirstLine } from '../../../../lib/relay/first-event.ts';
import type { ChunkReader } from '../../../../lib/upstream/chunk-reader.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);

/** Feeds chunks one by one and counts how many were taken before the decision. */
const hold = async (chunks: readonly Uint8Array[], by = (body: PrimedBody) => holdFirstEvent(body, [])) => {
  let taken = 0;
  const rest: ChunkReader = {
    read: async () => {
      const chunk = chunks[taken];
      if (chunk) taken += 1;
      return chunk;
    },
    stop: () => {},
  };
  const first = await rest.read();
  const held = await by({ first: first ? [first] : [], rest });
  const { first: kept } = held.body;
  return { error: held.error, isCut: held.isCut, taken, kept: Buffer.concat(kept).toString(), body: held.body };
};

const inPieces = (text: string, cuts: readonly number[]) => {
  const bytes = utf8(text);
  const places = [...new Set([...cuts.map((cut) => cut % bytes.length), bytes.length])].sort((a, b) => a - b);
  return places.map((end, at) => bytes.subarray(at === 0 ? 0 : places[at - 1], end)).filter(({ length }) => length > 0);
};

const errors: [string, string, { status: number; message: string }][] = [
  ['OpenAI', 'data: {"error":{"message":"no","code":429}}\n\n', { status: 429, message: 'no' }],
  ['a numeric status', 'data: {"error":{"message":"no","status":503}}\n\n', { status: 503, message: 'no' }],
  ['a code in text', 'data: {"error":{"message":"no","code":"404"}}\n\n', { status: 404, message: 'no' }],
  [
    'a code that is a word',
    'data: {"error":{"message":"no","code":"model_loading"}}\n\n',
    { status: 502, message: 'no' },
  ],
  ['no code', 'data: {"error":{"message":"no","code":null}}\n\n', { status: 502, message: 'no' }],
  ['a code that is no error status', 'data: {"error":{"message":"no","code":200}}\n\n', { status: 502, message: 'no' }],
  ['an error as text', 'data: {"error":"no"}\n\n', { status: 502, message: 'no' }],
  ['a code beside the error', 'data: {"error":{"message":"no"},"code":503}\n\n', { status: 503, message: 'no' }],
  [
    'Anthropic',
    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"no"}}\n\n',
    { status: 529, message: 'no' },
  ],
  [
    'Anthropic without an event line',
    'data: {"type":"error","error":{"message":"no"}}\n\n',
    { status: 502, message: 'no' },
  ],
  [
    'vLLM',
    'data: {"object":"error","message":"no","type":"BadRequestError","code":400}\n\n',
    { status: 400, message: 'no' },
  ],
  [
    'CRLF and spaces',
    'event:error\r\ndata:{ "error" : { "message" : "no" , "code" : 503 } }\r\n\r\n',
    { status: 503, message: 'no' },
  ],
  ['only CR', 'data: {"error":{"message":"no","code":503}}\r\r', { status: 503, message: 'no' }],
  ['its type later', 'data: {"message":"no","code":400,"object":"error"}\n\n', { status: 400, message: 'no' }],
  ['escapes', 'data: {"\\u0065rror":{"message":"no","code":400}}\n\n', { status: 400, message: 'no' }],
  ['several lines', 'data: {"error":\ndata: {"message":"no","code":400}}\n\n', { status: 400, message: 'no' }],
  ['a comment before it', ': hello\n\ndata: {"error":{"message":"no","code":400}}\n\n', { status: 400, message: 'no' }],
  ['a bare comment line', ': hello\ndata: {"error":{"message":"no","code":400}}\n\n', { status: 400, message: 'no' }],
  ['an id', 'id: 1\ndata: {"error":{"message":"no","code":400}}\n\n', { status: 400, message: 'no' }],
  [
    'a retry, and an id alone',
    'retry: 5\n\nid: 1\n\ndata: {"error":{"message":"no","code":400}}\n\n',
    { status: 400, message: 'no' },
  ],
  [
    'pings',
    'event: ping\ndata: {"type": "ping"}\n\ndata: {"type":"ping"}\n\nevent: error\ndata: {"type":"error","error":{"message":"no","code":400}}\n\n',
    { status: 400, message: 'no' },
  ],
];

describe('a first event that is an error object', () => {
  test.each(errors)('%s: is told, however its bytes come', async (_, text, expected) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 10 }), async (cuts) => {
        const held = await hold(inPieces(`${text}data: [DONE]\n\n`, cuts));
        expect(held.error).toMatchObject(expected);
      }),
      { numRuns: 40 },
    );
  });

  test('that is all there is, without its blank line', async () => {
    expect((await hold([utf8('data: {"error":{"message":"no","code":503}}')])).error).toMatchObject({ status: 503 });
  });
});

describe('an ordinary stream', () => {
  const ordinary = [
    'data: {"id":"x","choices":[]}\n\n',
    'event: message_start\ndata: {"type":"message_start"}\n\n',
    'data: {"error":null,"choices":[]}\n\n',
    'data: {"errors":1}\n\n',
    'data: {"error":{"message":"no"',
    'event: error\ndata: not JSON\n\n',
    ': comment\n\ndata: {"choices":[]}\n\n',
    'data: [DONE]\n\n',
  ];

  test.each(ordinary)('is no error, and none of its bytes is lost: %j', async (text) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 10 }), async (cuts) => {
        const held = await hold(inPieces(text, cuts));
        let all = held.kept;
        for (;;) {
          const next = await held.body.rest.read();
          if (!next) break;
          all += Buffer.from(next).toString('latin1');
        }
        expect([held.error, all]).toEqual([undefined, text]);
      }),
      { numRuns: 40 },
    );
  });

  test.each([
    ['data: {"id":1}\n\n', 1],
    ['event: message_start\ndata: {"type":"message_start"}\n\n', 1],
    [': ping\n\ndata: {}\n\n', 1],
    // Until an event is whole nothing may leave, and another worker may still be tried.
    ['data: {"id"', 2],
    ['data: {"id":1}\n', 2],
    [': ping\n\n', 2],
  ])('%j is known after %i chunks', async (text, chunks) => {
    expect((await hold([utf8(text), utf8('}\n\ndata: {}\n\n'), utf8('more')])).taken).toBe(chunks);
  });

  test('an error object longer than 4 KB is an event like any other', async () => {
    const long = `data: {"error":{"message":"${'x'.repeat(5000)}"}}\n\n`;
    expect((await hold(inPieces(long, [1000, 2000]))).error).toBeUndefined();
    expect((await hold([utf8(long)])).error).toBeUndefined();
  });

  test('an event is waited for up to 64 KB', async () => {
    const chunks = Array.from({ length: 100 }, () => utf8('x'.repeat(1024)));
    expect((await hold([utf8('data: "'), ...chunks])).taken).toBe(65);
  });

  test('comments and pings are waited behind up to 4 KB', async () => {
    const chunks = Array.from({ length: 2000 }, () => utf8(': ping\n\n'));
    expect((await hold(chunks)).taken).toBe(513);
  });

  test.each([
    ['data: {"id":1}', false],
    ['data: [DONE]', false],
    ['data: {"id":', true],
    [': ping\n\n', true],
    ['event: message_start\n', true],
  ])('a body of %j alone has ended before its first event: %s', async (text, isCut) => {
    expect(await hold([utf8(text)])).toMatchObject({ isCut, kept: text });
  });

  test('an empty body is an empty body', async () => {
    expect(await hold([])).toMatchObject({ error: undefined, kept: '' });
  });
});

describe('newline-delimited JSON', () => {
  test.each([
    [['{"a":1}\n{'], 1, undefined],
    [['{"a"', ':1}\n', 'more'], 2, undefined],
    [['{"a"', ':1}'], 2, false],
    [['{"a"'], 1, true],
    [Array.from({ length: 100 }, () => 'x'.repeat(1024)), 65, undefined],
  ])('%j: its first line is waited for', async (chunks, taken, isCut) => {
    const held = await hold(chunks.map(utf8), holdFirstLine);
    expect([held.taken, held.isCut, held.kept]).toEqual([taken, isCut, chunks.slice(0, taken).join('')]);
  });
});
