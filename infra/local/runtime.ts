import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What runs a bundle: `ric`, AWS's own runtime client (`aws-lambda-ric`), or `client`, our small one. */
export type Runtime = 'ric' | 'client';

const ownClient = fileURLToPath(new URL('runtime-client.ts', import.meta.url));

/** @returns the entry file of `aws-lambda-ric`, or undefined where it is missing or its native part was not built. */
export const findRic = (): string | undefined => {
  try {
    const folder = dirname(createRequire(import.meta.url).resolve('aws-lambda-ric/package.json'));
    return existsSync(join(folder, 'rapid-client.node')) ? join(folder, 'index.mjs') : undefined;
  } catch {
    return undefined;
  }
};

/** @returns the real client where there is one. */
export const defaultRuntime = (): Runtime => (findRic() ? 'ric' : 'client');

/** @throws {Error} when the real client is asked for and not there. */
export const runtimeEntry = (runtime: Runtime): string => {
  if (runtime === 'client') return ownClient;
  const entry = findRic();
  if (!entry) throw new Error('aws-lambda-ric is not installed: it needs Linux, g++, make, cmake, python3, xz and tar');
  return entry;
};
