import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { buildAll } from '../infra/build.js';

/**
 * `npm test`: bundles the functions as for deployment, then runs jest. Without arguments, in four parts: the unit tests
 * over both cores, then everything that starts functions as processes of their own, one file at a time: those tests
 * keep time limits, and two of them at once would only measure each other; then what the REST
 * API's payload has to show, and the suites of all doors once more over the container. Arguments go to one jest as they are.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
// ESM in jest needs the flag; some dependencies (middy) are ESM only.
const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];

interface Part {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What every door of docs/contract.md 12 has to show. Over another door one process serves all of it, so two files at once do. */
const SUITES_OF_ALL_DOORS = [
  'cors',
  'endpoints',
  'errors',
  'keep-alive',
  'keys',
  'models',
  'node-header',
  'stream-endings',
  'streaming',
  'unnamed',
  'uploads',
];

/** What the REST API's payload has to show: behind it are the same functions, and all suites pass over it by hand. */
const SUITES_OF_PAYLOADS = ['cors', 'endpoints', 'keys'];
const suites = (names: readonly string[]) => `test/integration/(${names.join('|')})\\.test`;

let stopped = false;
const run = ({ args, env }: Part): Promise<number> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [...flags, jest, ...args], {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, ...env },
    });
    const stop = (signal: NodeJS.Signals) => {
      stopped = true;
      child.kill(signal);
    };
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop);
    child.once('exit', (code, signal) => resolve(signal ? 1 : (code ?? 1)));
  });

await buildAll();
const given = process.argv.slice(2);
const parts: readonly Part[] =
  given.length > 0
    ? [{ args: given }]
    : [
        { args: ['test/unit'] },
        { args: ['--runInBand', 'test/(contract|integration|clients)'] },
        { args: ['--runInBand', suites(SUITES_OF_PAYLOADS)], env: { DOOR: 'rest' } },
        { args: [suites(SUITES_OF_ALL_DOORS)], env: { DOOR: 'container' } },
      ];
const codes: number[] = [];
for (const part of parts) if (!stopped) codes.push(await run(part));
process.exitCode = codes.length === parts.length && codes.every((code) => code === 0) ? 0 : 1;
