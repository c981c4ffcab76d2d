import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `node infra/local/bootstrap.js [--ric-meanwhile] <script.ts> [arguments]`: runs a script of this project under its
 * own Node 24, installing first what is missing. Plain JavaScript without dependencies: on a fresh clone it runs under
 * whatever Node 20 or later is there.
 *
 * Three stages, because npm under Node 20 silently leaves out optional packages that want Node 22: everything else (Node
 * 24 among it); then, under Node 24, `aws-lambda-ric` and what it needs, unbuilt; then its build, which takes a compiler
 * a minute or more. With `--ric-meanwhile` the script runs during the build, and is told in a message when it is over.
 */

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const modules = join(root, 'node_modules');
const bin = join(modules, '.bin');
/** Left by a build of the RIC that failed although its tools are there: not tried again on every start. */
const gaveUp = join(modules, '.aws-lambda-ric-not-built');
const RIC = 'node_modules/aws-lambda-ric';
const RIC_BINARY = join(root, RIC, 'rapid-client.node');
const QUIET = ['--no-audit', '--no-fund', '--loglevel=error'];
const RIC_TOOLS = ['g++', 'make', 'cmake', 'python3', 'xz', 'tar'];

/** @param {string} file @returns {Record<string, { version?: string, optional?: boolean, link?: boolean, os?: string[], cpu?: string[] }>} */
const packagesOf = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  } catch {
    return {};
  }
};

/** Whether every required package of the lock file is there, in its version. */
const isInstalled = () => {
  const present = packagesOf(join(modules, '.package-lock.json'));
  return Object.entries(packagesOf(join(root, 'package-lock.json'))).every(
    ([path, { version, optional, link }]) =>
      !path.startsWith('node_modules/') || optional || link || present[path]?.version === version,
  );
};

/** @returns {string | undefined} the Node 24 that npm installed, else this one where it is new enough */
const findNode = () => {
  const installed = join(bin, 'node');
  if (existsSync(installed)) return installed;
  return Number(process.versions.node.split('.')[0]) >= 24 ? process.execPath : undefined;
};

/** @param {string} program */
const onPath = (program) =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));

/** @type {NodeJS.Signals[]} */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * @param {string} command @param {string[]} args @param {{ env?: NodeJS.ProcessEnv, onStart?: (child: import('node:child_process').ChildProcess) => void }} [options]
 * @returns {Promise<number>} its exit code
 */
