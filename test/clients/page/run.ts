import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from '../../../infra/build.js';
import { startDemoWorkers } from '../../../infra/local/demo-worker/launch.ts';
import { startGateway } from '../../support/gateway.ts';
import { type Section, sectionsOf } from './snippets.ts';

/**
 * `npm run clients [-- title ...]`: runs `docs/clients.md` as it is written, every client brought from npm into a scratch
 * folder, against the functions over the demo workers. By hand: the clients are hundreds of megabytes.
 */
const SECONDS = 180;
const root = fileURLToPath(new URL('../../..', import.meta.url));

/** @returns its exit code and what it printed; it is ended after a while. */
const run = (command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv) =>
  new Promise<{ code: number | null; stdout: string; all: string }>((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: SECONDS * 1000 });
    let stdout = '';
    let all = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      all += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      all += text;
    });
    child.once('close', (code) => resolve({ code, stdout, all }));
  });

/** Some clients' own programs come with their install scripts, others need none. */
const install = async ({ packages }: Section, folder: string, env: NodeJS.ProcessEnv) => {
  await writeFile(join(folder, 'package.json'), '{"private":true,"type":"module"}');
  const flags = ['--no-audit', '--no-fund', '--loglevel=error', '--foreground-scripts=false'];
  return run('npm', ['install', ...flags, ...packages], folder, env);
};

const runSection = async (section: Section, origin: string, scratch: string): Promise<boolean> => {
  const folder = join(scratch, section.title.replaceAll(/\W+/g, '-').toLowerCase());
  const home = join(folder, 'home');
  await mkdir(home, { recursive: true });
  const { PATH = '', npm_config_cache } = process.env;
  const env = {
    PATH: `${join(folder, 'node_modules', '.bin')}${delimiter}${PATH}`,
    HOME: home,
    ...(npm_config_cache && { npm_config_cache }),
  };
  const installed = await install(section, folder, { ...process.env, ...env, HOME: process.env.HOME });
  let isFine = installed.code === 0;
  let said = installed.all;
  for (const { language, code } of section.blocks) {
    if (!isFine) break;
    const here = code.replaceAll('http://127.0.0.1:8080', origin).replaceAll(/^npm install .*$/gm, ':');
    if (here.replaceAll(/^:$/gm, '').trim() === '') continue;
    const file = join(folder, language === 'sh' ? 'run.sh' : 'run.js');
    await writeFile(file, language === 'sh' ? `set -e\n${here}` : here);
    const { code: exit, stdout, all } = await run(language === 'sh' ? 'bash' : process.execPath, [file], folder, env);
    isFine = exit === 0 && stdout.trim() !== '';
    said = isFine ? stdout : all;
  }
  console.log(`${isFine ? 'works ' : 'FAILED'}  ${section.title} (${section.packages.join(', ')})`);
  console.log(said.trim().slice(-400).replaceAll(/^/gm, '    | '));
  return isFine;
};

const wanted = process.argv.slice(2);
await build();
const sections = sectionsOf(await readFile(join(root, 'docs', 'clients.md'), 'utf8')).filter(
  ({ title }) => wanted.length === 0 || wanted.includes(title),
);
const scratch = await mkdtemp(join(tmpdir(), 'clients-'));
const demo = await startDemoWorkers();
const gateway = await startGateway({ workers: demo.workers });
let failures = 0;
try {
  for (const section of sections) if (!(await runSection(section, gateway.origin, scratch))) failures += 1;
} finally {
  await gateway.close();
  await demo.close();
  await rm(scratch, { recursive: true, force: true });
}
console.log(`${sections.length - failures} of ${sections.length} work`);
process.exitCode = failures === 0 ? 0 : 1;
