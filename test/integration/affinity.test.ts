import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Aws, startAws } from '../support/aws.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { seeded } from '../support/seeded.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import {
  latenessOf,
  maxToMean,
  perNode,
  runTraffic,
  shareAtFirst,
  type TrafficOptions,
  type Turn,
} from '../support/traffic.ts';

/**
 * Issue "Discovery ... routing", affinity: the built function in environments that share nothing (several gateways side
 * by side, a conversation's next turn never goes to the one of its last), over workers that report load as llama.cpp does.
 */
const model = 'test-model';
const prefix = '/localai-gateway/test';
const TTL_SECONDS = 1;
const WORKERS = 8;
const SLOTS = 4;
const GATEWAYS = 8;
/** At most, for each gateway. */
const ENVIRONMENTS = 6;

let aws: Aws;
let workers: StandIn[];
let gateways: Gateway[];
/** Milliseconds of work per request; the tests set it. */
let workMs = 0;

beforeAll(async () => {
  workers = await Promise.all(
    Array.from({ length: WORKERS }, (_, n) =>
      startWorker({ name: `w${n}`, models: [model], engine: 'llamacpp', slots: SLOTS, workMs: () => workMs }),
    ),
  );
  aws = await startAws();
  const env = { ...aws.env, GATEWAY_SSM_PREFIX: prefix, GATEWAY_CONFIG_TTL_SECONDS: String(TTL_SECONDS) };
  const limits = { maxEnvironments: ENVIRONMENTS };
  const functions = ['openai', 'registrar'];
  gateways = await Promise.all(Array.from({ length: GATEWAYS }, () => startGateway({ functions, env, limits })));
  await register(workers);
  // Every gateway starts with as many environments as it will need at once: a cold start is not what is measured.
  workMs = 400;
  const first = gateways.flatMap((gateway) =>
    Array.from({ length: ENVIRONMENTS }, (_, n) => ask(gateway, chat(1_000 + n))),
  );
  await Promise.all(first);
}, 120_000);
afterAll(async () => {
  await Promise.all((gateways ?? []).map((gateway) => gateway.close()));
  await Promise.all([...(workers ?? []), ...(aws ? [aws] : [])].map((one) => one.close()));
});

/** Says who the workers are, and lets the registrar find out how they are. */
const register = async (present: readonly StandIn[]) => {
  const described = present.map(({ name, url }) => ({ id: `node-${name}`, url, engine: 'llamacpp', models: [model] }));
  aws.ssm.put(`${prefix}/services/chat`, JSON.stringify({ workers: described }));
  const schedule = { 'detail-type': 'Scheduled Event', source: 'aws.events' };
  expect(await gateways[0]?.invoke('registrar', schedule)).toMatchObject({ healthy: present.length });
};

const words = (what: string, length: number) => what.repeat(Math.ceil(length / what.length)).slice(0, length);

/** The body of a chat's next turn: one of eight apps' system prompts, and a history that grows. */
const chat = (conversation: number, turn = 0, system = words(`You serve app ${conversation % 8}. `, 1_200)) => ({
  model,
  messages: [
    { role: 'system', content: system },
    { role: 'user', content: words(`Conversation ${conversation}: how do I do this? `, 600) },
    ...Array.from({ length: turn }, () => [
      { role: 'assistant', content: words('Like this. ', 600) },
      { role: 'user', content: words('And then? ', 300) },
    ]).flat(),
  ],
});

const ask = (gateway: Gateway, body: object, path = '/v1/chat/completions') => gateway.fetch(path, { body });

const gatewayOf = (conversation: number, turn: number) => gateways[(conversation + turn) % GATEWAYS] as Gateway;

interface Served {
  readonly turns: readonly Turn[];
  /** Requests in flight per worker, as it came out. */
  readonly inFlight: number;
}

/** Probes have 50 ms: a machine later than that makes workers look busy that are not. */
const LATEST_MS = 50;

/**
 * @param inFlight requests per worker, on average
 * @param ms work of each request. On a machine too busy for the pace: again, slower, which leaves the load as it is.
 */
const run = async (
  inFlight: number,
  ms: number,
  more: Partial<TrafficOptions> & { readonly prepare?: () => Promise<void> } = {},
): Promise<Served> => {
  await more.prepare?.();
  workMs = ms;
  const perSecond = (inFlight * WORKERS * 1_000) / ms;
  const began = performance.now();
  const turns = await runTraffic({
    conversations: 200,
    turns: 5,
    perSecond,
    // Three standard deviations above the mean of a Poisson process.
    atOnce: Math.ceil(inFlight * WORKERS + 3 * Math.sqrt(inFlight * WORKERS)),
    random: seeded(7),
    ask: (conversation, turn) => ask(gatewayOf(conversation, turn), chat(conversation, turn)),
    ...more,
  });
  const seconds = (performance.now() - began) / 1_000;
  expect(turns.filter(({ status }) => status !== 200)).toEqual([]);
  if (latenessOf(turns) > LATEST_MS && ms < 400) return run(inFlight, ms * 2, more);
  return { turns, inFlight: (turns.length * ms) / 1_000 / seconds / WORKERS };
};

