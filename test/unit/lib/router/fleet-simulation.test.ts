import { describe, expect, test } from '@jest/globals';
import { policies } from '../../../../lib/router/policies/index.ts';
import type { Hints } from '../../../../lib/router/policies/policy.ts';
import { createRepeats } from '../../../../lib/router/repeats.ts';
import type { Worker } from '../../../../lib/worker.ts';
import { seeded } from '../../../support/seeded.ts';
import { chats, fleetOf, maxToMean, type Request, type Served, shareAtFirst, simulate } from './fleet-simulation.ts';

const seeds = Array.from({ length: 10 }, (_, i) => 1000 * (i + 1));
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] as number;
const sharesOf = (served: readonly Served[]) => {
  const shares = new Map<string, number>();
  for (const { worker } of served) shares.set(worker, (shares.get(worker) ?? 0) + 1 / served.length);
  return [...shares.values()].toSorted((a, b) => b - a);
};

/** 200 conversations of 5 turns over 8 workers of 4 slots; answers take a second. */
const run = (seed: number, inFlight: number, name: keyof typeof policies = 'affinity', tokensPerTurn = 150) => {
  const random = seeded(seed);
  const requests = chats(200, 5, { perSecond: inFlight * 8, random, tokensPerTurn }).map((request) => ({
    ...request,
    hints: { ...request.hints, model: `m${seed}` },
  }));
  return simulate(policies[name], requests, { workers: fleetOf(8), slots: 4, seconds: 1, random });
};

/** One request of `hints` per `1 / perSecond` seconds. */
const stream = (count: number, perSecond: number, hints: (i: number) => Hints): Request[] =>
  Array.from({ length: count }, (_, i) => ({ at: i / perSecond, conversation: `${i}`, hints: hints(i) }));

const system = 'You are the assistant of the tenant that has most of the traffic.';

