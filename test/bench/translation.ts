import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from '../../infra/build.js';
import { type Asked, createClient } from './client.ts';
import { lambdaFlags } from './lambda-flags.ts';
import { AS_DEPLOYED, forked, workerSetting } from './paths.ts';
import type { Pids, Started } from './platform.ts';
import { cpuMs } from './process-figures.ts';
import { median, percentile } from './statistics.ts';

/**
 * `node infra/local/bootstrap.js test/bench/translation.ts [rounds]`: what translation costs beside the bytes passing as
 * they are (docs/contract.md 13): the same worker asked in its client's dialect, and in chat completions. Time to the first
 * token of a stream, and CPU of the function for 1,000 events that come one by one; in turns, so that what slows the
 * machine down slows both.
 */
const rounds = Number(process.argv[2] ?? 300);
const WARM_UP = 30;
const MEMORY_MB = 512;
const EVENTS = 1000;
/** How many streams the CPU is counted over. */
const STREAMS = 3;

interface Dialect {
  readonly name: string;
  readonly bundle: 'anthropic' | 'ollama' | 'openai';
  readonly path: string;
  readonly body: (text: string) => object;
}
const messages = (content: string) => [{ role: 'user', content }];
const dialects: readonly Dialect[] = [
  {
    name: 'messages',
    bundle: 'anthropic',
    path: '/v1/messages',
    body: (text) => ({ max_tokens: 64, messages: messages(text) }),
  },
  { name: 'ollama chat', bundle: 'ollama', path: '/api/chat', body: (text) => ({ messages: messages(text) }) },
  { name: 'responses', bundle: 'openai', path: '/v1/responses', body: (text) => ({ input: text }) },
];
const askedIn = ({ path, body }: Dialect, what: string): Asked => ({
  path,
  contentType: 'application/json',
  body: Buffer.from(JSON.stringify({ model: 'bench', stream: true, ...body(`bench:${what} Say hello.`) })),
});

const outdir = join(fileURLToPath(new URL('../..', import.meta.url)), 'dist', 'bench', 'translation');
await build({ functions: dialects.map(({ bundle }) => bundle), outdir });
const worker = await forked<number[]>('worker.ts', ['1']);
const urls = worker.answer.map((port) => `http://127.0.0.1:${port}`);
const ways = { native: 'localai', translated: 'openai' } as const;
type Way = keyof typeof ways;
const functionOf = ({ bundle }: Dialect, way: Way) => `${bundle}-${way}`;
const functions = dialects.flatMap((dialect) =>
  (Object.keys(ways) as Way[]).map((way) => ({
    name: functionOf(dialect, way),
    bundleDir: join(outdir, dialect.bundle),
    handler: 'index.handler',
    timeoutSeconds: 900,
    memory: MEMORY_MB,
    environment: {
      ...lambdaFlags(MEMORY_MB),
      ...AS_DEPLOYED,
      LOCALAI_WORKERS: workerSetting(urls, ways[way]),
      GATEWAY_ALLOW_ANONYMOUS: 'true',
    },
    hasUrl: true,
  })),
);
const platform = await forked<Started>('platform.ts', [], { functions });
const client = createClient();
const ask = (dialect: Dialect, way: Way, what: string) =>
  client.ask(platform.answer.urls[functionOf(dialect, way)] ?? '', askedIn(dialect, what));
const pidsOf = async (name: string) => {
  platform.child.send('pids');
  const [all] = (await once(platform.child, 'message')) as [Pids];
  return all.filter(({ functionName }) => functionName === name).map(({ pid }) => pid);
};

/** One dialect's figures, both ways. */
const firsts = new Map<string, number[]>();
const cpu = new Map<string, number[]>();
const note = (into: Map<string, number[]>, name: string, value: number) =>
  into.set(name, [...(into.get(name) ?? []), value]);
const inTurn = (round: number): Way[] => (round % 2 === 0 ? ['native', 'translated'] : ['translated', 'native']);

for (const dialect of dialects) {
  for (let round = -WARM_UP; round < rounds; round += 1) {
    for (const way of inTurn(round)) {
      const { firstByteMs } = await ask(dialect, way, 'burst:3');
      if (round >= 0) note(firsts, functionOf(dialect, way), firstByteMs);
    }
  }
  for (let round = 0; round < STREAMS; round += 1) {
    for (const way of inTurn(round)) {
      const name = functionOf(dialect, way);
      const pids = await pidsOf(name);
      const before = cpuMs(pids);
      await ask(dialect, way, `paced:${EVENTS}:1`);
      note(cpu, name, cpuMs(pids) - before);
    }
  }
}
client.close();
for (const { child } of [platform, worker]) child.disconnect();

console.log(`${rounds} streams each; first token in ms; CPU in ms for ${EVENTS} events`);
console.log(
  '| dialect | first p50 native | translated | added p50 | added, quartiles of pairs | CPU native | translated | ratio |',
);
console.log('|---|---|---|---|---|---|---|---|');
for (const dialect of dialects) {
  const [native = [], translated = []] = inTurn(0).map((way) => firsts.get(functionOf(dialect, way)) ?? []);
  const [own = [], other = []] = inTurn(0).map((way) => cpu.get(functionOf(dialect, way)) ?? []);
  const pairs = translated.map((value, round) => value - (native[round] ?? Number.NaN));
  const cells = [
    dialect.name,
    median(native).toFixed(2),
    median(translated).toFixed(2),
    (median(translated) - median(native)).toFixed(2),
    [0.25, 0.75].map((share) => percentile(pairs, share).toFixed(2)).join(' to '),
    median(own).toFixed(0),
    median(other).toFixed(0),
    (median(other) / median(own)).toFixed(2),
  ];
  console.log(`| ${cells.join(' | ')} |`);
}
