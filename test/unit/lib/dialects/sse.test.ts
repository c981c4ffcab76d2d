import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createSseTail } from '../../../../lib/dialects/sse.ts';

const isDone = (line: string) => /^data: ?\[DONE\]$/.test(line);
const utf8 = (text: string) => new TextEncoder().encode(text);

/** Any line a server may send, marker look-alikes and long ones among them. */
const line = fc.oneof(
  fc.constantFrom(
    'data: [DONE]',
    'data: x [DONE]',
    'data: {"t":"data: [DONE]"}',
    ': [DONE]',
    'event: e',
    'id: 7',
    'data',
  ),
  fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => `data: ${text.replace(/[\r\n]/g, '')}`),
  fc.integer({ min: 80, max: 300 }).map((length) => `data: ${'x'.repeat(length)}[DONE]`),
);
const framing = fc.constantFrom('\n', '\r\n');
const events = fc.array(fc.array(line, { minLength: 1, maxLength: 3 }), { maxLength: 6 });

/** Cuts bytes at the given places, modulo their number. */
const pieces = (bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] => {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...places, bytes.length].map((end, at) => bytes.subarray(at === 0 ? 0 : places[at - 1], end));
};

describe('a server-sent event stream seen from outside', () => {
  test('is at a boundary exactly between events, whatever the framing, at every byte', () => {
    fc.assert(
      fc.property(events, framing, (blocks, newline) => {
        const text = blocks.map((block) => block.join(newline) + newline + newline).join('');
        const bytes = utf8(text);
        const boundaries = new Set([0]);
        let at = 0;
        for (const block of blocks) {
          at += utf8(block.join(newline) + newline + newline).length;
          boundaries.add(at);
        }
        const tail = createSseTail(isDone);
        expect(tail.atBoundary).toBe(true);
        for (let end = 1; end <= bytes.length; end += 1) {
          tail.push(bytes.subarray(end - 1, end));
          expect([end, tail.atBoundary]).toEqual([end, boundaries.has(end)]);
        }
      }),
    );
  });

  test('says the same wherever its chunks are cut', () => {
    fc.assert(
      fc.property(events, framing, fc.array(fc.nat()), fc.nat(), (blocks, newline, cuts, end) => {
        const all = utf8(blocks.map((block) => block.join(newline) + newline + newline).join(''));
        const bytes = all.subarray(0, end % (all.length + 1));
        const whole = createSseTail(isDone);
        whole.push(bytes);
        const cut = createSseTail(isDone);
        for (const piece of pieces(bytes, cuts)) cut.push(piece);
        expect([cut.atBoundary, cut.terminated, cut.recent()]).toEqual([
          whole.atBoundary,
          whole.terminated,
          whole.recent(),
        ]);
      }),
    );
  });

  test('says the same without looking into JSON, where no JSON is a marker', () => {
    const json = fc.constantFrom('data: {"a":1}', 'data:{}', 'data: [DONE]', 'data: {[DONE]', 'event: e', 'data:   {');
    fc.assert(
      fc.property(
        fc.array(fc.array(json, { minLength: 1, maxLength: 3 })),
        framing,
        fc.nat(),
        (blocks, newline, end) => {
          const all = utf8(blocks.map((block) => block.join(newline) + newline + newline).join(''));
          const bytes = all.subarray(0, end % (all.length + 1));
          const [reads, passes] = [createSseTail(isDone), createSseTail(isDone, false)];
          for (const tail of [reads, passes]) tail.push(bytes);
          expect([passes.atBoundary, passes.terminated]).toEqual([reads.atBoundary, reads.terminated]);
        },
      ),
    );
  });

  test('is terminated by a line that is the marker, not by one that contains it', () => {
    fc.assert(
      fc.property(events, framing, (blocks, newline) => {
        const tail = createSseTail(isDone);
        tail.push(utf8(blocks.map((block) => block.join(newline) + newline + newline).join('')));
        expect(tail.terminated).toBe(blocks.flat().includes('data: [DONE]'));
      }),
    );
  });

  test.each([
    ['data: [DONE]', true],
    ['data: [DONE]\n', true],
    ['data: [DONE]\r\n', true],
    ['data: [DONE', false],
    ['data: {"a":"[DONE]', false],
  ])('%j as its last bytes: terminated %s', (ending, terminated) => {
    const tail = createSseTail(isDone);
    tail.push(utf8(`data: {}\n\n${ending}`));
    expect(tail.terminated).toBe(terminated);
  });

  test('the event line alone is not the event: its data must have come', () => {
    const tail = createSseTail((text) => text === 'event: message_stop');
    tail.push(utf8('event: message_stop\n'));
    expect(tail.terminated).toBe(false);
    tail.push(utf8('data: {}'));
    expect(tail.terminated).toBe(false);
    tail.push(utf8('\n'));
    expect(tail.terminated).toBe(true);
  });

  test('keeps the last bytes only, however much goes by', () => {
    const tail = createSseTail(isDone);
    for (let at = 0; at < 2000; at += 1) tail.push(utf8(`data: ${at} ${'x'.repeat(500)}\n\n`));
    expect(tail.recent()).toContain('data: 1999 ');
    expect(tail.recent().length).toBeLessThanOrEqual(16_384);
  });
});
