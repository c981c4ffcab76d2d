import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { affinity } from '../../../../../lib/router/policies/affinity.ts';
import { policies, policyNames } from '../../../../../lib/router/policies/index.ts';
import { choose, type Hints, type Place, type Seen } from '../../../../../lib/router/policies/policy.ts';
import type { Worker } from '../../../../../lib/worker.ts';
import { seeded } from '../../../../support/seeded.ts';
import { fleetOf as fleet } from '../fleet-simulation.ts';

const chat = (conversationKey: string, promptTokens = 100, extra: Partial<Hints> = {}): Hints => ({
  model: 'm',
  conversationKey,
  systemKey: 'be kind',
  systemTokens: 10,
  promptTokens,
  ...extra,
});

const tenant = (system: string, conversation: string, extra: Partial<Hints> = {}): Hints => ({
  model: 'm',
  conversationKey: `${system} ${conversation}`,
  systemKey: system,
  systemTokens: 3000,
  promptTokens: 3200,
  ...extra,
});

const keyless: Hints = { model: 'm', systemTokens: 0, promptTokens: 300 };
const idle: Seen = { running: 0, waiting: 0 };
const ids = (places: readonly Place[]) => places.map(({ worker }) => worker.id);
const spreadOf = (counts: Iterable<number>, size: number) => {
  const all = [...counts];
  return Math.max(...all) / (all.reduce((sum, n) => sum + n, 0) / size);
};

describe('every policy', () => {
  test.each(policyNames)('%s names distinct candidates whose odds add up to one', (name) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 40 }),
        fc.record({
          model: fc.option(fc.string(), { nil: undefined }),
          conversationKey: fc.option(fc.string(), { nil: undefined }),
          systemKey: fc.option(fc.string(), { nil: undefined }),
          systemTokens: fc.nat(10_000),
          promptTokens: fc.nat(20_000),
          repeats: fc.option(fc.nat(1000), { nil: undefined }),
        }),
        fc.integer(),
        (size, hints, seed) => {
          const workers = fleet(size);
          const random = seeded(seed);
          const places = policies[name].places(workers, hints, random);
          if (size === 0) {
            expect(places).toEqual([]);
            expect(choose(places, [], random)).toBeUndefined();
            return;
          }
          expect(new Set(ids(places)).size).toBe(places.length);
          expect(places.length).toBeGreaterThan(0);
          expect(places.length).toBeLessThanOrEqual(4);
          for (const { worker } of places) expect(workers).toContain(worker);
          expect(places.reduce((sum, { odds }) => sum + odds, 0)).toBeCloseTo(1);
          expect(places.map(({ penalty }) => penalty)).toEqual(
            places.map(({ penalty }) => penalty).toSorted((a, b) => a - b),
          );
        },
      ),
    );
  });

  test.each(policyNames)(
    '%s spreads requests without a key: max/mean under 1.3, with load, without, and all busy',
    (name) => {
      for (const see of [() => idle, () => undefined, (): Seen => 'busy']) {
        const workers = fleet(8);
        const random = seeded(7);
        const counts = new Map(workers.map(({ id }) => [id, 0]));
        for (let i = 0; i < 4000; i += 1) {
          const places = policies[name].places(workers, keyless, random);
          const id = choose(places, places.map(see), random)?.worker.id as string;
          counts.set(id, (counts.get(id) ?? 0) + 1);
        }
        expect(spreadOf(counts.values(), 8)).toBeLessThan(1.3);
      }
    },
  );
});

