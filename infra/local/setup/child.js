import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */

/** @type {NodeJS.Signals[]} */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/** Processes that end before this one does. @type {Set<(signal: NodeJS.Signals) => void>} */
const underWay = new Set();
/** @type {NodeJS.Signals | undefined} */
let asked;

/** As a shell says it of a process that a signal ended. */
const codeOf = (/** @type {NodeJS.Signals} */ signal) => 128 + constants.signals[signal];

for (const signal of SIGNALS) {
  process.on(signal, () => {
    asked ??= signal;
    if (underWay.size === 0) process.exit(codeOf(signal));
    for (const end of underWay) end(signal);
  });
}

// Whatever else ends this process.
process.on('exit', () => {
  for (const end of underWay) end('SIGTERM');
});

/** Whether a signal has asked this process to end while something ran. */
export const isAskedToEnd = () => asked !== undefined;

/** Ends this process if that is so. */
export const exitIfAsked = () => {
  if (asked) process.exit(codeOf(asked));
};

/**
 * While `finished` is awaited, a signal to this process goes to `end` and does nothing else.
 * @template T
 * @param {Promise<T>} finished @param {(signal: NodeJS.Signals) => void} end
 * @returns {Promise<T>}
 */
export const whileItRuns = (finished, end) => {
  underWay.add(end);
  return finished.finally(() => underWay.delete(end));
};

/**
 * Runs a program, which gets the signals that this process gets.
 *
 * @param {string} command @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 * @param {{ onStart?: (child: ChildProcess) => void, patienceMs?: number }} [more] how long it may take to end at a
 *   signal; for ever, if nothing is said
 * @returns {Promise<number>} its exit code
 */
export const run = (command, args, options, { onStart, patienceMs } = {}) => {
  const child = spawn(command, args, options);
  onStart?.(child);
  /** @type {Promise<number>} */
  const finished = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? codeOf(signal ?? 'SIGTERM')));
  });
  return whileItRuns(finished, (signal) => {
    child.kill(signal);
    if (patienceMs !== undefined) setTimeout(() => child.kill('SIGKILL'), patienceMs).unref();
  });
};
