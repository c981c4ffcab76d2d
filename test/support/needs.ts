import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe } from '@jest/globals';
import { findRic } from '../../infra/local/runtime.ts';

/** What npm alone cannot bring to every machine: it needs a compiler, or a Debian package. */
export type Need = 'aws-lambda-ric' | 'pocketsphinx' | 'haproxy';

const PROGRAMS = { pocketsphinx: 'pocketsphinx_continuous', haproxy: 'haproxy' };
/** `/usr/sbin` is not in every user's PATH. */
const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin'];

/** @returns whether this machine has it. */
export const has = (need: Need): boolean =>
  need === 'aws-lambda-ric'
    ? findRic() !== undefined
    : folders.some((folder) => existsSync(join(folder, PROGRAMS[need])));

/**
 * `needs('haproxy')('the sidecar', () => { ... })` is `describe` where the machine has it; elsewhere the tests are
 * named as not run, with the reason.
 */
export const needs =
  (...wanted: Need[]) =>
  (name: string, tests: () => void): void => {
    const missing = wanted.filter((need) => !has(need));
    if (missing.length) describe.skip(`${name} (needs ${missing.join(', ')})`, tests);
    else describe(name, tests);
  };
