import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createNdjsonTail } from '../../../../lib/dialects/ndjson.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const value = fc.oneof(
  fc.record({ response: fc.string({ unit: 'grapheme' }), done: fc.boolean() }),
  fc.constant({ response: '"done":true}\n{"done":true}' }),
);

describe('newline-delimited JSON seen from outside', () => {
  test('at every byte and in any chunks: the last line, once it is whole, and whether it is ended', () => {
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 5 }),
        fc.constantFrom('\n', '\r\n', '\n\n'),
        fc.array(fc.nat(), { maxLength: 6 }),
        (values, newline, cuts) => {
          const lines = values.map((one) => utf8(JSON.stringify(one)));
          const bytes = Buffer.concat(lines.flatMap((line) => [line, utf8(newline)]));
          const starts = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b);
          for (let end = 1; end <= bytes.length; end += 1) {
            const tail = createNdjsonTail();
            const places = [0, ...starts.filter((start) => start > 0 && start < end), end];
            for (let at = 1; at < places.length; at += 1) tail.push(bytes.subarray(places[at - 1], places[at]));
            const soFar = bytes.subarray(0, end).toString('latin1');
            const last = soFar.split('\n').findLast((line) => line.trim() !== '') ?? '';
            let expected: unknown;
            try {
              expected = JSON.parse(Buffer.from(last, 'latin1').toString());
            } catch {
              expected = undefined;
            }
            expect([end, tail.atBoundary, tail.last()]).toEqual([end, soFar.endsWith('\n'), expected]);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test('nothing yet: at a boundary, and no last line', () => {
    const tail = createNdjsonTail();
    expect([tail.atBoundary, tail.last()]).toEqual([true, undefined]);
  });

  test('a last line of megabytes is not kept', () => {
    const tail = createNdjsonTail();
    for (let at = 0; at < 6; at += 1) tail.push(utf8('x'.repeat(1024 * 1024)));
    expect([tail.atBoundary, tail.last()]).toEqual([false, undefined]);
    tail.push(utf8('\n{"done":true}\n'));
    expect([tail.atBoundary, tail.last()]).toEqual([true, { done: true }]);
  });
});
