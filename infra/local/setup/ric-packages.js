import { join } from 'node:path';
import { modules, wantedPackages } from './place.js';

/** @typedef {import('./place.js').LockedPackage} LockedPackage */

export const RIC = 'node_modules/aws-lambda-ric';
/** Left by a build that failed although its tools are there, with its last words: not tried again on every start. */
export const NOT_BUILT = join(modules, '.aws-lambda-ric-not-built');

/**
 * Where a package at `path` finds its dependency: in the nearest `node_modules` above it.
 * @param {Record<string, LockedPackage>} packages @param {string} path @param {string} name
 */
const resolve = (packages, path, name) => {
  const above = path.split('/node_modules/');
  for (let depth = above.length; depth > 0; depth -= 1) {
    const candidate = [...above.slice(0, depth), name].join('/node_modules/');
    if (Object.hasOwn(packages, candidate)) return candidate;
  }
  return `node_modules/${name}`;
};

/** @returns {Map<string, LockedPackage>} aws-lambda-ric and all it needs, as they are locked; nothing where it is not */
export const ricPackages = () => {
  const packages = wantedPackages();
  /** @type {Map<string, LockedPackage>} */
  const found = new Map();
  const add = (/** @type {string} */ path) => {
    const entry = packages[path];
    if (!entry || found.has(path)) return;
    found.set(path, entry);
    for (const name of Object.keys({ ...entry.dependencies, ...entry.optionalDependencies })) {
      add(resolve(packages, path, name));
    }
  };
  add(RIC);
  return found;
};
