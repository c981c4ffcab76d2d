import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

/** @typedef {typeof import('../../lib/endpoints/index.ts')} EndpointTable */

/** @type {Promise<EndpointTable> | undefined} */
let read;

/**
 * The gateway's own table of endpoints. It is TypeScript, and osls runs on whatever Node the operator has: so it comes
 * as a bundle, in memory.
 * @returns {Promise<EndpointTable>}
 */
export const readEndpointTable = () => {
  read ??= (() => {
    const { outputFiles } = buildSync({
      entryPoints: [fileURLToPath(new URL('../../lib/endpoints/index.ts', import.meta.url))],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      mainFields: ['module', 'main'],
      logLevel: 'warning',
    });
    const [{ contents }] = /** @type {[import('esbuild').OutputFile]} */ (outputFiles);
    return import(`data:text/javascript;base64,${Buffer.from(contents).toString('base64')}`);
  })();
  return read;
};
