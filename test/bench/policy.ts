import { policies } from '../../lib/router/policies/index.ts';
import { choose, type Hints } from '../../lib/router/policies/policy.ts';
import type { Worker } from '../../lib/worker.ts';
import { spreadOf } from './statistics.ts';

/** `node infra/local/bootstrap.js test/bench/policy.ts`: microseconds per choice among 1,000 workers, probes left out. */
const workers = Array.from(
  { length: 1_000 },
  (_, n): Worker => ({ id: `node-${n}`, name: `n${n}`, url: `http://10.0.0.${n}`, status: 'healthy', engine: 'vllm' }),
);
const system = 'You are the assistant of a large company. '.repeat(200);
const kinds: Readonly<Record<string, (n: number) => Hints>> = {
  chat: (n) => ({ model: 'm', conversationKey: `c${n}`, systemKey: 'be kind', systemTokens: 50, promptTokens: 500 }),
  'long system prompt': (n) => ({
    model: 'm',
    conversationKey: `${system}${n}`,
    systemKey: system,
    systemTokens: system.length / 4,
    promptTokens: system.length / 4 + 100,
  }),
  'no key': () => ({ model: 'm', systemTokens: 0, promptTokens: 100 }),
};

const CHOICES = 1_000;
const run = (hintsOf: (n: number) => Hints): number => {
  const startedAt = performance.now();
  for (let n = 0; n < CHOICES; n += 1) {
    const places = policies.affinity.places(workers, hintsOf(n), Math.random);
    const seen = places.map((_, i) => ({ running: (n + i) % 4, waiting: 0 }));
    if (!choose(places, seen, Math.random)) throw new Error('nobody was chosen');
  }
  return ((performance.now() - startedAt) * 1_000) / CHOICES;
};

for (const [kind, hintsOf] of Object.entries(kinds)) {
  run(hintsOf);
  const { median, min, max } = spreadOf(Array.from({ length: 11 }, () => run(hintsOf)));
  const figures = [median, min, max].map((value) => value.toFixed(1));
  console.log(`${kind}: ${figures[0]} µs a choice (${figures[1]} to ${figures[2]})`);
}
