import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where things of this project lie, and how npm is called there. */

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
export const modules = join(root, 'node_modules');
const bin = join(modules, '.bin');

/**
 * @typedef {object} LockedPackage an entry of a lock file
 * @property {string} [version]
 * @property {boolean} [dev]
 * @property {boolean} [optional]
 * @property {boolean} [devOptional]
 * @property {boolean} [link]
 * @property {string[]} [os]
 * @property {string[]} [cpu]
 * @property {string[]} [libc]
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [optionalDependencies]
 */

/**
 * @param {string} file a lock file; one that is missing or broken has no packages
 * @returns {Record<string, LockedPackage>} by path, `node_modules/...`
 */
export const packagesOf = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
  } catch {
    return {};
  }
};

/** What the project wants, by the path it goes to. */
export const wantedPackages = () => packagesOf(join(root, 'package-lock.json'));

/** @returns {string | undefined} the Node 24 that npm installed, else this one where it is new enough */
export const findNode = () => {
  const installed = join(bin, 'node');
  if (existsSync(installed)) return installed;
  return Number(process.versions.node.split('.')[0]) >= 24 ? process.execPath : undefined;
};

/**
 * @param {readonly string[]} args @param {string} node what npm runs under
 * @returns {[command: string, args: string[]]}
 */
export const npmUnder = (node, args) => {
  const cli = process.env.npm_execpath;
  return cli?.endsWith('.js') ? [node, [cli, ...args]] : ['npm', [...args]];
};

/** @returns {NodeJS.ProcessEnv} for npm and what it starts, under a Node that may not be the one on the PATH. @param {string} node */
export const envUnder = (node) => {
  const home = node === process.execPath ? node : join(modules, `node-linux-${process.arch}`, 'bin', 'node');
  const npm_config_nodedir = dirname(dirname(home));
  return { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}`, npm_config_nodedir };
};
