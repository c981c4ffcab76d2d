import { pairwise, type Spread, spreadOf } from './statistics.ts';
import type { Figures } from './workloads.ts';

/** `results[workload][path]`: one set of figures a round. */
export type Results = Readonly<Record<string, Readonly<Record<string, readonly Figures[]>>>>;

/** One line of the table that the project holds itself to. */
export interface Verdict {
  readonly measure: string;
  readonly goal: string;
  readonly unit: string;
  /** Undefined: not measured in this run. */
  readonly figure: Spread | undefined;
  readonly isMet: boolean | undefined;
}

const column = (results: Results, workload: string, path: string, metric: string): readonly number[] | undefined => {
  const rounds = results[workload]?.[path];
  return rounds?.length ? rounds.map((figures) => figures[metric] ?? Number.NaN) : undefined;
};

type Compare = (gateway: number, other: number, direct?: number) => number;
const ratio: Compare = (gateway, other) => gateway / other;
const added: Compare = (gateway, other) => gateway - other;
/** What each adds to the way that leads straight to the worker. */
const addedRatio: Compare = (gateway, other, direct = Number.NaN) => (gateway - direct) / (other - direct);

interface Goal {
  readonly measure: string;
  readonly of: readonly [workload: string, metric: string];
  readonly compare: Compare;
  readonly unit: string;
  readonly limit: number;
  readonly isLeast?: true;
  readonly path?: string;
  readonly against?: string;
}

const goals: readonly Goal[] = [
  { measure: 'buffered request, c=1: added p50', of: ['buffered', 'p50Ms'], compare: added, unit: 'ms', limit: 0.1 },
  { measure: 'CPU per buffered request', of: ['buffered', 'cpuMs'], compare: ratio, unit: '×', limit: 1.15 },
  { measure: '200-event burst: time to first event', of: ['burst', 'firstMs'], compare: ratio, unit: '×', limit: 1.1 },
  { measure: '200-event burst: total', of: ['burst', 'totalMs'], compare: ratio, unit: '×', limit: 1.1 },
  {
    measure: 'added latency per event, 5 ms spacing, p50',
    of: ['paced', 'delayP50Ms'],
    compare: added,
    unit: 'ms',
    limit: 0.03,
  },
  { measure: 'CPU per 1,000 paced events', of: ['events', 'cpuMs'], compare: ratio, unit: '×', limit: 1.15 },
  {
    measure: '64 MB body, MB/s',
    of: ['bytes', 'megabytesPerSecond'],
    compare: ratio,
    unit: '×',
    limit: 0.95,
    isLeast: true,
  },
  { measure: 'peak RSS, text work', of: ['memory', 'peakRssMb'], compare: added, unit: 'MB', limit: 15 },
  {
    measure: 'peak RSS, media work',
    of: ['memory', 'peakRssMb'],
    compare: added,
    unit: 'MB',
    limit: 15,
    path: 'gateway-media',
    against: 'bare-media',
  },
  {
    measure: 'process start to `/next`',
    of: ['cold start', 'nextMs'],
    compare: ratio,
    unit: '×',
    limit: 1.25,
    path: 'gateway-ssm',
  },
  {
    measure: 'process start to first byte, with the SSM read',
    of: ['cold start', 'firstByteMs'],
    compare: ratio,
    unit: '×',
    limit: 1.4,
    path: 'gateway-ssm',
  },
  {
    measure: 'c=16 closed loop, requests/s',
    of: ['pool', 'requestsPerSecond'],
    compare: ratio,
    unit: '×',
    limit: 0.9,
    isLeast: true,
  },
  {
    measure: 'Portkey (plain server): buffered p50, ours less theirs',
    of: ['buffered', 'p50Ms'],
    compare: added,
    unit: 'ms',
    limit: 0,
    against: 'portkey',
  },
  {
    measure: 'Portkey: CPU per 1,000 paced events',
    of: ['events', 'cpuMs'],
    compare: ratio,
    unit: '×',
    limit: 1,
    against: 'portkey',
  },
  {
    measure: 'Portkey: 64 MB body, MB/s',
    of: ['bytes', 'megabytesPerSecond'],
    compare: ratio,
    unit: '×',
    limit: 1,
    isLeast: true,
    against: 'portkey',
  },
  {
    measure: "container, buffered request, c=1: p50 over direct, against Portkey's",
    of: ['buffered', 'p50Ms'],
    compare: addedRatio,
    unit: '×',
    limit: 0.6,
    path: 'container',
    against: 'portkey',
  },
  {
    measure: 'container: CPU per buffered request, against Portkey',
    of: ['buffered', 'cpuMs'],
    compare: ratio,
    unit: '×',
    limit: 0.6,
    path: 'container',
    against: 'portkey',
  },
  {
    measure: 'container: c=16 closed loop, requests/s, against Portkey',
    of: ['pool', 'requestsPerSecond'],
    compare: ratio,
    unit: '×',
    limit: 2,
    isLeast: true,
    path: 'container',
    against: 'portkey',
  },
  {
    measure: 'container: 200-event burst, first event, against nginx',
    of: ['burst', 'firstMs'],
    compare: ratio,
    unit: '×',
    limit: 1.5,
    path: 'container',
    against: 'nginx',
  },
  {
    measure: 'container: 64 MB body, MB/s, against nginx',
    of: ['bytes', 'megabytesPerSecond'],
    compare: ratio,
    unit: '×',
    limit: 0.7,
    isLeast: true,
    path: 'container',
    against: 'nginx',
  },
];

const BUNDLE_KB = 100;

/** @param bytes of each function's bundle, minified. */
export const judge = (results: Results, bytes: Readonly<Record<string, number>>): Verdict[] => {
  const measured = goals.map(
    ({ measure, of: [workload, metric], compare, unit, limit, isLeast, ...where }): Verdict => {
      const ours = column(results, workload, where.path ?? 'gateway', metric);
      const theirs = column(results, workload, where.against ?? 'bare', metric);
      const direct = column(results, workload, 'direct', metric);
      const figure = ours && theirs && pairwise(ours, theirs, (a, b, round) => compare(a, b, direct?.[round]));
      return {
        measure,
        goal: `${isLeast ? '>=' : '<='} ${limit}`,
        unit,
        figure,
        isMet: figure && (isLeast ? figure.median >= limit : figure.median <= limit),
      };
    },
  );
  const inference = ['openai', 'anthropic', 'ollama', 'rerank', 'vad', 'audio', 'images'];
  const bundles = inference.map((name): Verdict => {
    const kilobytes = (bytes[name] ?? Number.NaN) / 1024;
    return {
      measure: `bundle of \`${name}\`, minified`,
      goal: `<= ${BUNDLE_KB}`,
      unit: 'KB',
      figure: spreadOf([kilobytes]),
      isMet: kilobytes <= BUNDLE_KB,
    };
  });
  return [...measured, ...bundles];
};
