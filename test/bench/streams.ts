import { spawnSync } from 'node:child_process';
import { availableParallelism, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildServer } from '../../infra/build.js';
import { type Container, startContainer } from '../support/container.ts';
import { cpuMs, peakRssMb } from './process-figures.ts';
import { percentile } from './statistics.ts';
import { readStream } from './token-reader.ts';
import { startTokenWorker } from './token-worker.ts';

/**
 * `npm run streams [-- --streams=100,500,1000 --every=20 --seconds=10 --ramp=20]`: so many streams at once through one
 * container on one processor, a token each `every` milliseconds; how late tokens come and what the process needs. Worker
 * and reader are one process, on another processor; the same streams without a gateway in between show what is theirs.
 */
const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '100,250,500,750,1000' },
    every: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '10' },
    /** Over so many seconds the streams begin, default 50 a second; tokens of that time are counted apart. */
    ramp: { type: 'string' },
    /** Options for the gateway's Node, such as a profiler's. */
    node: { type: 'string', default: '' },
  },
});
const everyMs = Number(values.every);
/** A full loop accepts one connection a turn: in less time they would not all be there at once. */
const rampMsFor = (count: number) => (values.ramp === undefined ? count * 20 : Number(values.ramp) * 1000);
/** A stream lasts until the last one has begun, and `seconds` more. */
const tokensFor = (count: number) => Math.round((Number(values.seconds) * 1000 + rampMsFor(count)) / everyMs);
const [GATEWAY_CORE, OUR_CORE] = ['0', '1'];
const processors = availableParallelism();
const isPinned = processors > 1;

const pinned = (core: string, command: readonly string[]) => (isPinned ? ['taskset', '-c', core, ...command] : command);
// It says no where a thread has just ended; this one is first.
if (isPinned) spawnSync('taskset', ['-apc', OUR_CORE, String(process.pid)], { stdio: 'ignore' });

const body = JSON.stringify({
  model: 'bench',
  stream: true,
  messages: [{ role: 'user', content: 'Say hello to everybody who reads this.' }],
});
const worker = await startTokenWorker({ everyMs });

/** Late tokens while all streams were under way, and while they began. */
interface Delays {
  readonly steady: number[];
  readonly ramp: number[];
}

const run = async (origin: string, count: number) => {
  const rampMs = rampMsFor(count);
  const tokens = tokensFor(count);
  worker.setTokens(tokens);
  const delays: Delays = { steady: [], ramp: [] };
  const startedAt = performance.now();
  const allAt = startedAt + rampMs;
  const all = Array.from({ length: count }, async (_, n) => {
    await new Promise((resolve) => setTimeout(resolve, (n * rampMs) / count));
    return readStream({ origin, body }, (writtenMs, cameMs) => {
      (writtenMs < allAt ? delays.ramp : delays.steady).push(cameMs - writtenMs);
    });
  });
  const read = await Promise.all(all);
  return { delays, whole: read.filter(({ isWhole, tokens: seen }) => isWhole && seen === tokens).length };
};

const late = (delays: readonly number[]) =>
  `p50 ${percentile(delays, 0.5).toFixed(2)}, p99 ${percentile(delays, 0.99).toFixed(1)}, worst ${percentile(delays, 1).toFixed(0)} ms`;

const start = (): Promise<Container> =>
  startContainer({
    command: pinned(GATEWAY_CORE, [
      process.execPath,
      ...values.node.split(' ').filter(Boolean),
      fileURLToPath(new URL('../../dist/server/index.cjs', import.meta.url)),
    ]),
    env: {
      GATEWAY_ALLOW_ANONYMOUS: 'true',
      LOCALAI_WORKERS: JSON.stringify([{ id: 'bench', url: worker.origin, models: ['bench'], engine: 'vllm' }]),
    },
  });

/** What processes took of one processor, in percent of the time between two looks. */
const watchCpu = (pid: number) => {
  const since = performance.now();
  const before = cpuMs([pid]);
  return () => {
    const ms = cpuMs([pid]) - before;
    return { ms, percent: Math.round((ms / (performance.now() - since)) * 100) };
  };
};

await buildServer();
console.log(`${processors} processors, load ${loadavg()[0]?.toFixed(2)}; a token each ${everyMs} ms`);
for (const count of values.streams.split(',').map(Number)) {
  const ownCpu = watchCpu(process.pid);
  const direct = await run(worker.origin, count);
  console.log(
    `${count} streams, direct: ${direct.whole} whole; a token late ${late(direct.delays.steady)}; worker and reader ${ownCpu().percent} %`,
  );
  const container = await start();
  const pid = container.child.pid ?? 0;
  const cpus = [watchCpu(pid), watchCpu(process.pid)] as const;
  const { delays, whole } = await run(container.origin, count);
  const [gateway, own] = [cpus[0](), cpus[1]()];
  console.log(
    [
      `${count} streams, gateway: ${whole} whole`,
      `a token late ${late(delays.steady)} (while streams begin ${late(delays.ramp)})`,
      `gateway ${gateway.percent} % of a processor, ${((gateway.ms * 1000) / count / tokensFor(count)).toFixed(1)} us a token`,
      `worker and reader ${own.percent} %`,
      `${peakRssMb(pid).toFixed(0)} MB`,
    ].join('; '),
  );
  container.child.kill('SIGINT');
  await container.exited;
}
worker.close();
