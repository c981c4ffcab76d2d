import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { modules, root, wantedPackages } from './place.js';
import { RIC } from './ric-packages.js';

/** What makes aws-lambda-ric a built one. */
export const RIC_BINARY = 'rapid-client.node';

/** Begins the names of folders that a process works in, its id behind it: npm leaves names with a dot alone. */
export const SCRATCH = '.aws-lambda-ric-build-';
export const scratchFolder = () => join(modules, SCRATCH + process.pid);

/** Where the built package is kept beside its place: npm, adding others, puts the unbuilt one there again. */
export const keptRic = () => join(modules, `.aws-lambda-ric-${wantedPackages()[RIC]?.version}`);

/** Whoever writes there may not have noticed yet that it has been ended. @param {string} folder */
export const removeFolder = (folder) => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });

/**
 * Puts the aws-lambda-ric that is kept in its place, at once: nothing that runs from there notices.
 * @returns {boolean} whether a built one is there
 */
export const placeRic = () => {
  const place = join(root, RIC);
  const isThere = () => existsSync(join(place, RIC_BINARY));
  if (isThere() || !existsSync(keptRic())) return isThere();
  const scratch = scratchFolder();
  mkdirSync(scratch, { recursive: true });
  cpSync(keptRic(), join(scratch, 'placed'), { recursive: true });
  try {
    if (existsSync(place)) renameSync(place, join(scratch, 'replaced'));
    renameSync(join(scratch, 'placed'), place);
  } catch (error) {
    // Of two who do this at once, one comes too late.
    if (!isThere()) throw error;
  } finally {
    removeFolder(scratch);
  }
  return true;
};
