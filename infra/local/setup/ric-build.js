import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { modules, npmUnder } from './place.js';
import { NOT_BUILT, RIC, ricPackages } from './ric-packages.js';
import { keptRic, placeRic, RIC_BINARY, removeFolder, SCRATCH, scratchFolder } from './ric-place.js';

/**
 * Builds aws-lambda-ric in a folder of its own, from the locked packages, and moves it into `node_modules` when it is
 * whole: nothing that runs from there notices. Started by `ric.js` as leader of a process group; when the channel to its
 * parent closes, it ends the group.
 */

const LOG_LINES = 100;
const PATIENCE_MS = 2000;
/** Said by the package's own install scripts, in this order. */
const STEPS = ['curl', 'aws-lambda-cpp', 'native addon'];

const side = scratchFolder();
/** @type {string[]} */
const log = [];
let isEnding = false;

const isAlive = (/** @type {number} */ pid) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** @param {object} message */
const tell = (message) =>
  new Promise((resolve) => {
    if (process.connected) process.send?.(message, resolve);
    else resolve(undefined);
  });

const removeLeftOvers = () => {
  for (const name of readdirSync(modules)) {
    if (!name.startsWith(SCRATCH) || isAlive(Number(name.slice(SCRATCH.length)))) continue;
    removeFolder(join(modules, name));
  }
};

/** A project with nothing but aws-lambda-ric, locked as in ours. */
const prepare = () => {
  mkdirSync(side, { recursive: true });
  const packages = ricPackages();
  const dependencies = { 'aws-lambda-ric': packages.get(RIC)?.version ?? '' };
  const project = { name: 'aws-lambda-ric-build', private: true, dependencies };
  const required = [...packages].map(([path, { dev, optional, devOptional, ...entry }]) => [path, entry]);
  const lock = { lockfileVersion: 3, packages: { '': project, ...Object.fromEntries(required) } };
  writeFileSync(join(side, 'package.json'), JSON.stringify(project));
  writeFileSync(join(side, 'package-lock.json'), JSON.stringify(lock));
};

const install = () =>
  new Promise((resolve) => {
    const flags = ['--foreground-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', side];
    const child = spawn(...npmUnder(process.execPath, ['ci', ...flags]), {
      cwd: side,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        log.push(line);
        if (log.length > LOG_LINES) log.shift();
        const at = STEPS.findIndex((step) => line.startsWith(`Building ${step}`));
        if (at >= 0) tell({ step: `${STEPS[at]} (${at + 2} of ${STEPS.length + 1})` });
      });
    }
    child.once('error', (error) => {
      log.push(error.message);
      resolve(undefined);
    });
    child.once('close', resolve);
  });

/** What is whole is kept, and put in place from there. */
const moveIntoPlace = () => {
  const built = join(side, RIC);
  if (!existsSync(join(built, RIC_BINARY))) return false;
  try {
    renameSync(built, keptRic());
  } catch (error) {
    // Of two who build at once, one comes too late.
    if (!existsSync(keptRic())) throw error;
  }
  return placeRic();
};

const end = () => {
  isEnding = true;
  // The whole group, this process too, which lives on until npm is gone.
  process.kill(0, 'SIGTERM');
  setTimeout(() => {
    removeFolder(side);
    process.kill(0, 'SIGKILL');
  }, PATIENCE_MS).unref();
};

process.on('SIGTERM', () => undefined);
process.once('disconnect', end);
if (process.argv.includes('--gives-way')) setPriority(constants.priority.PRIORITY_LOW);
removeLeftOvers();
prepare();
await install();
try {
  const isBuilt = !isEnding && moveIntoPlace();
  if (!isBuilt && !isEnding) writeFileSync(NOT_BUILT, `${log.join('\n')}\n\nRemove this file to try again.\n`);
  await tell({ isBuilt });
} finally {
  removeFolder(side);
}
process.removeListener('disconnect', end);
if (process.connected) process.disconnect();
