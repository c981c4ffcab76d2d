import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { ConfigError, parseConfig } from '../../lib/config.ts';
import { buildServer } from '../build.js';
import { functionEnv } from './function-env.ts';

/**
 * `npm run serve`: builds the container door and runs it on this machine, as its image does, until it is told to stop.
 * It finds credentials by itself, as the AWS SDK does.
 */
const serve = async () => {
  const { env } = process;
  const config = parseConfig(env);
  if (!config.workers && !config.ssmPrefix) {
    throw new ConfigError('LOCALAI_WORKERS', 'is needed: it says which workers to serve from (or GATEWAY_SSM_PREFIX)');
  }
  const [server] = await buildServer();
  Object.assign(env, functionEnv(env));
  createRequire(import.meta.url)(server?.file ?? fileURLToPath(import.meta.url));
};

serve().catch((error: Error) => {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
});
