import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createClient } from './client.ts';
import { measureColdStarts } from './cold-start.ts';
import { judge, type Results } from './goals.ts';
import { measureMemory, smallestMemory } from './memory.ts';
import { startPaths } from './paths.ts';
import { toSvg } from './plot.ts';
import { type Report, toJson, toMarkdown } from './table.ts';
import { type Figures, measure, workloads } from './workloads.ts';

/**
 * `npm run bench`: measures the gateway against the bare runtime and against peers, and writes `docs/bench.json`,
 * `docs/bench.md` and `docs/bench.svg`. `npm run bench -- --quick` takes less than a minute and writes to `dist/bench`.
 * `--rounds N`; `--only buffered,events` measures these workloads, `--paths direct,container,nginx,portkey` these paths;
 * `--out folder`.
 */
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string' },
    paths: { type: 'string' },
    out: { type: 'string' },
  },
});
const { quick } = options;
const root = fileURLToPath(new URL('../..', import.meta.url));
const rounds = Number(options.rounds ?? (quick ? 3 : 9));
const only = options.only?.split(',');
const onlyPaths = options.paths?.split(',');
const out = join(root, options.out ?? (quick || only || onlyPaths ? 'dist/bench' : 'docs'));
/** What a quick run leaves out. */
const SLOW = new Set(['bare-again', 'gateway-8']);

const isWanted = (name: string) => only?.includes(name) ?? true;
const say = (line: string) => process.stderr.write(`${line}\n`);
const loads = [loadavg()[0] ?? 0];
const noteLoad = () => loads.push(loadavg()[0] ?? 0);

const outdir = join(root, 'dist', 'bench', 'bundles');
await rm(outdir, { recursive: true, force: true });
await using paths = await startPaths(outdir);
const results: Record<string, Record<string, Figures[]>> = {};
const notes = [...paths.notes];

const wanted = workloads.filter(({ name }) => isWanted(name));
const compared = paths.all.filter(({ name }) => onlyPaths?.includes(name) ?? !(quick && SLOW.has(name)));
const client = createClient();
const isOut = new Set<string>();
for (let round = -1; round < rounds; round += 1) {
  say(round < 0 ? 'warm-up' : `round ${round + 1} of ${rounds}`);
  for (const workload of wanted) {
    for (let n = 0; n < compared.length; n += 1) {
      const path = compared[(n + round + 1) % compared.length] as (typeof compared)[number];
      const id = `${workload.name}, ${path.name}`;
      if (isOut.has(id)) continue;
      try {
        const figures = await measure(workload, path, client, { quick, platformPid: paths.platformPid });
        if (!figures || round < 0) continue;
        const ofWorkload = results[workload.name] ?? {};
        results[workload.name] = { ...ofWorkload, [path.name]: [...(ofWorkload[path.name] ?? []), figures] };
      } catch (error) {
        isOut.add(id);
        delete results[workload.name]?.[path.name];
        notes.push(`${id}: left out (${(error as Error).message}).`);
      }
    }
  }
  noteLoad();
}
client.close();

if (isWanted('cold start')) {
  say('cold starts');
  results['cold start'] = await measureColdStarts(paths, quick ? 5 : 2 * rounds);
  noteLoad();
}
let smallest: Awaited<ReturnType<typeof smallestMemory>>;
if (isWanted('memory')) {
  say('memory');
  results.memory = await measureMemory(paths, quick ? 1 : 5);
  if (!quick) smallest = await smallestMemory(paths);
  noteLoad();
}

const [cpu] = cpus();
const report: Report = {
  circumstances: {
    date: new Date().toISOString().slice(0, 16).replace('T', ' ').concat(' UTC'),
    command: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
    machine: `${cpus().length} cores (${cpu?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GB`,
    node: process.version,
    runtime: paths.runtime,
    commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim(),
    rounds,
    loadBefore: loads[0] ?? 0,
    loadHighest: Math.max(...loads),
    notes,
    smallestMemoryMb: smallest,
  },
  verdicts: judge(results, paths.bytes),
  results: results as Results,
};
const titles = Object.fromEntries([
  ...workloads.map(({ name, title }) => [name, title]),
  ['cold start', 'Cold start of the process'],
  ['memory', 'Peak memory of a fresh process after the same work'],
]);
const markdown = toMarkdown(report, titles);
await mkdir(out, { recursive: true });
await writeFile(join(out, 'bench.json'), toJson(report));
await writeFile(join(out, 'bench.md'), markdown);
await writeFile(join(out, 'bench.svg'), toSvg(report));
console.log(markdown);
