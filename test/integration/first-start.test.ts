import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Runner, startRunner } from '../support/runner.ts';
import { until } from '../support/until.ts';

/** What `bootstrap.js` does on a fresh clone, in a project of three packages, with a stand-in for npm. */

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const TOOLS = ['g++', 'make', 'cmake', 'python3', 'xz', 'tar'];
const PACKAGES = {
  'node_modules/needed': { version: '1.0.0' },
  'node_modules/for-tests': { version: '1.0.0', dev: true },
  'node_modules/aws-lambda-ric': { version: '4.0.2', optional: true, dependencies: { gyp: '1' } },
  'node_modules/aws-lambda-ric/node_modules/gyp': { version: '1.0.0', optional: true },
};

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'first-start-'));
  for (const path of ['bootstrap.js', 'setup']) {
    cpSync(here(`../../infra/local/${path}`), join(root, 'infra', 'local', path), { recursive: true });
  }
  cpSync(here('../fixtures/beside.ts'), join(root, 'beside.ts'));
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: PACKAGES }));
  mkdirSync(join(root, 'tools'));
  for (const tool of TOOLS) {
    writeFileSync(join(root, 'tools', tool), '');
    chmodSync(join(root, 'tools', tool), 0o755);
  }
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const start = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Runner =>
  startRunner([join(root, 'infra', 'local', 'bootstrap.js'), ...args], {
    npm_execpath: here('../fixtures/npm.js'),
    NOTES: root,
    PATH: `${process.env.PATH}${delimiter}${join(root, 'tools')}`,
    ...env,
  });

/** What npm was called for so far. */
const calls = () => readFileSync(join(root, 'npm.log'), 'utf8').trim().split('\n');
const isThere = (path: string) => existsSync(join(root, 'node_modules', path));
const sideFolders = () => readdirSync(join(root, 'node_modules')).filter((name) => name.includes('-ric-build-'));

/** Waits until npm stands still, @returns whether it and its compiler are still there. */
const untilItStops = async () => {
  expect(await until(() => existsSync(join(root, 'pids')) && readFileSync(join(root, 'pids'), 'utf8') !== '')).toBe(
    true,
  );
  const pids = readFileSync(join(root, 'pids'), 'utf8').split(' ').map(Number);
  rmSync(join(root, 'pids'));
  return () =>
    pids.some((pid) => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    });
};

describe('the first start', () => {
  it('installs what it needs, says how far it is, and builds aws-lambda-ric beside the script', async () => {
    await using runner = start(['--soon', 'beside.ts']);
    await runner.printed('told');
    expect(calls()).toEqual([
      expect.stringMatching(/^install ci --ignore-scripts .*--omit=dev$/),
      expect.stringMatching(/^build ci --foreground-scripts/),
    ]);
    expect(runner.output()).toMatch(/^Installing 3 packages: 0 found, 0 fetched, 0 unpacked, 0 s$/m);
    expect(runner.output()).toMatch(/^Installing 3 packages: 3 found, 3 fetched, 3 unpacked, \d s$/m);
    expect(runner.output()).toContain('runs, built false, coming true');
    expect(runner.output()).toMatch(/told {"isRicBuilt":true,"seconds":\d+}, built true/);
    expect([isThere('for-tests'), isThere('aws-lambda-ric/node_modules/gyp'), sideFolders()]).toEqual([
      false,
      true,
      [],
    ]);
    runner.child.kill('SIGTERM');
    expect(await runner.exited).toBe(9);
  });

  it('waits for all of it without --soon, also where npm left aws-lambda-ric out', async () => {
    await using runner = start(['beside.ts'], { IS_NODE_20: 'true' });
    await runner.printed('runs');
    expect(runner.output()).toMatch(/^Building aws-lambda-ric, .*: curl \(2 of 4\), \d s$/m);
    expect(runner.output()).toContain('runs, built true, coming undefined');
    expect(isThere('for-tests')).toBe(true);
  });

  it('adds what is missing, and takes nothing away', async () => {
    await using first = start([]);
    expect([await first.exited, calls().length]).toEqual([0, 1]);
    const more = { ...PACKAGES, 'node_modules/more': { version: '1.0.0' } };
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: more }));
    await using second = start(['--soon', 'beside.ts']);
    await second.printed('runs');
    expect(calls()[1]).toMatch(/^install install --no-save --ignore-scripts/);
    expect([isThere('more'), isThere('for-tests')]).toEqual([true, true]);
  });

  it('says why npm failed', async () => {
    await using runner = start(['beside.ts'], { FAILS_AT: 'install' });
    expect(await runner.exited).toBe(1);
    expect(runner.output()).toContain('npm ci failed with exit code 1:\nnpm error the very reason');
    expect(runner.output()).not.toContain('    at ');
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'ends at %s while npm installs, and begins anew the next time',
    async (signal) => {
      await using runner = start(['--soon', 'beside.ts'], { STOPS_AT: 'install' });
      const isLeft = await untilItStops();
      // As a terminal does: every process of the group at once.
      process.kill(-(runner.child.pid ?? 0), signal);
      expect(await runner.exited).toBe(signal === 'SIGINT' ? 130 : 143);
      expect(await until(() => !isLeft())).toBe(true);
      expect(runner.output()).not.toContain('runs');
      expect(existsSync(join(root, 'node_modules'))).toBe(false);
      await using again = start(['--soon', 'beside.ts']);
      await again.printed('runs');
      expect(calls()[1]).toMatch(/^install ci /);
    },
  );

  it('begins anew after an end while packages were added', async () => {
    await using first = start([]);
    await first.exited;
    writeFileSync(
      join(root, 'package-lock.json'),
      JSON.stringify({ packages: { ...PACKAGES, 'node_modules/more': { version: '1.0.0' } } }),
    );
    await using second = start([], { STOPS_AT: 'install' });
    await untilItStops();
    process.kill(-(second.child.pid ?? 0), 'SIGKILL');
    await second.exited;
    await using third = start([]);
    expect(await third.exited).toBe(0);
    expect(calls().map((call) => call.split(' ')[1])).toEqual(['ci', 'install', 'ci']);
  });
});

