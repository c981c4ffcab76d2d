import { deepEqual } from 'node:assert/strict';

/** What the scripts beside this file share; it is copied with them to where their packages are installed. */
const { ORIGIN = '', KEY = '', PICTURE: picture = '', SAID = '' } = process.env;

export { KEY, ORIGIN, SAID };
export const PICTURE = Buffer.from(picture, 'base64');
export const equal = deepEqual;

/** @param {string} text @param {RegExp} pattern */
export const match = (text, pattern) => {
  if (!pattern.test(text)) throw new Error(`${JSON.stringify(text)} does not match ${pattern}`);
};

/** @param {() => Promise<unknown>} run @param {RegExp} pattern of its error. */
export const throws = async (run, pattern) => {
  const error = await run().then(
    () => undefined,
    (/** @type {Error & { responseBody?: string }} */ thrown) => thrown,
  );
  if (!error) throw new Error('nothing was thrown');
  match(`${error.message} ${error.responseBody ?? ''} ${JSON.stringify(error)}`, pattern);
};

/** @param {string} name @param {() => Promise<unknown>} run */
export const check = async (name, run) => {
  try {
    await run();
    console.log(`  works   ${name}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`  FAILED  ${name}: ${String(error instanceof Error ? error.stack : error).slice(0, 900)}`);
  }
};
