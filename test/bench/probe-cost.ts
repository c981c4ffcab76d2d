import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from '../../infra/build.js';
import { type Asked, createClient } from './client.ts';
import { forked, workerSetting } from './paths.ts';
import type { Started } from './platform.ts';
import { median, percentile } from './statistics.ts';

/**
 * `node infra/local/bootstrap.js test/bench/probe-cost.ts [requests]`: what asking workers for their load adds to a
 * request, at two and eight workers. The same gateway with workers that report load and with workers that report none;
 * requests one at a time and in turns, so that what slows the machine down slows both, and each later than the 100 ms
 * for which an answer may be used again.
 */
const requests = Number(process.argv[2] ?? 300);
const REUSED_MS = 100;
const WARM_UP = 20;

const system = (length: number) =>
  'You are the assistant of a large company. '.repeat(1 + length / 40).slice(0, length);
const chat = (systemLength: number, n: number): Asked => ({
  path: '/v1/chat/completions',
  contentType: 'application/json',
  body: Buffer.from(
    JSON.stringify({
      model: 'bench',
      messages: [
        { role: 'system', content: system(systemLength) },
        { role: 'user', content: `Question ${n}: what is this?` },
      ],
    }),
  ),
});
/** By what the request asks about: conversations two keyed workers and one more, long system prompts three and one. */
const kinds: Readonly<Record<string, (n: number) => Asked>> = {
  chat: (n) => chat(60, n),
  'long system prompt': (n) => chat(8_000, n),
  'no key': (n) => ({
    path: '/v1/embeddings',
    contentType: 'application/json',
    body: Buffer.from(JSON.stringify({ model: 'bench', input: `text ${n}` })),
  }),
};

const outdir = join(fileURLToPath(new URL('../..', import.meta.url)), 'dist', 'bench', 'probe-cost');
await build({ functions: ['openai'], outdir });
const worker = await forked<number[]>('worker.ts', ['8']);
const urls = worker.answer.map((port) => `http://127.0.0.1:${port}`);
const fn = (name: string, count: number, engine: 'localai' | 'vllm') => ({
  name,
  bundleDir: join(outdir, 'openai'),
  handler: 'index.handler',
  timeoutSeconds: 900,
  memory: 512,
  environment: { LOCALAI_WORKERS: workerSetting(urls.slice(0, count), engine), GATEWAY_ALLOW_ANONYMOUS: 'true' },
  hasUrl: true,
});
const counts = [2, 8];
const functions = counts.flatMap((count) => [fn(`${count}`, count, 'localai'), fn(`${count}-probed`, count, 'vllm')]);
const platform = await forked<Started>('platform.ts', [], { functions });
const client = createClient();

/** Milliseconds from request to whole answer, one a round, by function and kind. */
const times = new Map(
  functions.flatMap(({ name }) => Object.keys(kinds).map((kind): [string, number[]] => [`${name} ${kind}`, []])),
);
for (let n = -WARM_UP; n < requests; n += 1) {
  for (const [kind, asked] of Object.entries(kinds)) {
    const startedAt = performance.now();
    // Whoever comes first after the pause finds the machine asleep: each in its turn.
    for (let turn = 0; turn < functions.length; turn += 1) {
      const { name } = functions[(turn + n + WARM_UP) % functions.length] as (typeof functions)[number];
      const { totalMs } = await client.ask(platform.answer.urls[name] ?? '', asked(n));
      if (n >= 0) times.get(`${name} ${kind}`)?.push(totalMs);
    }
    const left = REUSED_MS * 1.2 - (performance.now() - startedAt);
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
  }
}
client.close();
for (const { child } of [platform, worker]) child.disconnect();

const ms = (value: number) => value.toFixed(2);
console.log(`${requests} requests of each kind, one at a time; milliseconds`);
console.log('| workers | request | p50 without | p50 with probes | added p50 | added, quartiles of pairs | p99 with |');
console.log('|---|---|---|---|---|---|---|');
for (const count of counts) {
  for (const kind of Object.keys(kinds)) {
    const without = times.get(`${count} ${kind}`) ?? [];
    const probed = times.get(`${count}-probed ${kind}`) ?? [];
    const pairs = probed.map((value, round) => value - (without[round] ?? Number.NaN));
    const quartiles = [0.25, 0.75].map((share) => ms(percentile(pairs, share))).join(' to ');
    const added = ms(median(probed) - median(without));
    const cells = [
      count,
      kind,
      ms(median(without)),
      ms(median(probed)),
      added,
      quartiles,
      ms(percentile(probed, 0.99)),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}
