import { expect, test } from '@jest/globals';
import { readWish } from '../../../../lib/discovery/wish-time.ts';

const at = Date.UTC(2026, 10, 25, 23, 40, 0);

test.each([
  ['2026-11-25T23:40:00.000Z', at],
  ['2026-11-26T00:40:00+01:00', at],
  [String(at / 1000), at],
  [`${at / 1000}.250\n`, at + 250],
  [String(at), at],
  ['', undefined],
  ['now', undefined],
])('%j is %p', (text, time) => {
  expect(readWish(text)).toBe(time);
});
