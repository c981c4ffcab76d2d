import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startDemoWorkers } from '../../../infra/local/demo-worker/launch.ts';
import { startGateway } from '../../support/gateway.ts';
import { createScratch, type Outcome } from '../scratch.ts';
import { type Section, sectionsOf } from './snippets.ts';

/**
 * `npm run clients [-- title ...]`: runs `docs/clients.md` as it is written, every client brought from npm into a scratch
 * folder, against the functions over the demo workers. By hand: the clients are hundreds of megabytes.
 */
const root = fileURLToPath(new URL('../../..', import.meta.url));

const runSection = async ({ title, packages, blocks }: Section, origin: string, base: string): Promise<boolean> => {
  const scratch = await createScratch(join(base, title.replaceAll(/\W+/g, '-').toLowerCase()));
  let last: Outcome = await scratch.install(packages);
  let isFine = last.code === 0;
  for (const { language, code } of blocks) {
    if (!isFine) break;
    const here = code.replaceAll('http://127.0.0.1:8080', origin).replaceAll(/^npm install .*$/gm, '');
    if (here.trim() === '') continue;
    const file = join(scratch.folder, language === 'sh' ? 'run.sh' : 'run.js');
    await writeFile(file, language === 'sh' ? `set -e\n${here}` : here);
    last = await scratch.run(language === 'sh' ? 'bash' : process.execPath, [file]);
    isFine = last.code === 0 && last.stdout.trim() !== '';
  }
  console.log(`${isFine ? 'works ' : 'FAILED'}  ${title} (${packages.join(', ')})`);
  console.log((isFine ? last.stdout : last.all).trim().slice(-400).replaceAll(/^/gm, '    | '));
  return isFine;
};

const wanted = process.argv.slice(2);
const sections = sectionsOf(await readFile(join(root, 'docs', 'clients.md'), 'utf8')).filter(
  ({ title }) => wanted.length === 0 || wanted.includes(title),
);
const base = await mkdtemp(join(tmpdir(), 'clients-'));
const demo = await startDemoWorkers();
const gateway = await startGateway({ workers: demo.workers });
let failures = 0;
try {
  for (const section of sections) if (!(await runSection(section, gateway.origin, base))) failures += 1;
} finally {
  await gateway.close();
  await demo.close();
  await rm(base, { recursive: true, force: true });
}
console.log(`${sections.length - failures} of ${sections.length} work`);
process.exitCode = failures === 0 ? 0 : 1;
