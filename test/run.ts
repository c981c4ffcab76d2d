import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from '../infra/build.js';

/** `npm test`: bundles the functions as for deployment, then runs jest with whatever arguments were given. */
const root = fileURLToPath(new URL('..', import.meta.url));

await build();
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
// ESM in jest needs the flag; some dependencies (middy) are ESM only.
const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
const child = spawn(process.execPath, [...flags, jest, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
child.once('exit', (code, signal) => {
  process.exitCode = signal ? 1 : (code ?? 1);
});