describe('the build of aws-lambda-ric', () => {
  it.each([
    ['SIGINT', 9],
    ['SIGTERM', 9],
    ['SIGKILL', 'SIGKILL'],
  ] as const)('beside the script ends with it at %s', async (signal, code) => {
    await using runner = start(['--soon', 'beside.ts'], { STOPS_AT: 'build' });
    await runner.printed('runs');
    const isLeft = await untilItStops();
    runner.child.kill(signal);
    expect(await runner.exited).toBe(code);
    expect(await until(() => !isLeft() && !runner.leftBehind() && sideFolders().length === 0)).toBe(true);
  });

  it('that is waited for ends at a signal, and nothing comes after it', async () => {
    await using runner = start(['beside.ts'], { STOPS_AT: 'build' });
    const isLeft = await untilItStops();
    runner.child.kill('SIGINT');
    expect(await runner.exited).toBe(130);
    expect([await until(() => !isLeft()), sideFolders()]).toEqual([true, []]);
    expect(runner.output()).not.toContain('runs');
    await using again = start(['beside.ts']);
    await again.printed('runs, built true');
  });

  it('is not repeated when npm adds packages', async () => {
    await using first = start(['--soon', 'beside.ts']);
    await first.printed('told');
    await using second = start(['beside.ts']);
    await second.printed('runs, built true, coming undefined');
    expect([isThere('for-tests'), calls().map((call) => call.split(' ')[0]), sideFolders()]).toEqual([
      true,
      ['install', 'build', 'install'],
      [],
    ]);
  });

  it('that failed tells the script, leaves its last words and is not tried again', async () => {
    await using runner = start(['--soon', 'beside.ts'], { FAILS_AT: 'build' });
    await runner.printed('told');
    expect(runner.output()).toMatch(/told {"isRicBuilt":false,"seconds":\d+}, built false/);
    expect(readFileSync(join(root, 'node_modules', '.aws-lambda-ric-not-built'), 'utf8')).toContain('the very reason');
    await using again = start(['--soon', 'beside.ts']);
    await again.printed('runs, built false, coming undefined');
    await using inCi = start(['beside.ts'], { CI: 'true' });
    await inCi.printed('runs, built true');
  });

  it('is not begun without its tools', async () => {
    await using runner = start(['--soon', 'beside.ts'], { PATH: join(root, 'tools').replace('tools', 'none') });
    await runner.printed('runs, built false, coming undefined');
    expect(calls()).toHaveLength(1);
  });
});
