import { test } from '@jest/globals';
import { type Door, door } from './gateway.ts';

/**
 * `onlyOver(['url'], 'a container is never frozen')('the test', ...)` is `test` over that door; over others the test is
 * named as not run, with the reason.
 */
export const onlyOver =
  (wanted: readonly Door[], reason: string) =>
  (name: string, run: () => Promise<void>): void => {
    if (wanted.includes(door)) test(name, run);
    else test.skip(`${name} (only over ${wanted.join(' and ')}: ${reason})`, run);
  };
