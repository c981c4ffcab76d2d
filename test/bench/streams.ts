import { fork } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildServer } from '../../infra/build.js';
import { startContainer } from '../support/container.ts';
import { cpuMs, peakRssMb } from './process-figures.ts';
import { percentile } from './statistics.ts';

/**
 * `npm run streams [-- --streams=100,500,1000 --every=20 --seconds=10]`: so many streams at once through one container, a
 * token each `every` milliseconds; how late tokens come, counted from the worker's own clock in each of them, and what the
 * process needs. Worker and reader run beside it: where a machine has two processors, all three share them.
 */
const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '100,250,500,1000' },
    every: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '10' },
  },
});
const everyMs = Number(values.every);
const tokens = Math.round((Number(values.seconds) * 1000) / everyMs);

interface Streamed {
  readonly isWhole: boolean;
  readonly delaysMs: readonly number[];
}

/** The worker's clock stands in the text of each token. */
const readStream = (origin: string): Promise<Streamed> =>
  new Promise((resolve) => {
    const delaysMs: number[] = [];
    let rest = '';
    const sent = request(`${origin}/v1/chat/completions`, {
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/json' },
    });
    sent.once('response', (response) => {
      response.on('data', (chunk: Buffer) => {
        const now = process.hrtime.bigint();
        const text = rest + chunk.toString('latin1');
        for (const [, at = '0'] of text.matchAll(/"content":"(\d{6,})"/g))
          delaysMs.push(Number(now - BigInt(at)) / 1e6);
        // An event that is not whole yet is looked at with its rest.
        rest = text.slice(text.lastIndexOf('\n') + 1);
        if (text.includes('[DONE]')) rest = '[DONE]';
      });
      const over = () => resolve({ isWhole: rest === '[DONE]' && delaysMs.length === tokens, delaysMs });
      response.once('end', over).once('error', over);
    });
    sent.once('error', () => resolve({ isWhole: false, delaysMs }));
    const content = `bench:paced:${tokens}:${everyMs}`;
    sent.end(JSON.stringify({ model: 'bench', stream: true, messages: [{ role: 'user', content }] }));
  });

await buildServer();
const worker = fork(fileURLToPath(new URL('worker.ts', import.meta.url)), ['1']);
const [[port]] = (await once(worker, 'message')) as [[number]];
console.log(`${availableParallelism()} processors; a token each ${everyMs} ms, ${tokens} a stream`);
for (const count of values.streams.split(',').map(Number)) {
  await using container = await startContainer({
    env: {
      GATEWAY_ALLOW_ANONYMOUS: 'true',
      LOCALAI_WORKERS: JSON.stringify([
        { id: 'bench', url: `http://127.0.0.1:${port}`, models: ['bench'], engine: 'vllm' },
      ]),
    },
  });
  const pid = container.child.pid ?? 0;
  const since = performance.now();
  const before = cpuMs([pid]);
  const streamed = await Promise.all(Array.from({ length: count }, () => readStream(container.origin)));
  const seconds = (performance.now() - since) / 1000;
  const delays = streamed.flatMap(({ delaysMs }) => delaysMs);
  const figures = [
    `${count} streams: ${streamed.filter(({ isWhole }) => isWhole).length} whole in ${seconds.toFixed(1)} s`,
    `a token late p50 ${percentile(delays, 0.5).toFixed(1)}, p99 ${percentile(delays, 0.99).toFixed(1)} ms`,
    `${((cpuMs([pid]) - before) / seconds / 10).toFixed(0)} % of a processor`,
    `${peakRssMb(pid).toFixed(0)} MB`,
  ];
  console.log(figures.join('; '));
}
worker.disconnect();
