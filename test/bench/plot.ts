import { type Spread, spreadOf } from './statistics.ts';
import type { Report } from './table.ts';

const PANELS: readonly { readonly workload: string; readonly metric: string; readonly title: string }[] = [
  { workload: 'buffered', metric: 'p50Ms', title: 'Buffered chat, c=1: p50, ms' },
  { workload: 'buffered', metric: 'cpuMs', title: 'Buffered chat: CPU per request, ms' },
  { workload: 'burst', metric: 'totalMs', title: 'Stream of 200 events: total, ms' },
  { workload: 'paced', metric: 'delayP50Ms', title: 'Events 5 ms apart: delay p50, ms' },
  { workload: 'events', metric: 'cpuMs', title: 'CPU per 1,000 paced events, ms' },
  { workload: 'bytes', metric: 'megabytesPerSecond', title: '64 MB body, MB/s (more is better)' },
  { workload: 'pool', metric: 'requestsPerSecond', title: '16 at a time, requests/s (more is better)' },
  { workload: 'cold start', metric: 'firstByteMs', title: 'Process start to first byte, ms' },
];

const COLORS: Readonly<Record<string, string>> = {
  bare: '#8a8f98',
  'bare-again': '#b9bdc4',
  portkey: '#c77d2e',
  nginx: '#5b9a68',
  direct: '#d3d6da',
};
const OURS = '#2f6db5';

const WIDTH = 460;
const LABEL = 108;
const BAR = 16;
const GAP = 6;
const HEAD = 30;
const VALUE = 64;

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const short = (value: number) => String(Number(value.toPrecision(3)));

const panel = (title: string, bars: readonly (readonly [string, Spread])[]) => {
  const widest = Math.max(...bars.map(([, { max }]) => max));
  const scale = (value: number) => (value / widest) * (WIDTH - LABEL - VALUE);
  const lines = bars.map(([name, { median, min, max }], n) => {
    const y = HEAD + n * (BAR + GAP);
    const middle = y + BAR / 2;
    return [
      `<text x="${LABEL - 8}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${LABEL}" y="${y}" width="${scale(median).toFixed(1)}" height="${BAR}" fill="${COLORS[name] ?? OURS}"/>`,
      `<line x1="${(LABEL + scale(min)).toFixed(1)}" x2="${(LABEL + scale(max)).toFixed(1)}" y1="${middle}" y2="${middle}" stroke="#222"/>`,
      `<text x="${(LABEL + scale(max) + 6).toFixed(1)}" y="${middle + 4}">${short(median)}</text>`,
    ].join('');
  });
  return {
    svg: `<text x="0" y="16" font-weight="bold">${escaped(title)}</text>${lines.join('')}`,
    height: HEAD + bars.length * (BAR + GAP) + 14,
  };
};

/** @returns the report's main figures as bars (medians) with whiskers (lowest to highest round), as SVG. */
export const toSvg = ({ circumstances, results }: Report): string => {
  const { date, command, commit } = circumstances;
  const panels = PANELS.flatMap(({ workload, metric, title }) => {
    const bars = Object.entries(results[workload] ?? {}).flatMap(([path, rounds]) => {
      const values = rounds.map((figures) => figures[metric] ?? Number.NaN);
      const isKept =
        path !== 'bare-again' &&
        !(path === 'direct' && metric !== 'p50Ms' && metric !== 'totalMs' && metric !== 'delayP50Ms');
      return values.length > 0 && isKept ? [[path, spreadOf(values)] as const] : [];
    });
    return bars.length > 0 ? [panel(title, bars)] : [];
  });
  const columns = 2;
  let y = 48;
  const placed: string[] = [];
  for (let n = 0; n < panels.length; n += columns) {
    const line = panels.slice(n, n + columns);
    for (const [at, { svg }] of line.entries())
      placed.push(`<g transform="translate(${20 + at * (WIDTH + 30)},${y})">${svg}</g>`);
    y += Math.max(...line.map(({ height }) => height)) + 8;
  }
  const width = 40 + columns * WIDTH + 30;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" font-family="sans-serif" font-size="12">
<title>Benchmark of the gateway against the bare handler and peers</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="20" y="26" font-size="15">${escaped(`${date}, ${command}, commit ${commit}: medians, whiskers from lowest to highest round`)}</text>
${placed.join('\n')}
</svg>
`;
};