describe('a simulated fleet that reports load', () => {
  test.each([5, 150, 600])(
    'light load, %d tokens a turn: at least 95 %% of the turns stay at their first worker',
    (tokens) => {
      const shares = seeds.map((seed) => shareAtFirst(run(seed, 0.25, 'affinity', tokens)));
      expect(Math.min(...shares)).toBeGreaterThanOrEqual(0.95);
    },
  );

  test('70 % of the slots: most turns stay, no worker has much more than the others', () => {
    const served = seeds.map((seed) => run(seed, 2.8));
    expect(median(served.map(shareAtFirst))).toBeGreaterThan(0.65);
    expect(median(served.map((one) => maxToMean(one, 8)))).toBeLessThan(1.3);
    const waits = (name: 'affinity' | 'random') =>
      median(seeds.map((seed) => median(run(seed, 2.8, name).map(({ took }) => took))));
    expect(waits('affinity')).toBeLessThan(waits('random') * 1.05);
  });

  test('without a key: max/mean under 1.3', () => {
    for (const seed of seeds) {
      const random = seeded(seed);
      const requests = stream(2000, 8 * 2.8, () => ({ model: 'm', systemTokens: 0, promptTokens: 300 }));
      const served = simulate(policies.affinity, requests, { workers: fleetOf(8), slots: 4, seconds: 1, random });
      expect(maxToMean(served, 8)).toBeLessThan(1.3);
    }
  });

  test('a tenant with 40 % of the traffic gets several workers, not all', () => {
    for (const size of [8, 16]) {
      const random = seeded(size);
      const requests = stream(6000, size * 2.8, (i) =>
        i % 5 < 2
          ? { model: 'm', conversationKey: `t${i}`, systemKey: system, systemTokens: 2000, promptTokens: 2100 }
          : { model: 'm', conversationKey: `c${i}`, systemKey: `s${i}`, systemTokens: 20, promptTokens: 300 },
      );
      const served = simulate(policies.affinity, requests, { workers: fleetOf(size), slots: 4, seconds: 1, random });
      const hot = sharesOf(served.filter(({ request }) => request.hints.systemTokens > 1000));
      expect(hot[0]).toBeLessThan(0.5);
      expect(hot.filter((share) => share > 0.05).length).toBeGreaterThanOrEqual(3);
      expect(hot.filter((share) => share > 0.05).length).toBeLessThan(size);
      expect(maxToMean(served, size)).toBeLessThan(2);
    }
  });

  test('one key for everybody does not end on two workers', () => {
    const random = seeded(4);
    const requests = stream(4000, 16, () => ({
      model: 'm',
      conversationKey: 'hello',
      systemTokens: 0,
      promptTokens: 20,
    }));
    const served = simulate(policies.affinity, requests, { workers: fleetOf(8), slots: 4, seconds: 1, random });
    expect(sharesOf(served)[0]).toBeLessThan(0.3);
    expect(sharesOf(served)).toHaveLength(8);
  });

  test('32 at once do not herd onto one worker', () => {
    for (const name of ['affinity', 'power-of-two'] as const) {
      const random = seeded(9);
      const requests = Array.from({ length: 32 }, (_, i) => ({
        at: 0,
        conversation: `${i}`,
        hints: { model: 'm', systemTokens: 0, promptTokens: 100 },
      }));
      const served = simulate(policies[name], requests, { workers: fleetOf(8), slots: 4, seconds: 1, random });
      expect(maxToMean(served, 8)).toBeLessThan(2.5);
    }
  });

  test('a worker that leaves takes its conversations along, the others stay', () => {
    const random = seeded(2);
    const workers = fleetOf(8);
    const requests = chats(400, 6, { perSecond: 2, random });
    const half = 600;
    const served = simulate(policies.affinity, requests, {
      workers,
      slots: 4,
      seconds: 1,
      random,
      candidates: (at) => (at < half ? workers : workers.slice(1)),
    });
    const gone = (workers[0] as Worker).id;
    const last = new Map<string, string>();
    const moved = { away: 0, others: 0, all: 0 };
    for (const { request, worker } of served.toSorted((a, b) => a.request.at - b.request.at)) {
      const before = last.get(request.conversation);
      if (request.at < half) last.set(request.conversation, worker);
      else if (before !== undefined) {
        last.delete(request.conversation);
        moved.all += 1;
        expect(worker).not.toBe(gone);
        if (before === gone) moved.away += 1;
        else if (before !== worker) moved.others += 1;
      }
    }
    expect(moved.away).toBeGreaterThan(0);
    expect(moved.others / moved.all).toBeLessThan(0.03);
  });
});

describe('a simulated fleet that reports no load', () => {
  /** Every environment has its own memory of repeats, and gets its requests by chance. */
  const runBlind = (requests: readonly Request[], size: number, environments = 20) => {
    const random = seeded(size);
    const clock = { ms: 0 };
    const memories = Array.from({ length: environments }, () => createRepeats({ now: () => clock.ms }));
    const noted = requests
      .toSorted((a, b) => a.at - b.at)
      .map((request) => {
        clock.ms = request.at * 1000;
        const repeats = memories[Math.floor(random() * environments)]?.count(request.hints) ?? 0;
        return { ...request, hints: { ...request.hints, repeats } };
      });
    return simulate(policies.affinity, noted, { workers: fleetOf(size), slots: 4, seconds: 1, random, reports: false });
  };

  test('conversations mostly stay at their worker', () => {
    const served = runBlind(chats(200, 5, { perSecond: 2, random: seeded(1), tokensPerTurn: 400 }), 8);
    expect(shareAtFirst(served)).toBeGreaterThan(0.8);
    expect(maxToMean(served, 8)).toBeLessThan(1.8);
  });

  test('one beginning for everybody spreads over the fleet', () => {
    const hello = () => ({ model: 'm', conversationKey: 'hello', systemTokens: 0, promptTokens: 20 });
    const served = runBlind(stream(2000, 16, hello), 8);
    // The key's second worker takes nothing without load: what leaves goes to the workers that no key names.
    expect(sharesOf(served)).toHaveLength(7);
    expect(sharesOf(served)[0]).toBeLessThan(0.4);
  });
});
