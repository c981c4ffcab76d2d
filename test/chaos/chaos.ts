import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { endingOf } from '../support/endings.ts';
import { door, type Gateway, startGateway } from '../support/gateway.ts';
import { problemOf } from '../support/in-dialect.ts';
import { type Operation, operations, pathOf } from '../support/operations.ts';
import { seeded } from '../support/seeded.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { judge, judgeHeader } from './judge.ts';
import { mistakeWith } from './mistakes.ts';
import { createProblems, inLanes, tally } from './tally.ts';
import { startWeather } from './weather.ts';

export interface LoadOptions {
  readonly requests: number;
  /** Requests in flight at a time. */
  readonly atOnce: number;
  readonly seed: number;
}

export interface ChaosReport {
  readonly seconds: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** How successful replies ended (`test/support/endings.ts`). */
  readonly endings: Readonly<Record<string, number>>;
  readonly families: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  /** Requests that met more than one worker. */
  readonly failovers: number;
  /** Environments that ended before they were told to. */
  readonly exits: readonly string[];
  /** Everything that docs/contract.md does not allow, one line a kind. */
  readonly problems: readonly string[];
}

const model = 'chaos';
/** Less than a first byte's time, more than a busy machine needs to fail over. */
const keepAliveMs = 1200;
/** How long a worker may say nothing, in milliseconds. Workers, clients and judge share one thread, which many keep busy. */
const limitsFor = (atOnce: number) => {
  const scale = atOnce > 16 ? 2 : 1;
  return { idleMs: 4000 * scale, firstByteMs: 2500 * scale };
};
/** The share of requests that are their client's mistake. */
const mistaken = 0.05;

/** As agents compress what they send. */
const codings = [
  { name: 'gzip', encode: (text: string) => gzipSync(text) },
  { name: 'zstd', encode: (text: string) => zstdCompressSync(text) },
  { name: 'br', encode: (text: string) => brotliCompressSync(text) },
];

const load = async (
  gateway: Gateway,
  workers: readonly StandIn[],
  { requests, atOnce, seed, silenceMs }: LoadOptions & { readonly silenceMs: number },
): Promise<ChaosReport> => {
  const random = seeded(seed);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
  const weather = startWeather({ workers, random: seeded(seed + 1), spellMs: 150, silenceMs });
  const problems = createProblems();
  const seen: { status: number; ending: string | undefined; family: string; tries: number }[] = [];

  const err = async (one: Operation) => {
    const { status, path, options, isOurs } = mistakeWith(one, model, random);
    const received = await gateway.fetch(path, options);
    const complain = (what: string) =>
      problems.add(`a mistake of ${status}: ${what}`, `${path}: ${received.text.slice(0, 200)}`);
    if (received.status !== status) complain(`it is ${received.status}`);
    const problem = isOurs && problemOf(one.dialect, received.text);
    if (problem) complain(problem);
    if (received.headers['x-localai-node'] !== undefined) complain('a node header without a worker');
    seen.push({ status: received.status, ending: undefined, family: one.family, tries: 0 });
  };

  const ask = async (one: Operation, n: number) => {
    const stream = one.streams !== undefined && random() < 0.6;
    const id = `chaos-${seed}-${n}`;
    const from = performance.now();
    const isDouble = /^chat$|completions$/.test(one.name) && random() < 0.4;
    const plain = isDouble ? { ...(one.body(model, stream) as object), n: 2 } : one.body(model, stream);
    const coding = plain instanceof FormData || random() < 0.8 ? undefined : pick(codings);
    const headers = {
      'x-correlation-id': id,
      'x-session-id': `${n % 97}`,
      ...(coding && { 'content-type': 'application/json', 'content-encoding': coding.name }),
    };
    const body = coding ? coding.encode(JSON.stringify(plain)) : plain;
    const received = await gateway.fetch(pathOf(one, model), { body, headers });
    const met = weather.met(id);
    const away = weather.away(from, performance.now());
    for (const problem of [judge({ one, received, met, away }), judgeHeader({ one, received, met, away })]) {
      const way = met.map(({ worker, fault }) => `${worker.name}: ${fault?.name ?? 'well'}`).join(', ');
      const end = JSON.stringify(received.text.slice(-160));
      if (problem) problems.add(problem, `${id}, ${one.name}${stream ? ' streamed' : ''}, ${way}, ...${end}`);
    }
    const ending = received.status === 200 ? endingOf(one, received) : undefined;
    seen.push({ status: received.status, ending, family: one.family, tries: met.length });
  };

  const startedAt = performance.now();
  await inLanes(requests, atOnce, async (n) => {
    const one = pick(operations);
    const request = random() < mistaken ? err(one) : ask(one, n);
    await request.catch((error: Error) => problems.add(`no reply: ${error.message}`, `${n}, ${one.name}`));
  });
  const seconds = (performance.now() - startedAt) / 1000;
  await weather.clear();
  return {
    seconds,
    statuses: tally(seen.map(({ status }) => String(status))),
    endings: tally(seen.flatMap(({ ending }) => ending ?? [])),
    families: tally(seen.map(({ family }) => family)),
    faults: weather.counts(),
    failovers: seen.filter(({ tries }) => tries > 1).length,
    exits: gateway.logs.filter((line) => /environment \d+ ended/.test(line)),
    problems: problems.lines(),
  };
};

/**
 * Six workers under load while faults of every kind are switched on and off at random: what does not agree with
 * docs/contract.md is told.
 */
export const runChaos = async (options: LoadOptions): Promise<ChaosReport> => {
  const workers = await Promise.all(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((name, at) =>
      // Some close idle connections as uvicorn does, only sooner.
      startWorker({ name: `w${name}`, models: [model], ...(at % 3 === 0 && { idleCloseMs: 80 }) }),
    ),
  );
  const { idleMs, firstByteMs } = limitsFor(options.atOnce);
  const gateway = await startGateway({
    workers,
    env: {
      GATEWAY_MAX_ATTEMPTS: '6',
      // A container takes more of its own accord; what is judged is the same over every door.
      ...(door === 'container' && { GATEWAY_MAX_BODY_BYTES: String(6 * 1024 * 1024) }),
      // On a machine that is starved a connection takes its time; a refused one is told at once.
      GATEWAY_CONNECT_TIMEOUT_MS: '10000',
      GATEWAY_IDLE_TIMEOUT_SECONDS: `${idleMs / 1000}`,
      GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: `${firstByteMs / 1000}`,
      GATEWAY_KEEPALIVE_SECONDS: `${keepAliveMs / 1000}`,
    },
  });
  try {
    return await load(gateway, workers, { ...options, silenceMs: firstByteMs });
  } finally {
    await gateway.close();
    await Promise.all(workers.map((worker) => worker.close()));
  }
};
