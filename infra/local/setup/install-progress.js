import { existsSync } from 'node:fs';

/**
 * How far an installation is, from what npm says at `--loglevel=http` and from what lies there.
 *
 * @param {readonly string[]} manifests of the packages that are to come
 */
export const createInstallProgress = (manifests) => {
  const total = manifests.length;
  let found = 0;
  let fetched = 0;
  /** @type {string[]} */
  const errors = [];
  return {
    /** What npm said besides: why it failed. */
    errors,
    /** @param {string} line of npm's stderr */
    read(line) {
      if (/^npm http fetch GET 200 .*\.tgz /.test(line)) fetched += 1;
      else if (line.startsWith('npm http fetch GET 200 ')) found += 1;
      else if (!/^npm (?:http|warn|notice)\b/.test(line)) errors.push(line);
    },
    text() {
      const unpacked = manifests.filter(existsSync).length;
      // What npm has in its cache it does not fetch.
      const have = Math.min(total, Math.max(fetched, unpacked));
      return `Installing ${total} packages: ${Math.min(total, Math.max(found, have))} found, ${have} fetched, ${unpacked} unpacked`;
    },
  };
};