/** The figures of a test, in the output of the run. */
const note = (what: string, { turns, inFlight }: Served, more = '') => {
  const environments = gateways.flatMap((gateway) => gateway.environments()).length;
  const figures = `${inFlight.toFixed(2)} in flight a worker, max/mean ${maxToMean(turns, WORKERS).toFixed(2)}`;
  process.stdout.write(`${what}: ${figures}${more} (${turns.length} requests, ${environments} environments)\n`);
};

describe('200 conversations of 5 turns over 8 workers', () => {
  test('light load: at least 95 % of the turns reach the worker of their first', async () => {
    const served = await run(0.25, 30);
    note('light', served, `, ${(100 * shareAtFirst(served.turns)).toFixed(1)} % at first`);
    expect(shareAtFirst(served.turns)).toBeGreaterThanOrEqual(0.95);
  }, 180_000);

  test('70 % of the slots: most turns stay, and no worker has much more than the others', async () => {
    const served = await run(0.7 * SLOTS, 250);
    note('70 %', served, `, ${(100 * shareAtFirst(served.turns)).toFixed(1)} % at first`);
    expect(shareAtFirst(served.turns)).toBeGreaterThan(0.6);
    expect(maxToMean(served.turns, WORKERS)).toBeLessThan(1.4);
  }, 180_000);
});

test('a system prompt with 40 % of the traffic gets several workers, not all', async () => {
  const system = words('You are the assistant of the tenant that has most of the traffic. ', 8_000);
  const isHot = (conversation: number) => conversation % 5 < 2;
  const served = await run(0.7 * SLOTS, 250, {
    conversations: 800,
    turns: 1,
    ask: (conversation, turn) =>
      ask(gatewayOf(conversation, turn), chat(conversation, turn, isHot(conversation) ? system : undefined)),
  });
  const hot = served.turns.filter(({ conversation }) => isHot(conversation));
  const shares = perNode(hot).map(([, count]) => count / hot.length);
  note('hot prompt', served, `, its workers ${shares.map((share) => share.toFixed(2)).join(' ')}`);
  const carrying = shares.filter((share) => share > 0.05);
  expect(carrying.length).toBeGreaterThanOrEqual(3);
  expect(carrying.length).toBeLessThan(WORKERS);
  expect(shares[0]).toBeLessThan(0.6);
}, 180_000);

test('requests without a key: max/mean under 1.3', async () => {
  const served = await run(0.7 * SLOTS, 250, {
    conversations: 800,
    turns: 1,
    ask: (conversation, turn) =>
      ask(gatewayOf(conversation, turn), { model, input: `text ${conversation}` }, '/v1/embeddings'),
  });
  note('no key', served);
  expect(maxToMean(served.turns, WORKERS)).toBeLessThan(1.3);
}, 180_000);

test('one worker stops: its conversations move, the others stay, nothing fails', async () => {
  const [gone, ...left] = workers as [StandIn, ...StandIn[]];
  let asked = 0;
  let stoppedAt = Number.POSITIVE_INFINITY;
  let knownAt = Number.POSITIVE_INFINITY;
  const served = await run(0.25, 30, {
    turns: 7,
    prepare: async () => {
      await gone.refuse();
      await gone.listen();
      await register(workers);
      asked = 0;
      stoppedAt = Number.POSITIVE_INFINITY;
      knownAt = Number.POSITIVE_INFINITY;
    },
    ask: async (conversation, turn) => {
      asked += 1;
      if (asked === 600) {
        stoppedAt = performance.now();
        await Promise.all([gone.refuse(), register(left)]);
        // The latest any environment may read it (docs/contract.md 3.1).
        knownAt = performance.now() + 3 * TTL_SECONDS * 1_000;
      }
      return ask(gatewayOf(conversation, turn), chat(conversation, turn));
    },
  });
  const lastOf = new Map<number, string>();
  const moved = { its: [0, 0], others: [0, 0] } as const satisfies Record<string, [number, number]>;
  for (const { conversation, sentAt, node } of served.turns) {
    const before = lastOf.get(conversation);
    if (sentAt < stoppedAt) lastOf.set(conversation, node);
    if (sentAt < knownAt || before === undefined) continue;
    expect(node).not.toBe(`node-${gone.name}`);
    lastOf.delete(conversation);
    const group = moved[before === `node-${gone.name}` ? 'its' : 'others'] as [number, number];
    group[0] += before === node ? 0 : 1;
    group[1] += 1;
  }
  const { its, others } = moved;
  note('one stops', served, `, moved: ${its[0]} of its ${its[1]} conversations, ${others[0]} of ${others[1]} others`);
  expect(its[1]).toBeGreaterThan(10);
  expect(others[1]).toBeGreaterThan(100);
  expect(its[0]).toBe(its[1]);
  expect(others[0] / others[1]).toBeLessThan(0.05);
}, 180_000);
