import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../../infra/local/free-port.ts';
import { ConfigError, parseConfig } from '../../lib/config.ts';
import { endpoints } from '../../lib/endpoints/index.ts';
import { has } from '../support/needs.ts';
import { type Runner, startRunner } from '../support/runner.ts';

/** README.md's examples, run as they stand there against the demo workers; only the port is another one. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocksOf = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, block = '']) => block);

/** One comment and the commands below it. */
const examples = blocksOf('sh')
  .flatMap((block) => block.trim().split(/\n{2,}/))
  .filter((example) => example.includes('curl '))
  .map((commands) => ({ title: commands.split('\n')[0]?.replace(/^# /, '') ?? '', commands }));

/** Installs what it is asked for, and nothing else, from what the project has. */
const NPM = `#!/usr/bin/env bash
set -euo pipefail
test "$1" = init && exec bash -c 'echo {} > package.json'
test "$1" = install -a -f package.json
for package in "\${@:2}"; do
  mkdir -p "$(dirname "node_modules/$package")"
  ln -s "${root}node_modules/$package" "node_modules/$package"
done
`;

const folder = mkdtempSync(join(tmpdir(), 'readme-'));
let runner: Runner;
let port: number;

/** Runs a program in the folder the examples share. @throws {Error} when it fails, with what it printed. */
const run = (program: string, args: readonly string[]) =>
  new Promise<string>((resolve, reject) => {
    const PATH = `${dirname(process.execPath)}:${process.env.PATH}`;
    execFile(program, args, { cwd: folder, env: { PATH, HOME: folder } }, (error, stdout, stderr) =>
      error ? reject(new Error(`${error.message}\n${stdout}\n${stderr}`)) : resolve(stdout),
    );
  });

const here = (text: string) => text.replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`);

beforeAll(async () => {
  port = await freePort();
  // As README says to start it for the examples.
  expect(blocksOf('sh')).toContain('LOCALAI_EXPOSE_NODE_HEADER=true npm start\n');
  runner = startRunner(['infra/local/start.ts'], { PORT: String(port), LOCALAI_EXPOSE_NODE_HEADER: 'true' });
  await runner.printed('Ctrl-C ends it.');
});
afterAll(async () => {
  await runner?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe('the shell examples', () => {
  test('are there', () => expect(examples.length).toBeGreaterThan(7));

  for (const { title, commands } of examples) {
    const isRunnable = !/pocketsphinx/i.test(commands) || has('pocketsphinx');
    (isRunnable ? test : test.skip)(`${title}${isRunnable ? '' : ' (needs pocketsphinx)'}`, async () => {
      const printed = await run('bash', ['-euo', 'pipefail', '-c', here(commands)]);
      const heads = commands.match(/curl -\w*(?:i|D)/g)?.length ?? 0;
      expect(printed.match(/^HTTP\/1\.1 200 OK\r$/gm) ?? []).toHaveLength(heads);
      expect(printed.match(/^x-localai-node: demo-[12]\r$/gm) ?? []).toHaveLength(heads);
      if (heads === 0 && printed !== '')
        expect(JSON.parse(printed)).toMatchObject([{ id: 'demo-1' }, { id: 'demo-2' }]);
    });
  }

  test('leave a sound file and a picture', () => {
    expect(readFileSync(join(folder, 'hello.wav')).toString('latin1', 0, 4)).toBe('RIFF');
    expect(readFileSync(join(folder, 'sea.png')).toString('latin1', 1, 4)).toBe('PNG');
  });
});

test('the example with the official SDKs, which are in no folder of the reader`s until they are installed', async () => {
  const [script = ''] = blocksOf('js');
  const [install = ''] = blocksOf('sh').filter((block) => block.includes('npm install'));
  const [, name = ''] = /^\/\/ (\S+\.mjs)/.exec(script) ?? [];
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin', 'npm'), NPM);
  chmodSync(join(folder, 'bin', 'npm'), 0o755);
  const where = await run('bash', ['-euo', 'pipefail', '-c', `PATH="$PWD/bin:$PATH"\n${install}\npwd`]);
  expect(where.startsWith(folder)).toBe(true);
  writeFileSync(join(where.trim(), name), here(script));
  const printed = await run('bash', ['-euo', 'pipefail', '-c', `cd ${where.trim()}\nnode ${name}`]);
  expect(printed).toMatch(/^served by demo-[12]\n/);
  expect(printed.match(/Call me Ishmael/g)).toHaveLength(3);
});

test('workers are given in a form that is understood', () => {
  const given = [...readme.matchAll(/^LOCALAI_WORKERS=('[^']*'|\S+) npm start/gms)].map(([, value = '']) => value);
  expect(given).toHaveLength(2);
  for (const value of given) {
    expect(parseConfig({ LOCALAI_WORKERS: value.replaceAll("'", '') }).workers?.length).toBeGreaterThan(0);
  }
});

test('the settings are the gateway\u2019s', () => {
  const [, table = ''] = /^## Settings\n(.*?)^## /ms.exec(readme) ?? [];
  const named = [...table.matchAll(/`((?:GATEWAY|LOCALAI)_\w+)`/g)].map(([, name = '']) => name);
  const unknown = [...new Set(named)].filter((name) => {
    try {
      parseConfig({ [name]: '\u0000' });
      return false;
    } catch (error) {
      return error instanceof ConfigError && error.message.includes('is not a setting');
    }
  });
  expect(named.length).toBeGreaterThan(15);
  expect(unknown).toEqual([]);
});

test('the endpoints are all there, each with its function', () => {
  const [, table = ''] = /^## Endpoints\n(.*?)^## /ms.exec(readme) ?? [];
  for (const { families, paths } of endpoints) {
    const path = (paths[0] ?? '').replace('+}', '}');
    const row = table.split('\n').filter((line) => line.includes(`${path}\``) || line.includes(`${path} `));
    expect({ path, rows: row.length > 0 || table.includes(path) }).toEqual({ path, rows: true });
    if (families.length === 1 && row[0]?.startsWith('| `')) expect(row[0]).toContain(`| \`${families[0]}\``);
  }
});
