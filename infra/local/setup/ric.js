import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { whileItRuns } from './child.js';
import { envUnder, root, wantedPackages } from './place.js';
import { NOT_BUILT, RIC } from './ric-packages.js';
import { placeRic } from './ric-place.js';

const builder = fileURLToPath(new URL('ric-build.js', import.meta.url));
const TOOLS = ['g++', 'make', 'cmake', 'python3', 'xz', 'tar'];

/** @param {string} program */
const onPath = (program) =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));

/** Whether aws-lambda-ric can and should be built here; one that was is put in place. */
export const wantsRic = () =>
  RIC in wantedPackages() &&
  process.platform === 'linux' &&
  !placeRic() &&
  TOOLS.every(onPath) &&
  (!existsSync(NOT_BUILT) || process.env.CI === 'true');

/**
 * @typedef {object} RicBuild
 * @property {Promise<boolean>} finished whether it is built
 * @property {() => string} step what it is at: `curl (2 of 4)`
 * @property {() => Promise<void>} end resolves when nothing of it is left
 */

/**
 * Starts the build of aws-lambda-ric (`ric-build.js`): a group of processes of its own, for a compiler has many, which
 * ends with this process, however that ends.
 *
 * @param {string} node @param {{ givesWay?: boolean }} [options] whether it leaves the processor to others
 * @returns {RicBuild}
 */
export const startRicBuild = (node, { givesWay = false } = {}) => {
  const child = spawn(node, [builder, ...(givesWay ? ['--gives-way'] : [])], {
    cwd: root,
    env: envUnder(node),
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    detached: true,
  });
  let step = 'its packages';
  let isBuilt = false;
  child.on('message', (/** @type {{ step?: string, isBuilt?: boolean }} */ message) => {
    step = message.step ?? step;
    isBuilt = message.isBuilt ?? isBuilt;
  });
  /** @type {Promise<boolean>} */
  const finished = new Promise((resolve) => {
    child.once('error', () => resolve(false));
    child.once('exit', () => resolve(isBuilt));
  });
  const end = () => {
    if (child.connected) child.disconnect();
  };
  return {
    finished: whileItRuns(finished, end),
    step: () => step,
    async end() {
      end();
      await finished;
    },
  };
};
