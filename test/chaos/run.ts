import '../support/quiet.ts';
import { parseArgs } from 'node:util';
import { runChaos } from './chaos.ts';
import { type Closing, measureClosing } from './closing.ts';
import { measureFootprint } from './footprint.ts';
import { fuzzHeads } from './fuzz-heads.ts';
import { type FuzzOptions, type FuzzReport, fuzzRequests } from './fuzz-requests.ts';
import { fuzzStreams } from './fuzz-streams.ts';
import { huntLeaks } from './leaks.ts';

/**
 * `npm run chaos [-- --requests=10000 --inputs=100000 --seed=1 --only=chaos,leaks]`: everything in the long form, or only
 * some of it. Exits with 1 when anything came out that docs/contract.md does not allow.
 */
const all = ['chaos', 'leaks', 'requests', 'heads', 'streams', 'closing', 'memory'];
const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '10000' },
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    'at-once': { type: 'string', default: '64' },
    only: { type: 'string', default: all.join() },
  },
});
const [requests, inputs, seed, atOnce] = [values.requests, values.inputs, values.seed, values['at-once']].map(Number);
if (!requests || !inputs || seed === undefined || Number.isNaN(seed) || !atOnce) throw new Error('numbers are needed');

const problems: string[] = [];
const list = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts)
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ');
const tell = (title: string, lines: readonly string[], found: readonly string[]) => {
  problems.push(...found);
  console.log([`\n${title}`, ...lines, ...found.map((problem) => `PROBLEM ${problem}`)].join('\n  '));
};

console.log(`seed ${seed}`);
const isOn = (part: string) => values.only.split(',').includes(part);
if (isOn('chaos')) {
  const chaos = await runChaos({ requests, atOnce, seed });
  tell(
    `chaos: ${requests} requests, ${atOnce} at a time, over six workers, in ${chaos.seconds.toFixed(1)} s`,
    [
      `statuses   ${list(chaos.statuses)}`,
      `endings    ${list(chaos.endings)}`,
      `families   ${list(chaos.families)}`,
      `faults met ${list(chaos.faults)}`,
      `failovers  ${chaos.failovers}; environments that ended: ${chaos.exits.length}`,
    ],
    [...chaos.problems, ...chaos.exits],
  );
}

if (isOn('leaks')) {
  const leaks = await huntLeaks({ requests, atOnce, seed });
  tell(`switched off: ${requests} answers searched for names`, [`statuses   ${list(leaks.statuses)}`], leaks.leaks);
}

const streams = Math.round(inputs * 0.3);
const heads = Math.round(inputs * 0.2);
const fuzz = async (part: string, what: string, run: (options: FuzzOptions) => Promise<FuzzReport>, count: number) => {
  if (!isOn(part)) return;
  const { reached, outcomes, problems: found } = await run({ inputs: count, seed });
  tell(`fuzz: ${count} ${what}, ${reached} came to a worker`, [`outcomes   ${list(outcomes)}`], found);
};
await fuzz('requests', 'requests', fuzzRequests, inputs - streams - heads);
await fuzz('heads', 'heads of workers', fuzzHeads, heads);
await fuzz('streams', 'streams of workers', fuzzStreams, streams);

if (isOn('closing')) {
  const times = ({ family, clientMs, deadlineMs }: Closing) =>
    `${family.padEnd(10)} client left ${clientMs.toFixed(0)} ms, deadline ${deadlineMs.toFixed(0)} ms`;
  tell('from abort to the worker seeing its connection closed', (await measureClosing()).map(times), []);
}
if (isOn('memory')) tell('memory of one environment', await measureFootprint(), []);

console.log(problems.length === 0 ? '\nno problems' : `\n${problems.length} kinds of problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
