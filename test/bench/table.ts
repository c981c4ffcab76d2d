import type { Results, Verdict } from './goals.ts';
import { type Spread, spreadOf } from './statistics.ts';

/** What a run was made with. */
export interface Circumstances {
  readonly date: string;
  readonly command: string;
  readonly machine: string;
  readonly node: string;
  readonly runtime: string;
  readonly commit: string;
  readonly rounds: number;
  /** One-minute load average before, and the highest during the run (its own work included). */
  readonly loadBefore: number;
  readonly loadHighest: number;
  readonly notes: readonly string[];
  /** Smallest control group that served all the work, MB. */
  readonly smallestMemoryMb: Readonly<Record<string, number>> | undefined;
}

export interface Report {
  readonly circumstances: Circumstances;
  readonly verdicts: readonly Verdict[];
  readonly results: Results;
}

const digits = (value: number): string => {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
};

const cell = ({ median, min, max }: Spread) => `${digits(median)} [${digits(min)}, ${digits(max)}]`;

const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

const goalTable = (verdicts: readonly Verdict[]) =>
  table(
    ['measure (against bare where nobody is named)', 'goal', 'median [min, max] of the rounds', ''],
    verdicts.map(({ measure, goal, unit, figure, isMet }) => [
      measure,
      `${goal} ${unit}`,
      figure ? `${figure.min === figure.max ? digits(figure.median) : cell(figure)} ${unit}` : 'not measured',
      isMet === undefined ? '' : isMet ? 'met' : '**missed**',
    ]),
  );

const UNITS: Readonly<Record<string, string>> = {
  p50Ms: 'p50 ms',
  p99Ms: 'p99 ms',
  firstMs: 'first event ms',
  totalMs: 'total ms',
  delayP50Ms: 'delay p50 ms',
  delayP99Ms: 'delay p99 ms',
  requestsPerSecond: 'requests/s',
  megabytesPerSecond: 'MB/s',
  cpuMs: 'CPU ms',
  platformCpuMs: 'platform CPU ms',
  nextMs: '`/next` ms',
  firstByteMs: 'first byte ms',
  peakRssMb: 'peak RSS MB',
};

const resultTable = (paths: Results[string]) => {
  const metrics = [...new Set(Object.values(paths).flatMap((rounds) => Object.keys(rounds[0] ?? {})))];
  return table(
    ['path', ...metrics.map((metric) => UNITS[metric] ?? metric)],
    Object.entries(paths)
      .filter(([, rounds]) => rounds.length > 0)
      .map(([path, rounds]) => [
        path,
        ...metrics.map((metric) => cell(spreadOf(rounds.map((figures) => figures[metric] ?? Number.NaN)))),
      ]),
  );
};

/** One column a metric, one value a round. */
const columns = (rounds: Results[string][string]) =>
  Object.fromEntries(
    Object.keys(rounds[0] ?? {}).map((metric) => [metric, rounds.map((figures) => figures[metric] ?? null)]),
  );

/** The report for programs: `results[workload][path][metric]` is a list, one value a round. */
export const toJson = ({ circumstances, verdicts, results }: Report): string => {
  const byColumn = Object.fromEntries(
    Object.entries(results).map(([workload, paths]) => [
      workload,
      Object.fromEntries(Object.entries(paths).map(([path, rounds]) => [path, columns(rounds)])),
    ]),
  );
  const text = JSON.stringify(
    { circumstances, verdicts, results: byColumn },
    (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(5)) : value),
    1,
  );
  // A list of numbers in one line each, so that a difference can be read.
  return `${text.replace(/\[\s+([-\d.,\sne+]+?)\s+\]/g, (_, list: string) => `[${list.replace(/\s+/g, ' ')}]`)}\n`;
};

/** The report as a page of Markdown. @param titles of the workloads, by name. */
export const toMarkdown = (
  { circumstances, verdicts, results }: Report,
  titles: Readonly<Record<string, string>>,
): string => {
  const { date, command, machine, node, runtime, commit, rounds, loadBefore, loadHighest } = circumstances;
  const memory = Object.entries(circumstances.smallestMemoryMb ?? {}).map(([name, size]) => `${name} ${size} MB`);
  return `# Benchmark

${date}, \`${command}\`, commit ${commit}. ${rounds} interleaved rounds after a warm-up. ${machine}; everything on loopback.
Node ${node}; Lambda's part is played by ${runtime === 'ric' ? "AWS's own `aws-lambda-ric`" : 'our own runtime client'} under the local Runtime API and function URL.
Load average before the run ${loadBefore.toFixed(2)}, highest during it ${loadHighest.toFixed(2)} (the run itself is at least one core).
No AWS was touched: the micro-VM's boot, the real front, TLS and the network are not in here.

The floor is \`bare\` (test/bench/functions/bare.ts): a streaming handler that only pipes to a worker. \`bare-again\` is the same thing once more: what
differs between the two is noise. A cell is the median of the rounds [lowest, highest]; ratios and differences are taken round by round.

## Goals

${goalTable(verdicts)}

${memory.length ? `Smallest control group (Lambda's sizes, no swap) in which a fresh process did all the work: ${memory.join(', ')}.\n` : ''}
${circumstances.notes.map((note) => `- ${note}`).join('\n')}

[What the profiles showed, what was changed, and where the time goes that is left](bench-notes.md)

![Figures as a plot](bench.svg)

## All figures

CPU is user + system time of the gateway's own processes per request (or per 1,000 events, or per 64 MB body); the platform's is what the local
function URL and Runtime API took beside it.

${Object.entries(results)
  .map(([workload, paths]) => `### ${titles[workload] ?? workload}\n\n${resultTable(paths)}\n`)
  .join('\n')}`;
};
