import type { Asked, Client } from './client.ts';
import type { Path, Target } from './paths.ts';
import { cpuMs } from './process-figures.ts';
import { percentile } from './statistics.ts';

/** What one run of a workload over one path came to. */
export type Figures = Readonly<Record<string, number>>;

export interface Workload {
  readonly name: string;
  /** In words, for the table. */
  readonly title: string;
  readonly target: Target;
  /** @param quick a fraction of the requests. @throws {Error} when an answer is not the one asked for. */
  run(ask: (asked: Asked) => ReturnType<Client['ask']>, quick: boolean): Promise<Figures>;
  /** CPU is counted per so many units of this. */
  units(quick: boolean): number;
}

const MEGABYTE = 1024 * 1024;

const chat = (text: string, stream: boolean): Asked => ({
  path: '/v1/chat/completions',
  contentType: 'application/json',
  body: Buffer.from(
    JSON.stringify({
      model: 'bench',
      messages: [
        { role: 'system', content: 'You are a helpful assistant that answers in one short sentence.' },
        { role: 'user', content: `bench:${text} Say hello to everybody who reads this.` },
      ],
      temperature: 0.7,
      max_tokens: 64,
      stream,
    }),
  ),
});

export const buffered = chat('json:0', false);
export const burst = chat('burst:200', true);

export const bytes: Asked = {
  path: '/v1/audio/speech',
  contentType: 'application/json',
  body: Buffer.from(JSON.stringify({ model: 'bench', input: `bench:bytes:${64 * MEGABYTE}`, voice: 'alloy' })),
};

/** Five photographs as data URLs; 5 MB of JSON. */
export const images: Asked = {
  ...buffered,
  body: Buffer.from(
    JSON.stringify({
      model: 'bench',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'bench:json:0 What is in these?' },
            ...Array.from({ length: 5 }, (_, n) => ({
              type: 'image_url',
              image_url: {
                url: `data:image/jpeg;base64,${Buffer.alloc(750_000, `photograph ${n} `).toString('base64')}`,
              },
            })),
          ],
        },
      ],
    }),
  ),
};

