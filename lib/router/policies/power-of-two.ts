import type { Policy } from './policy.ts';

/**
 * Two workers by chance; the less loaded one takes the request. Both are equal, so it does not matter which one a tie
 * or a missing signal favours.
 * Source: M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001).
 */
export const powerOfTwo: Policy = {
  name: 'power-of-two',
  places(candidates, _hints, random) {
    const first = Math.floor(random() * candidates.length);
    const step = 1 + Math.floor(random() * (candidates.length - 1));
    const pair = candidates.length > 1 ? [first, (first + step) % candidates.length] : [first];
    return pair.flatMap((index, i) => {
      const worker = candidates[index];
      return worker ? [{ worker, penalty: 0, odds: i === 0 ? 1 : 0 }] : [];
    });
  },
};