describe('choosing a place', () => {
  const [a, b, c] = fleet(3) as [Worker, Worker, Worker];
  const places: Place[] = [
    { worker: a, penalty: 0, odds: 0.8 },
    { worker: b, penalty: 2, odds: 0 },
    { worker: c, penalty: 4, odds: 0.2 },
  ];
  const pick = (...seen: Seen[]) => choose(places, seen, () => 0)?.worker.id;

  test('the least load + penalty; a tie stays', () => {
    expect(pick(idle, idle, idle)).toBe(a.id);
    expect(pick({ running: 2, waiting: 0 }, idle, idle)).toBe(a.id);
    expect(pick({ running: 3, waiting: 0 }, idle, idle)).toBe(b.id);
    expect(pick({ running: 9, waiting: 0 }, { running: 4, waiting: 0 }, idle)).toBe(c.id);
  });

  test('a waiting request weighs three running ones', () => {
    expect(pick({ running: 0, waiting: 1 }, idle, idle)).toBe(b.id);
    expect(pick({ running: 2, waiting: 0 }, idle, { running: 0, waiting: 3 })).toBe(a.id);
  });

  test('busy is the last resort, not death', () => {
    expect(pick('busy', { running: 50, waiting: 50 }, 'busy')).toBe(b.id);
    expect(pick('busy', undefined, 'busy')).toBe(b.id);
    expect(pick('busy', 'busy', 'busy')).toBe(a.id);
  });

  test('an unknown load counts with the mean of the known ones', () => {
    expect(pick(undefined, { running: 4, waiting: 0 }, { running: 4, waiting: 0 })).toBe(a.id);
    expect(pick(undefined, idle, { running: 9, waiting: 0 })).toBe(b.id);
    expect(pick({ running: 9, waiting: 0 }, undefined, { running: 1, waiting: 0 })).toBe(c.id);
  });

  test('without any known load the odds decide', () => {
    const random = seeded(1);
    const counts = new Map<string, number>();
    for (let i = 0; i < 10_000; i += 1) {
      const id = choose(places, [undefined, undefined, undefined], random)?.worker.id as string;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect((counts.get(a.id) ?? 0) / 10_000).toBeCloseTo(0.8, 1);
    expect(counts.get(b.id)).toBeUndefined();
    expect((counts.get(c.id) ?? 0) / 10_000).toBeCloseTo(0.2, 1);
  });
});

describe('affinity', () => {
  test('two places by conversation and one by chance, in every environment the same', () => {
    const workers = fleet(16);
    const one = affinity.places(workers, chat('c'), seeded(1));
    const other = affinity.places(workers.toReversed(), chat('c', 900), seeded(2));
    expect(one).toHaveLength(3);
    expect(ids(other).slice(0, 2)).toEqual(ids(one).slice(0, 2));
    expect(one.map(({ penalty }) => penalty)).toEqual([0, 2, 4]);
    expect(other.map(({ penalty }) => penalty)).toEqual([0, 2.8, 5.6]);
  });

  test('the model belongs to the key', () => {
    const workers = fleet(100);
    const firsts = new Set(
      Array.from(
        { length: 20 },
        (_, i) => ids(affinity.places(workers, chat('c', 100, { model: `m${i}` }), seeded(1)))[0],
      ),
    );
    expect(firsts.size).toBeGreaterThan(10);
  });

  test('four places under a long system prompt, the first one by the prompt alone', () => {
    const workers = fleet(64);
    const conversations = Array.from({ length: 200 }, (_, i) =>
      affinity.places(workers, tenant('t', `c${i}`), seeded(i)),
    );
    const distinct = (place: number) => new Set(conversations.map((places) => ids(places)[place])).size;
    expect(conversations.every((places) => places.length === 4)).toBe(true);
    expect(distinct(0)).toBe(1);
    expect(distinct(1)).toBe(3);
    expect(distinct(2)).toBeGreaterThan(8);
    expect(distinct(2)).toBeLessThanOrEqual(15);
    expect(distinct(3)).toBeGreaterThan(30);
  });

  test('a system prompt that is short, or small beside the prompt, does not count', () => {
    const workers = fleet(64);
    const places = (extra: Partial<Hints>) => affinity.places(workers, tenant('t', 'c', extra), seeded(1)).length;
    expect(places({})).toBe(4);
    expect(places({ systemTokens: 999, promptTokens: 999 })).toBe(3);
    expect(places({ systemTokens: 3000, promptTokens: 6001 })).toBe(3);
  });

  test('a worker that leaves moves only its own conversations, and one that joins takes only its share', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 40 }), fc.nat(), (size, which) => {
        const workers = fleet(size);
        const gone = workers[which % size] as Worker;
        const rest = workers.filter((worker) => worker !== gone);
        for (let i = 0; i < 50; i += 1) {
          const [before, spare] = ids(affinity.places(workers, chat(`c${i}`), seeded(i)));
          const [after] = ids(affinity.places(rest, chat(`c${i}`), seeded(i)));
          expect(after).toBe(before === gone.id ? spare : before);
        }
      }),
    );
  });

  test('conversations spread evenly: first places over 8 workers stay under 1.2 of the mean', () => {
    const workers = fleet(8);
    const counts = new Map<string, number>();
    for (let i = 0; i < 8000; i += 1) {
      const id = ids(affinity.places(workers, chat(`c${i}`), seeded(i)))[0] as string;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect(spreadOf(counts.values(), 8)).toBeLessThan(1.2);
  });

  test('the last place is any worker of the rest', () => {
    const workers = fleet(6);
    const random = seeded(3);
    const last = new Set(Array.from({ length: 200 }, () => ids(affinity.places(workers, chat('c'), random)).at(-1)));
    expect(last.size).toBe(4);
  });

  test('fleets smaller than the number of places', () => {
    expect(affinity.places(fleet(1), tenant('t', 'c'), seeded(1))).toHaveLength(1);
    expect(affinity.places(fleet(2), chat('c'), seeded(1))).toHaveLength(2);
    expect(affinity.places(fleet(3), tenant('t', 'c'), seeded(1)).length).toBeLessThanOrEqual(3);
  });
});

describe('affinity without any load signal', () => {
  const shares = (hintsOf: (i: number) => Hints, size: number) => {
    const workers = fleet(size);
    const random = seeded(5);
    const counts = new Map<string, number>();
    const total = 4000;
    for (let i = 0; i < total; i += 1) {
      const places = affinity.places(workers, hintsOf(i), random);
      const id = choose(
        places,
        places.map(() => undefined),
        random,
      )?.worker.id as string;
      counts.set(id, (counts.get(id) ?? 0) + 1 / total);
    }
    return counts;
  };

  test('a conversation stays, the longer its prompt the surer', () => {
    expect(Math.max(...shares(() => chat('c', 100), 8).values())).toBeGreaterThan(0.87);
    expect(Math.max(...shares(() => chat('c', 6000), 8).values())).toBeGreaterThan(0.98);
  });

  test('a key that keeps coming leaves its worker', () => {
    const hot = shares(() => chat('hello', 20, { repeats: 30 }), 8);
    expect(hot.size).toBe(7);
    expect(Math.max(...hot.values())).toBeLessThan(0.3);
  });

  test('the conversations of one long system prompt share several workers, not all, and each keeps its own', () => {
    const hot = shares((i) => tenant('t', `c${i}`), 64);
    const busy = [...hot.values()].filter((share) => share > 0.01);
    expect(busy.length).toBeGreaterThan(5);
    expect(busy.length).toBeLessThanOrEqual(16);
    expect(Math.max(...hot.values())).toBeLessThan(0.4);
    expect(Math.max(...shares(() => tenant('t', 'c'), 64).values())).toBeGreaterThan(0.95);
  });

  test('a long system prompt without a conversation is not all on one worker', () => {
    const hot = shares(() => tenant('t', '', { conversationKey: undefined }), 16);
    expect(Math.max(...hot.values())).toBeLessThan(0.4);
  });
});