const run = (command, args, { env = process.env, onStart } = {}) =>
  new Promise((resolve, reject) => {
    // The channel tells the script when this process is gone, however that came.
    const child = spawn(command, args, { cwd: root, env, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
    for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
    onStart?.(child);
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });

/** @param {string[]} args @param {string} node @returns {[string, string[]]} how npm is called under a Node */
const npmUnder = (args, node) => {
  const cli = process.env.npm_execpath;
  return cli?.endsWith('.js') ? [node, [cli, ...args]] : ['npm', args];
};

/** @returns {NodeJS.ProcessEnv} for npm under a Node that is not the one on the PATH. @param {string} node */
const envUnder = (node) => {
  const home = node === process.execPath ? node : join(modules, `node-linux-${process.arch}`, 'bin', 'node');
  const npm_config_nodedir = dirname(dirname(home));
  return { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, npm_config_nodedir };
};

/**
 * Says every now and then how far something is: over itself in a terminal, every five seconds elsewhere.
 * @param {() => string} what @returns {() => void} ends it
 */
const progress = (what) => {
  const since = Date.now();
  const { isTTY } = process.stderr;
  const say = () => {
    const text = `${what()}, ${Math.round((Date.now() - since) / 1000)} s`;
    process.stderr.write(isTTY ? `\r\x1b[K${text}` : `${text}\n`);
  };
  say();
  const timer = setInterval(say, isTTY ? 500 : 5000);
  return () => {
    clearInterval(timer);
    say();
    if (isTTY) process.stderr.write('\n');
  };
};

/** @param {string} folder */
const foldersOf = (folder) => (existsSync(folder) ? readdirSync(folder).filter((name) => !name.startsWith('.')) : []);

/** @returns {number} packages that lie in `node_modules`: their folders come first, empty. */
const installedSoFar = () =>
  foldersOf(modules)
    .flatMap((name) => (name.startsWith('@') ? foldersOf(join(modules, name)).map((one) => join(name, one)) : [name]))
    .filter((name) => existsSync(join(modules, name, 'package.json'))).length;

/** @returns {number} how many of them there are to be here: packages of other platforms are left out. */
const packagesToInstall = () =>
  Object.entries(packagesOf(join(root, 'package-lock.json'))).filter(
    ([path, { os, cpu }]) =>
      /^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path) &&
      (!os || os.includes(process.platform)) &&
      (!cpu || cpu.includes(process.arch)),
  ).length;

const installPackages = async () => {
  const [command = '', ...flags] = existsSync(modules) ? ['install', '--no-save'] : ['ci'];
  const total = packagesToInstall();
  const done = progress(() => `Installing packages: ${installedSoFar()} of about ${total}`);
  // No package needs a script of its own to be used but aws-lambda-ric, whose comes last.
  const code = await run(...npmUnder([command, ...flags, '--ignore-scripts', ...QUIET], process.execPath));
  done();
  if (code !== 0) throw new Error(`npm ${command} failed with exit code ${code}`);
};

/** Whether aws-lambda-ric can and should be built here. */
const wantsRic = () =>
  RIC in packagesOf(join(root, 'package-lock.json')) &&
  process.platform === 'linux' &&
  !existsSync(RIC_BINARY) &&
  RIC_TOOLS.every(onPath) &&
  (!existsSync(gaveUp) || process.env.CI === 'true');

/** Puts aws-lambda-ric in place, unbuilt. @param {string} node */
const placeRic = async (node) => {
  if (existsSync(join(root, RIC, 'package.json'))) return;
  const done = progress(() => 'Installing the sources of aws-lambda-ric, the real Lambda runtime client');
  await run(...npmUnder(['install', '--no-save', '--ignore-scripts', ...QUIET], node), { env: envUnder(node) });
  done();
};

/**
 * Builds aws-lambda-ric where it lies. It is a group of processes of its own, which ends with this one.
 * @param {string} node @param {boolean} givesWay whether somebody else waits for the processor
 * @returns {Promise<boolean>} whether it is built
 */
const buildRic = (node, givesWay) =>
  new Promise((resolve) => {
    const [command, args] = npmUnder(['rebuild', 'aws-lambda-ric', ...QUIET], node);
    const child = spawn(command, args, { cwd: root, env: envUnder(node), stdio: 'ignore', detached: true });
    if (child.pid && givesWay) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    const end = () => {
      try {
        if (child.pid && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
      } catch {
        // It has just ended by itself.
      }
    };
    process.once('exit', end);
    for (const signal of SIGNALS) process.once(signal, end);
    child.once('error', () => resolve(false));
    child.once('exit', (_code, signal) => {
      const isBuilt = existsSync(RIC_BINARY);
      if (!isBuilt && signal === null) writeFileSync(gaveUp, 'Remove this file to try again.\n');
      resolve(isBuilt);
    });
  });

/** An npm that was killed can pass no signal on. */
const endWithNpm = () => {
  const npmProcess = process.ppid;
  setInterval(() => process.ppid === npmProcess || process.exit(1), 500).unref();
};

/** @type {NodeJS.Signals | undefined} */
let askedToEnd;
for (const signal of SIGNALS) {
  process.once(signal, () => {
    askedToEnd ??= signal;
  });
}
/** What was being done has been ended by the same signal; what would come next must not begin. */
const endIfAsked = () => askedToEnd && process.exit(askedToEnd === 'SIGINT' ? 130 : 143);

if (process.env.npm_lifecycle_event) endWithNpm();
const given = process.argv.slice(2);
const isMeanwhile = given[0] === '--ric-meanwhile' && process.env.CI !== 'true';
const [script = '', ...args] = given.filter((argument, at) => at > 0 || argument !== '--ric-meanwhile');
if (!isInstalled()) await installPackages().finally(endIfAsked);
const node = findNode();
if (!node) throw new Error(`no Node 24 for ${process.platform}-${process.arch} on npm: install Node 24 yourself`);
const isWanted = wantsRic();
if (isWanted) await placeRic(node).finally(endIfAsked);
if (isWanted && !isMeanwhile) {
  const done = progress(() => 'Building aws-lambda-ric, the real Lambda runtime client (once; a minute or two)');
  await buildRic(node, false);
  done();
  endIfAsked();
}
process.exitCode = await run(node, ['--disable-warning=ExperimentalWarning', join(root, script), ...args], {
  env: isWanted && isMeanwhile ? { ...process.env, RIC_IS_COMING: 'true' } : process.env,
  onStart: (child) => {
    if (!isWanted || !isMeanwhile) return;
    buildRic(node, true).then((isBuilt) => child.connected && child.send({ isRicBuilt: isBuilt }));
  },
});
// A build that nobody waits for any more ends with this process.
process.exit();
