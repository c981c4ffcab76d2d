import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { endpoints } from '../../../../lib/endpoints/index.ts';
import type { PrimedBody } from '../../../../lib/relay/answer.ts';
import { relay } from '../../../../lib/relay/relay.ts';
import { translation as anthropicChat } from '../../../../lib/translation/anthropic-chat.ts';
import { carry } from '../../../../lib/translation/carry.ts';
import { translation as ollamaChat } from '../../../../lib/translation/ollama-chat.ts';
import { translation as responsesChat } from '../../../../lib/translation/responses-chat.ts';
import type { Translation } from '../../../../lib/translation/translation.ts';
import { endingOf } from '../../../support/endings.ts';
import { operations } from '../../../support/operations.ts';
import { askedFor } from './asked.ts';
import { chatStream } from './generated.ts';

/** What holds of every pair's stream, whatever the worker says and however its bytes come (docs/contract.md 6 and 13). */
const pairs: Readonly<Record<string, Translation>> = {
  messages: anthropicChat,
  ollama_chat: ollamaChat,
  ollama_generate: ollamaChat,
  responses: responsesChat,
};
const bodies = [
  { messages: [] },
  { messages: [], thinking: { type: 'disabled' }, think: false, reasoning: { effort: 'none' } },
];

const reset = () => Object.assign(new Error('aborted'), { code: 'ECONNRESET' });

/** A worker's body in pieces, then its end or a break. */
const bodyOf = (pieces: readonly Buffer[], isCut: boolean): PrimedBody => {
  const left = [...pieces];
  return {
    first: [],
    rest: {
      read: async () => {
        const piece = left.shift();
        if (piece === undefined && isCut) throw reset();
        return piece;
      },
      stop: () => {},
    },
  };
};

const carried = (operation: string, body: object, from: PrimedBody) =>
  carry(pairs[operation] as Translation, askedFor(operation, { input: 'x', stream: true, ...body })).stream(
    from,
    (words) => words,
  );

/** @returns all that the client is given, `undefined` where the stream did not begin. */
const received = async (operation: string, body: object, from: PrimedBody): Promise<string | undefined> => {
  const stream = carried(operation, body, from);
  const first = await stream.read().catch(() => undefined);
  if (!first) return undefined;
  const format = endpoints.find((one) => one.operation === operation);
  if (format?.kind !== 'forwarded' || !format.stream) throw new Error(`${operation} does not stream`);
  const out: Buffer[] = [];
  const write = relay(
    { first: [first], rest: stream },
    {
      format: format.stream,
      asked: { ...body, stream: true },
      scrub: undefined,
      correlationId: 'request-1',
      signal: new AbortController().signal,
      idleMs: 60_000,
      keepAliveMs: 60_000,
      ended: () => {},
    },
  );
  await write({ write: (chunk) => out.push(Buffer.from(chunk)) > 0, drained: async () => {} });
  return Buffer.concat(out).toString();
};

const endOf = (operation: string, text: string) => {
  const name = operation.replace('_', ' ');
  const one = operations.find((known) => known.name === name || known.name === operation);
  if (!one) throw new Error(`no operation '${operation}'`);
  const type = operation.startsWith('ollama') ? 'application/x-ndjson' : 'text/event-stream';
  return endingOf(one, { status: 200, headers: { 'content-type': type }, text, complete: true } as never);
};

const piecesAt = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...places, bytes.length].map((place, i) => bytes.subarray(places[i - 1] ?? 0, place));
};

describe.each(Object.keys(pairs))('%s', (operation) => {
  test('the same bytes in any pieces are the same events', async () => {
    await fc.assert(
      fc.asyncProperty(
        chatStream,
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.constantFrom(...bodies),
        async ({ bytes }, cuts, body) => {
          const whole = await received(operation, body, bodyOf([bytes], false));
          expect(endOf(operation, whole ?? '')).toBe('whole');
          expect(await received(operation, body, bodyOf(piecesAt(bytes, cuts), false))).toBe(whole);
        },
      ),
      { numRuns: 60 },
    );
  });

  const isWholeAt = (text: string | undefined, at: number, finishedAt: number) => {
    // Nothing was sent: another worker is asked, or it is an error of HTTP.
    if (text === undefined) return expect(at).toBeLessThan(finishedAt);
    // The blank line behind it may be missing its last byte.
    if (at >= finishedAt) return expect(endOf(operation, text)).toBe('whole');
    if (at < finishedAt - 4) return expect(endOf(operation, text)).toBe('error');
  };

  test('cut at any byte it ends in the error of the client’s dialect, or is complete', async () => {
    const [{ bytes, finishedAt } = { bytes: Buffer.alloc(0), finishedAt: 0 }] = fc.sample(
      chatStream.filter((one) => one.bytes.length < 1100 && one.bytes.length > 700),
      { numRuns: 1, seed: 42 },
    );
    for (let at = 0; at < bytes.length; at += 1) {
      const head = bytes.subarray(0, at);
      isWholeAt(await received(operation, bodies[0] ?? {}, bodyOf([head], true)), at, finishedAt);
      // A clean end of half an answer is no answer either.
      isWholeAt(await received(operation, bodies[0] ?? {}, bodyOf([head], false)), at, finishedAt);
    }
  });

  test("the worker's own error, in an event of its own or beside choices, ends it so, in any pieces", async () => {
    const errors = [
      { error: { message: 'CUDA out of memory', type: 'server_error', code: 500 } },
      { object: 'error', message: 'CUDA out of memory', code: 500 },
      { choices: [{ index: 0, delta: {}, finish_reason: 'error' }], error: { message: 'CUDA out of memory' } },
      { choices: [{ index: 0, delta: {}, finish_reason: 'abort' }] },
    ];
    const property = fc.asyncProperty(
      chatStream,
      fc.constantFrom(...errors),
      fc.array(fc.nat(), { maxLength: 6 }),
      async ({ bytes }, error, cuts) => {
        const events = bytes.toString().split(/(?<=\n\n|\r\n\r\n)/);
        const unfinished = events.slice(
          0,
          events.findIndex((event) => /finish_reason":"/.test(event)),
        );
        const broken = Buffer.from(`${unfinished.join('')}data: ${JSON.stringify(error)}\n\ndata: [DONE]\n\n`);
        const body = bodies[0] ?? {};
        const whole = carried(operation, body, bodyOf([broken], false));
        await whole.read();
        const text = await received(operation, body, bodyOf(piecesAt(broken, cuts), false));
        expect(text).toBe(await received(operation, body, bodyOf([broken], false)));
        expect(text).toMatch('message' in error || error.error ? /CUDA out of memory/ : /gave the request up/);
        const isSilent = unfinished.length <= 1 && operation.startsWith('ollama');
        // Something was said before it: it is no error of HTTP.
        if (!operation.startsWith('ollama')) expect(whole.error).toBeUndefined();
        if (whole.error) expect(whole.error.message).toBeTruthy();
        else if (!isSilent) expect(endOf(operation, text ?? '')).toBe('error');
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });

  test('and so does any other stream', async () => {
    await fc.assert(
      fc.asyncProperty(chatStream, fc.nat(), fc.boolean(), async ({ bytes, finishedAt }, place, isCut) => {
        const at = place % bytes.length;
        isWholeAt(await received(operation, bodies[0] ?? {}, bodyOf([bytes.subarray(0, at)], isCut)), at, finishedAt);
      }),
      { numRuns: 100 },
    );
  });
});