const BOUNDARY = 'bench-4f1d0c';
const part = (name: string, value: string) =>
  `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;

/** 4 MB of audio. */
export const upload: Asked = {
  path: '/v1/audio/transcriptions',
  contentType: `multipart/form-data; boundary=${BOUNDARY}`,
  body: Buffer.concat([
    Buffer.from(part('model', 'bench') + part('prompt', 'bench:json:0')),
    Buffer.from(
      `--${BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\n`,
    ),
    Buffer.alloc(4 * MEGABYTE, 'wave'),
    Buffer.from(`\r\n--${BOUNDARY}--\r\n`),
  ]),
};

const series = async <T>(count: number, once: () => Promise<T>): Promise<T[]> => {
  const all: T[] = [];
  for (let n = 0; n < count; n += 1) all.push(await once());
  return all;
};

const totals = (timings: readonly { totalMs: number }[]) => timings.map(({ totalMs }) => totalMs);

const repeated = (count: (quick: boolean) => number, asked: Asked) => ({
  units: count,
  run: async (ask: (asked: Asked) => ReturnType<Client['ask']>, quick: boolean): Promise<Figures> => {
    const timings = await series(count(quick), () => ask(asked));
    return { p50Ms: percentile(totals(timings), 0.5), p99Ms: percentile(totals(timings), 0.99) };
  },
});

const IN_PARALLEL = 16;
const pooled = (quick: boolean) => (quick ? 320 : 1600);
const bodies = (quick: boolean) => (quick ? 1 : 3);

export const workloads: readonly Workload[] = [
  {
    name: 'buffered',
    title: 'buffered chat, one at a time',
    target: 'text',
    ...repeated((quick) => (quick ? 100 : 1000), buffered),
  },
  {
    name: 'burst',
    title: 'stream of 200 events in one go',
    target: 'text',
    units: (quick) => (quick ? 10 : 100),
    async run(ask, quick) {
      const timings = await series(quick ? 10 : 100, () => ask(burst));
      const first = timings.map(({ firstByteMs }) => firstByteMs);
      return { firstMs: percentile(first, 0.5), totalMs: percentile(totals(timings), 0.5) };
    },
  },
  {
    name: 'paced',
    title: 'events 5 ms apart: delay of each',
    target: 'text',
    units: () => 1,
    async run(ask, quick) {
      const { delays } = await ask({ ...chat(`paced:${quick ? 60 : 200}:5`, true), isTimed: true });
      return { delayP50Ms: percentile(delays, 0.5), delayP99Ms: percentile(delays, 0.99) };
    },
  },
  {
    name: 'events',
    title: '1,000 events 1 ms apart: CPU',
    target: 'text',
    units: (quick) => (quick ? 0.4 : 2),
    async run(ask, quick) {
      const timings = await series(quick ? 1 : 2, () => ask(chat(`paced:${quick ? 400 : 1000}:1`, true)));
      return { totalMs: percentile(totals(timings), 0.5) };
    },
  },
  {
    name: 'pool',
    title: 'buffered chat, 16 at a time',
    target: 'pool',
    units: pooled,
    async run(ask, quick) {
      const startedAt = performance.now();
      const each = pooled(quick) / IN_PARALLEL;
      const lanes = Array.from({ length: IN_PARALLEL }, () => series(each, () => ask(buffered)));
      const timings = (await Promise.all(lanes)).flat();
      const seconds = (performance.now() - startedAt) / 1000;
      return {
        requestsPerSecond: timings.length / seconds,
        p50Ms: percentile(totals(timings), 0.5),
        p99Ms: percentile(totals(timings), 0.99),
      };
    },
  },
  {
    name: 'bytes',
    title: '64 MB body',
    target: 'media',
    units: bodies,
    async run(ask, quick) {
      const timings = await series(bodies(quick), () => ask(bytes));
      if (timings.some((timing) => timing.bytes !== 64 * MEGABYTE)) throw new Error('a body is not whole');
      return { megabytesPerSecond: 64 / (percentile(totals(timings), 0.5) / 1000) };
    },
  },
  {
    name: 'flood',
    title: '64 MB of events in blocks that end anywhere',
    target: 'text',
    units: bodies,
    async run(ask, quick) {
      const timings = await series(bodies(quick), () => ask(chat(`flood:${64 * MEGABYTE}`, true)));
      if (timings.some((timing) => timing.bytes < 64 * MEGABYTE)) throw new Error('a stream is not whole');
      return { megabytesPerSecond: 64 / (percentile(totals(timings), 0.5) / 1000) };
    },
  },
  {
    name: 'images',
    title: '5 MB of JSON with images',
    target: 'text',
    ...repeated((quick) => (quick ? 3 : 10), images),
  },
  { name: 'upload', title: '4 MB multipart upload', target: 'media', ...repeated((quick) => (quick ? 3 : 10), upload) },
];

/** Runs one workload over one path. @returns its figures, with the CPU of the gateway and of the platform per unit. */
export const measure = async (
  workload: Workload,
  path: Path,
  client: Client,
  { quick, platformPid }: { quick: boolean; platformPid: number },
): Promise<Figures | undefined> => {
  const url = path.urls[workload.target];
  if (url === undefined) return undefined;
  const ask = (asked: Asked) => client.ask(url, { ...asked, headers: path.headers });
  const count = async () => ({ own: cpuMs(await path.pids(workload.target)), platform: cpuMs([platformPid]) });
  const before = await count();
  const figures = await workload.run(ask, quick);
  const after = await count();
  const units = workload.units(quick);
  return {
    ...figures,
    cpuMs: (after.own - before.own) / units,
    platformCpuMs: (after.platform - before.platform) / units,
  };
};
