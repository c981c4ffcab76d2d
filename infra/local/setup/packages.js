import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { exitIfAsked, isAskedToEnd, run } from './child.js';
import { createInstallProgress } from './install-progress.js';
import { envUnder, findNode, modules, npmUnder, packagesOf, root, wantedPackages } from './place.js';
import { startProgress } from './progress.js';
import { ricPackages } from './ric-packages.js';

/** npm writes it when all is there. */
const FINISHED = join(modules, '.package-lock.json');
/** There while packages are added to those that are there: an end in the middle leaves some of them halves. */
const UNFINISHED = join(modules, '.unfinished');

const ROLL_BACK_MS = 5000;

const installed = () => (existsSync(UNFINISHED) ? {} : packagesOf(FINISHED));

/** @param {{ isDevWanted: boolean }} options @returns {boolean} whether every required package is there, in its version */
export const isInstalled = ({ isDevWanted }) => {
  const present = installed();
  return Object.entries(wantedPackages()).every(
    ([path, { version, optional, link, dev, devOptional }]) =>
      !path.startsWith('node_modules/') ||
      optional ||
      link ||
      ((dev || devOptional) && !isDevWanted) ||
      present[path]?.version === version,
  );
};

/**
 * @param {{ isDevWanted: boolean, isOldNode: boolean }} options whether npm runs under a Node that aws-lambda-ric does not want
 * @returns {string[]} the manifests that will be there, those of other platforms left out
 */
const manifestsToCome = ({ isDevWanted, isOldNode }) => {
  const ofRic = new Set(isOldNode ? ricPackages().keys() : []);
  return Object.entries(wantedPackages())
    .filter(
      ([path, { os, cpu, libc, link, dev, devOptional, optional }]) =>
        path.startsWith('node_modules/') &&
        !link &&
        (isDevWanted || !dev) &&
        !(optional && ofRic.has(path)) &&
        !(devOptional && isOldNode && !isDevWanted) &&
        (!libc || libc.includes('glibc')) &&
        (!os || os.includes(process.platform)) &&
        (!cpu || cpu.includes(process.arch)),
    )
    .map(([path]) => join(root, path, 'package.json'));
};

/**
 * Installs what the lock file names, and what is there already stays.
 *
 * No package's scripts run: none needs its own to be used, but aws-lambda-ric, which is built apart.
 *
 * @param {{ isDevWanted: boolean }} options whether packages are wanted that only tests and checks need
 * @throws {Error} when npm fails.
 */
export const installPackages = async ({ isDevWanted }) => {
  const present = installed();
  const isFresh = Object.keys(present).length === 0;
  // A tree that has them would lose them.
  const isDev = isDevWanted || Object.values(present).some(({ dev }) => dev);
  const command = isFresh ? ['ci'] : ['install', '--no-save'];
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=http', ...(isDev ? [] : ['--omit=dev'])];
  // `npm ci` begins by emptying node_modules. Under Node 20 npm takes aws-lambda-ric away, which wants 22.
  const node = isFresh ? process.execPath : (findNode() ?? process.execPath);
  const isOldNode = node === process.execPath && Number(process.versions.node.split('.')[0]) < 22;
  const manifests = manifestsToCome({ isDevWanted: isDev, isOldNode });
  const { read, text, errors } = createInstallProgress(manifests);
  const done = startProgress(text, { atOnce: true });
  if (!isFresh) writeFileSync(UNFINISHED, '');
  // npm takes its time to take back what it has added; where all of it is new, that is done faster here.
  const patienceMs = isFresh ? 0 : ROLL_BACK_MS;
  const env = node === process.execPath ? process.env : envUnder(node);
  const code = await run(
    ...npmUnder(node, [...command, ...flags]),
    { cwd: root, env, stdio: ['ignore', 'ignore', 'pipe'] },
    { onStart: ({ stderr }) => stderr && createInterface({ input: stderr }).on('line', read), patienceMs },
  );
  done();
  if (isFresh && code !== 0 && isAskedToEnd()) rmSync(modules, { recursive: true, force: true, maxRetries: 5 });
  exitIfAsked();
  if (code !== 0) throw new Error(`npm ${command[0]} failed with exit code ${code}:\n${errors.join('\n')}`);
  rmSync(UNFINISHED, { force: true });
};
