import { join } from 'node:path';
import { exitIfAsked, run } from './setup/child.js';
import { installPackages, isInstalled } from './setup/packages.js';
import { findNode, root } from './setup/place.js';
import { startProgress } from './setup/progress.js';
import { startRicBuild, wantsRic } from './setup/ric.js';

/**
 * `node infra/local/bootstrap.js [--soon] <script.ts> [arguments]`: runs a script of this project under its own Node 24,
 * installing first what is missing. Plain JavaScript without dependencies, all of it below `setup/`: on a fresh clone it
 * runs under whatever Node 20 or later is there.
 *
 * First the packages, Node 24 among them, then aws-lambda-ric, which takes a compiler a minute or more. With `--soon` the
 * script does not wait for what it can do without: on a fresh clone packages that only tests and checks need are left
 * out, and aws-lambda-ric is built beside the script once that says it is ready, and told when it is there.
 */

/** How long a script that is never ready keeps the build waiting. */
const READY_MS = 60_000;

/** An npm that was killed can pass no signal on. */
const endWithNpm = () => {
  const npmProcess = process.ppid;
  setInterval(() => process.ppid === npmProcess || process.exit(1), 500).unref();
};

if (process.env.npm_lifecycle_event) endWithNpm();
const since = Date.now();
const given = process.argv.slice(2);
const isSoon = given[0] === '--soon';
const [script, ...args] = isSoon ? given.slice(1) : given;

const wanted = { isDevWanted: !isSoon };
/** @param {string} why @returns {never} */
const giveUp = (why) => {
  console.error(why);
  process.exit(1);
};

if (!isInstalled(wanted)) await installPackages(wanted).catch(({ message }) => giveUp(message));
const node =
  findNode() ?? giveUp(`no Node 24 for ${process.platform}-${process.arch} on npm: install Node 24 yourself`);
if (!script) process.exit();

const isRicWanted = wantsRic();
if (isRicWanted && !isSoon) {
  const build = startRicBuild(node);
  const what = () => `Building aws-lambda-ric, Lambda's own runtime client, once: ${build.step()}`;
  const done = startProgress(what, { atOnce: true });
  await build.finished;
  done();
  exitIfAsked();
}

/** @type {import('./setup/ric.js').RicBuild | undefined} */
let build;

/** @param {import('node:child_process').ChildProcess} child */
const buildBeside = (child) => {
  const start = async () => {
    clearTimeout(latest);
    if (build || child.exitCode !== null || !child.connected) return;
    build = startRicBuild(node, { givesWay: true });
    const isBuilt = await build.finished;
    if (child.connected) child.send({ isRicBuilt: isBuilt, seconds: Math.round((Date.now() - since) / 1000) });
  };
  const latest = setTimeout(start, READY_MS).unref();
  child.on('message', (message) => message === 'ready' && start());
};

const isBeside = isRicWanted && isSoon;
process.exitCode = await run(
  node,
  ['--disable-warning=ExperimentalWarning', join(root, script), ...args],
  {
    cwd: root,
    env: { ...process.env, ...(isBeside && { RIC_IS_COMING: 'true' }) },
    // The channel tells the script when this process is gone, however that came.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  },
  { onStart: (child) => isBeside && buildBeside(child) },
);
await build?.end();
