import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createStopWatch } from '../../../../infra/local/demo-worker/text/stop-sequences.ts';

const run = (pieces: readonly string[], stops: readonly string[]) => {
  const watch = createStopWatch(stops);
  let shown = '';
  for (const piece of pieces) {
    const { text, met } = watch.push(piece);
    shown += text;
    if (met !== undefined) return { shown, met };
  }
  return { shown: shown + watch.flush(), met: undefined };
};

describe('stop sequences', () => {
  test('are met across pieces and never shown', () => {
    expect(run(['one t', 'wo th', 'ree'], ['two three'])).toEqual({ shown: 'one ', met: 'two three' });
  });

  test('hold back only what may become one', () => {
    const watch = createStopWatch(['END']);
    expect(watch.push('the E').text).toBe('the ');
    expect(watch.push('xit').text).toBe('Exit');
  });

  test('property: however the text is cut, it ends before the first stop sequence', () => {
    const letters = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 30 }).map((list) => list.join(''));
    const stops = fc.array(
      letters.filter((stop) => stop.length > 0 && stop.length < 4),
      { maxLength: 3 },
    );
    fc.assert(
      fc.property(
        letters,
        stops,
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 30, maxLength: 30 }),
        (text, stop, sizes) => {
          const pieces: string[] = [];
          for (let rest = text, i = 0; rest; i++) {
            pieces.push(rest.slice(0, sizes[i]));
            rest = rest.slice(sizes[i]);
          }
          const places = stop.map((sequence) => text.indexOf(sequence)).filter((at) => at !== -1);
          const { shown } = run(pieces, stop);
          if (places.length === 0) expect(shown).toBe(text);
          else {
            expect(text.startsWith(shown)).toBe(true);
            expect(stop.some((sequence) => shown.includes(sequence))).toBe(false);
            expect(stop.some((sequence) => text.startsWith(sequence, shown.length))).toBe(true);
          }
        },
      ),
    );
  });
});
