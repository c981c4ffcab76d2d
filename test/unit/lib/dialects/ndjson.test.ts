import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createLastLine, createLineEnds } from '../../../../lib/dialects/ndjson.ts';

const value = fc.oneof(
  fc.record({ response: fc.string({ unit: 'grapheme' }), done: fc.boolean() }),
  fc.constant({ response: '"done":true}\n{"done":true}' }),
);

describe('newline-delimited JSON seen from outside', () => {
  test('at every byte and in any chunks: the last line with something in it', () => {
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 5 }),
        fc.constantFrom('\n', '\r\n', '\n\n'),
        fc.array(fc.nat(), { maxLength: 6 }),
        (values, newline, cuts) => {
          const bytes = Buffer.from(values.map((one) => JSON.stringify(one) + newline).join(''));
          const starts = [...new Set(cuts.map((cut) => cut % bytes.length))].sort((a, b) => a - b);
          for (let end = 1; end <= bytes.length; end += 1) {
            const last = createLastLine();
            const places = [0, ...starts.filter((start) => start > 0 && start < end), end];
            for (let at = 1; at < places.length; at += 1) last.push(bytes.subarray(places[at - 1], places[at]));
            const soFar = bytes.subarray(0, end).toString();
            const expected = soFar.split('\n').findLast((line) => line.trim() !== '');
            expect([end, last.text()?.trimEnd()]).toEqual([end, expected?.trimEnd()]);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test('nothing yet: no last line', () => {
    expect(createLastLine().text()).toBeUndefined();
  });

  test('a last line of megabytes is not kept', () => {
    const last = createLastLine();
    for (let at = 0; at < 6; at += 1) last.push(Buffer.alloc(1024 * 1024, 'x'));
    expect(last.text()).toBeUndefined();
    last.push(Buffer.from('\n{"done":true}\n'));
    expect(last.text()).toBe('{"done":true}');
  });

  test('a line ends with its LF', () => {
    const endOf = createLineEnds();
    expect(['{"a', '":1}\n{', '}\r\n'].map((chunk) => endOf(Buffer.from(chunk)))).toEqual([-1, 5, 3]);
  });
});
