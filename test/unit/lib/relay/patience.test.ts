import { describe, expect, test } from '@jest/globals';
import { patience, type Silence, shortestSilence } from '../../../../lib/relay/patience.ts';

const limits = { idleMs: 60_000, keepAliveMs: 10_000 };
const silence = (workerMs: number, more: Partial<Silence> = {}): Silence => ({
  workerMs,
  clientMs: workerMs,
  isOver: false,
  isBetween: true,
  ...more,
});

/** docs/contract.md 6, "A silent worker". */
describe('what a silence calls for', () => {
  test.each([
    ['nothing yet', silence(4000), limits, 'wait', 6000],
    ['the client has waited long enough', silence(10_000), limits, 'keep-alive', 10_000],
    ['it has just been told', silence(10_500, { clientMs: 500 }), limits, 'wait', 9500],
    ['it has waited longer than this silence lasts', silence(3000, { clientMs: 11_000 }), limits, 'keep-alive', 10_000],
    ['inside an event', silence(20_000, { isBetween: false }), limits, 'wait', 40_000],
    ['clients that take no keep-alive', silence(20_000), { ...limits, keepAliveMs: undefined }, 'wait', 40_000],
    ['the last keep-alive before the limit', silence(55_000), limits, 'keep-alive', 5000],
    ['the limit, on a beat', silence(60_000), limits, 'idle', 60_000],
    ['after the marker', silence(500, { isOver: true }), limits, 'wait', 1500],
    ['after the marker, and nothing came', silence(2000, { isOver: true }), limits, 'leave', 60_000],
    [
      'after the marker, under a shorter limit',
      silence(100, { isOver: true }),
      { ...limits, idleMs: 250 },
      'wait',
      150,
    ],
  ] as const)('%s', (_, given, by, act, forMs) => {
    expect(patience(given, by)).toEqual({ act, forMs });
  });

  test.each([
    [limits, 2000],
    [{ ...limits, keepAliveMs: 500 }, 500],
    [{ ...limits, idleMs: 300 }, 300],
    [{ idleMs: 60_000, keepAliveMs: undefined }, 2000],
  ])('with %j none is shorter than %i ms', (by, shortest) => {
    expect(shortestSilence(by)).toBe(shortest);
  });
});
