import { describe, expect, test } from '@jest/globals';
import { createRepeats } from '../../../../lib/router/repeats.ts';

const setup = () => {
  const clock = { ms: 1_000_000 };
  const repeats = createRepeats({ now: () => clock.ms });
  const count = (conversationKey: string | undefined, promptTokens: number, model = 'm') =>
    repeats.count({ model, conversationKey, systemTokens: 0, promptTokens });
  return { clock, count };
};

describe('repeats of a key', () => {
  test('a conversation that grows is not one', () => {
    const { count } = setup();
    expect([10, 200, 400, 900].map((tokens) => count('c', tokens))).toEqual([0, 0, 0, 0]);
  });

  test('the same beginning again and again is', () => {
    const { count } = setup();
    expect([10, 10, 10, 10].map((tokens) => count('hello', tokens))).toEqual([0, 1, 2, 3]);
  });

  test('fades by half in 30 seconds, also while frozen', () => {
    const { clock, count } = setup();
    for (let i = 0; i < 9; i += 1) count('hello', 10);
    clock.ms += 30_000;
    expect(count('hello', 10)).toBeCloseTo(5);
    clock.ms += 3_600_000;
    expect(count('hello', 10)).toBeCloseTo(1);
  });

  test('is per model and key; no key has none', () => {
    const { count } = setup();
    count('hello', 10);
    expect(count('hello', 10, 'other')).toBe(0);
    expect(count('bye', 10)).toBe(0);
    expect([count(undefined, 10), count(undefined, 10)]).toEqual([0, 0]);
  });

  test('memory is bounded: a key not seen for long is forgotten', () => {
    const { count } = setup();
    count('hello', 10);
    count('hello', 10);
    for (let i = 0; i < 1000; i += 1) count(`key-${i}`, 10);
    expect(count('hello', 10)).toBe(0);
  });
});
