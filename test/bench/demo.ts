import { startDemoWorkers } from '../../infra/local/demo-worker/launch.ts';
import { startGateway } from '../support/gateway.ts';

/**
 * All of the demo's endpoints at once, through the built functions:
 * `node infra/local/bootstrap.js test/bench/demo.ts [seconds] [at once]`.
 * Ends with 1 when a request fails, or when a node header and a worker's own count differ.
 */
const [seconds = 60, atOnce = 8] = process.argv.slice(2).map(Number);

const samples = Array.from({ length: 16_000 }, (_, i) => Math.sin(i / 20) / 2);
const messages = [{ role: 'user', content: 'Call me' }];
const REQUESTS: readonly [path: string, body: object][] = [
  ['/v1/chat/completions', { model: 'ngram', messages, max_tokens: 8, stream: true }],
  ['/v1/messages', { model: 'ngram', messages, max_tokens: 8 }],
  ['/api/chat', { model: 'ngram', messages, options: { num_predict: 8 } }],
  ['/v1/embeddings', { model: 'use-lite', input: 'How do I reset my password?' }],
  ['/v1/rerank', { model: 'use-lite', query: 'password', documents: ['I forgot my login', 'The weather'] }],
  ['/v1/audio/speech', { model: 'flite', voice: 'alloy', input: 'Hello world.' }],
  ['/v1/vad', { model: 'ten-vad', audio: samples }],
  ['/v1/images/generations', { model: 'procedural-image', prompt: 'the sea', size: '64x64' }],
];

const demo = await startDemoWorkers({ count: 2 });
const gateway = await startGateway({ workers: demo.workers });
const served = async () =>
  Promise.all(
    demo.workers.map(async ({ id, url }) => {
      const load = (await (await fetch(`${url}/load`)).json()) as { served: Record<string, number> };
      return [id, Object.values(load.served).reduce((sum, count) => sum + count, 0)] as const;
    }),
  );

const named = new Map<string, number>(demo.workers.map(({ id }) => [id, 0]));
const times: number[] = [];
const failures: string[] = [];
const until = performance.now() + seconds * 1000;
let next = 0;
const client = async () => {
  while (performance.now() < until) {
    const [path, body] = REQUESTS[next++ % REQUESTS.length] as (typeof REQUESTS)[number];
    const since = performance.now();
    const received = await gateway.fetch(path, { body });
    times.push(performance.now() - since);
    const node = String(received.headers['x-localai-node']);
    named.set(node, (named.get(node) ?? 0) + 1);
    if (received.status !== 200 || !received.complete) failures.push(`${path}: ${received.status} ${received.text}`);
  }
};
await Promise.all(Array.from({ length: atOnce }, client));

const counts = await served();
times.sort((a, b) => a - b);
const isExact = counts.every(([id, count]) => named.get(id) === count);
console.log(
  JSON.stringify({
    requests: times.length,
    failures: failures.length,
    p50_ms: Math.round(times[times.length >> 1] ?? 0),
    p99_ms: Math.round(times[Math.floor(times.length * 0.99)] ?? 0),
    header: Object.fromEntries(named),
    served: Object.fromEntries(counts),
  }),
);
for (const failure of failures.slice(0, 5)) console.error(failure);
await gateway.close();
await demo.close();
process.exitCode = failures.length === 0 && isExact && named.size === demo.workers.length ? 0 : 1;
