import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `node infra/local/bootstrap.js <script.ts> [arguments]`: runs a script of this project under its own Node 24,
 * installing first what is missing. Plain JavaScript without dependencies: on a fresh clone it runs under whatever
 * Node 20 or later is there.
 *
 * Two stages, because npm under Node 20 silently leaves out optional packages that want Node 22: first everything
 * else (Node 24 among it), then, under Node 24, `aws-lambda-ric`, which also needs a compiler.
 */

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const modules = join(root, 'node_modules');
const bin = join(modules, '.bin');
/** Left by a build of the RIC that failed although its tools are there: not tried again on every start. */
const gaveUp = join(modules, '.aws-lambda-ric-not-built');
const RIC = 'node_modules/aws-lambda-ric';
const RIC_TOOLS = ['g++', 'make', 'cmake', 'python3', 'xz', 'tar'];

/** @param {string} file @returns {Record<string, { version?: string, optional?: boolean, link?: boolean }>} */
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

/**
 * @param {string} command @param {string[]} args @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<number>} its exit code
 */
const run = (command, args, env = process.env) =>
  new Promise((resolve, reject) => {
    // The channel tells the script when this process is gone, however that came.
    const child = spawn(command, args, { cwd: root, env, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
    /** @type {NodeJS.Signals[]} */
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, () => child.kill(signal));
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 143)));
  });

/** @param {string[]} args @param {string} node @param {NodeJS.ProcessEnv} [env] */
const npm = (args, node = process.execPath, env = process.env) => {
  const cli = process.env.npm_execpath;
  return cli?.endsWith('.js') ? run(node, [cli, ...args], env) : run('npm', args, env);
};

const installPackages = async () => {
  const [command, ...flags] = existsSync(modules) ? ['install', '--no-save'] : ['ci'];
  console.error('Installing what is missing (about a minute the first time) ...');
  const code = await npm([/** @type {string} */ (command), ...flags, '--no-audit', '--no-fund', '--loglevel=error']);
  if (code !== 0) throw new Error(`npm ${command} failed with exit code ${code}`);
};

/** @param {string} node */
const installRic = async (node) => {
  const listed = RIC in packagesOf(join(root, 'package-lock.json'));
  if (!listed || process.platform !== 'linux' || existsSync(join(root, RIC, 'rapid-client.node'))) return;
  if (RIC_TOOLS.some((tool) => !onPath(tool)) || (existsSync(gaveUp) && process.env.CI !== 'true')) return;
  console.error('Building aws-lambda-ric, the real Lambda runtime client (about a minute, once) ...');
  const headers = dirname(
    dirname(node === process.execPath ? node : join(modules, `node-linux-${process.arch}`, 'bin', 'node')),
  );
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, npm_config_nodedir: headers };
  await npm(['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'], node, env);
  if (!existsSync(join(root, RIC, 'rapid-client.node'))) {
    writeFileSync(gaveUp, 'Remove this file to try again.\n');
  }
};

/** An npm that was killed can pass no signal on. */
const endWithNpm = () => {
  const npmProcess = process.ppid;
  setInterval(() => process.ppid === npmProcess || process.exit(1), 500).unref();
};

if (process.env.npm_lifecycle_event) endWithNpm();
const [script = '', ...args] = process.argv.slice(2);
if (!isInstalled()) await installPackages();
const node = findNode();
if (!node) throw new Error(`no Node 24 for ${process.platform}-${process.arch} on npm: install Node 24 yourself`);
await installRic(node);
process.exitCode = await run(node, ['--disable-warning=ExperimentalWarning', join(root, script), ...args]);
