import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createEjection } from '../../../../lib/router/ejection.ts';

const workers = [{ id: 'a' }, { id: 'b' }];

const setup = (random = () => 0) => {
  const clock = { ms: 1_000_000 };
  return { clock, ejection: createEjection({ now: () => clock.ms, random }) };
};

/** As a router reads it: who is not out; when all are, all. */
const openOf = <T extends { readonly id: string }>(
  { isEjected }: ReturnType<typeof createEjection>,
  all: readonly T[],
): readonly T[] => {
  const open = all.filter(({ id }) => !isEjected(id));
  return open.length === 0 ? all : open;
};

describe('ejection', () => {
  test('a failure takes a worker out, for longer each time in a row', () => {
    const { clock, ejection } = setup();
    for (const span of [10_000, 30_000, 90_000, 120_000, 120_000]) {
      ejection.failed('a');
      expect(openOf(ejection, workers)).toEqual([{ id: 'b' }]);
      clock.ms += span - 1;
      expect(ejection.isEjected('a')).toBe(true);
      clock.ms += 1;
      expect(ejection.isEjected('a')).toBe(false);
    }
  });

  test('a success lets it in again and forgets its past', () => {
    const { clock, ejection } = setup();
    ejection.failed('a');
    ejection.failed('a');
    ejection.succeeded('a');
    expect(openOf(ejection, workers)).toEqual(workers);
    ejection.failed('a');
    clock.ms += 10_000;
    expect(ejection.isEjected('a')).toBe(false);
  });

  test('on probation one request tries it; an outcome that never comes ends the trial', () => {
    const { clock, ejection } = setup();
    ejection.failed('a');
    clock.ms += 10_000;
    expect(ejection.isEjected('a')).toBe(false);
    ejection.started('a');
    expect(ejection.isEjected('a')).toBe(true);
    clock.ms += 10_000;
    expect(ejection.isEjected('a')).toBe(false);
  });

  test('a request that was under way when the worker was ejected does not lengthen it', () => {
    const { clock, ejection } = setup();
    ejection.failed('a');
    clock.ms += 5_000;
    ejection.started('a');
    clock.ms += 5_000;
    expect(ejection.isEjected('a')).toBe(false);
  });

  test('a worker that dies under many requests has failed once, on probation too', () => {
    const { clock, ejection } = setup();
    for (const span of [10_000, 30_000]) {
      for (let i = 0; i < 64; i += 1) ejection.failed('a');
      clock.ms += span;
      expect(ejection.isEjected('a')).toBe(false);
      ejection.started('a');
    }
  });

  test('three 500s without a success between them are a failure, and after its time each further one', () => {
    const { clock, ejection } = setup();
    expect([ejection.errored('a'), ejection.errored('a')]).toEqual([false, false]);
    ejection.succeeded('a');
    expect([ejection.errored('a'), ejection.errored('a'), ejection.isEjected('a')]).toEqual([false, false, false]);
    expect([ejection.errored('a'), ejection.isEjected('a')]).toEqual([true, true]);
    clock.ms += 10_000;
    expect([ejection.isEjected('a'), ejection.errored('a'), ejection.isEjected('a')]).toEqual([false, true, true]);
    expect(ejection.isEjected('b')).toBe(false);
  });

  test('starting on a worker that never failed changes nothing', () => {
    const { ejection } = setup();
    ejection.started('a');
    expect(openOf(ejection, workers)).toEqual(workers);
  });

  test('all out means all are tried', () => {
    const { ejection } = setup();
    ejection.failed('a');
    ejection.failed('b');
    expect(openOf(ejection, workers)).toEqual(workers);
  });

  test('time is read off the clock: right on the first look after a freeze, and when the clock is set back', () => {
    const { clock, ejection } = setup();
    ejection.failed('a');
    clock.ms += 3_600_000;
    expect(ejection.isEjected('a')).toBe(false);
    ejection.failed('b');
    clock.ms -= 7_200_000;
    expect(ejection.isEjected('b')).toBe(false);
  });

  test('times are spread by chance, up to half', () => {
    const { clock, ejection } = setup(() => 0.999);
    ejection.failed('a');
    clock.ms += 14_900;
    expect(ejection.isEjected('a')).toBe(true);
    clock.ms += 100;
    expect(ejection.isEjected('a')).toBe(false);
  });

  test('memory is bounded when ids come and go', () => {
    const { ejection } = setup();
    for (let i = 0; i < 5000; i += 1) ejection.failed(`task-${i}`);
    const remembered = Array.from({ length: 5000 }, (_, i) => `task-${i}`).filter(ejection.isEjected);
    expect(remembered).toHaveLength(1024);
    expect(remembered.at(-1)).toBe('task-4999');
  });

  test('never returns nothing, and never invents a worker', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.constantFrom('failed', 'succeeded', 'started'), fc.constantFrom('a', 'b', 'c'), fc.nat(60_000)),
        ),
        (events) => {
          const { clock, ejection } = setup(Math.random);
          const all = [{ id: 'a' }, { id: 'b' }, { id: 'c' }];
          for (const [event, id, pause] of events) {
            ejection[event as 'failed'](id);
            clock.ms += pause;
            const open = openOf(ejection, all);
            expect(open.length).toBeGreaterThan(0);
            expect(all).toEqual(expect.arrayContaining([...open]));
          }
        },
      ),
    );
  });

  // One bad worker of two, chosen by chance among those that are in; requests per second of one environment.
  test.each([0.5, 1, 3, 10, 50])('a bad one of two gets under 5 %% after the first five requests, at %d/s', (rate) => {
    for (let seed = 0; seed < 50; seed += 1) {
      let state = seed;
      const random = () => {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
        return state / 2_147_483_648;
      };
      const { clock, ejection } = setup(random);
      let tries = 0;
      const total = 205;
      let tried = 0;
      for (let i = 0; i < total; i += 1) {
        let open = openOf(ejection, workers);
        let id = open[Math.floor(random() * open.length)]?.id as string;
        if (id === 'a') {
          if (tried > 5) tries += 1;
          ejection.started(id);
          ejection.failed(id);
          open = openOf(ejection, workers);
          id = open[0]?.id as string;
        }
        ejection.succeeded(id);
        tried += 1;
        clock.ms += 1000 / rate;
      }
      expect(tries / (total - 5)).toBeLessThan(0.05);
    }
  });
});
