import { describe, expect, test } from '@jest/globals';
import type { CallSsm } from '../../../../lib/aws/ssm-client.ts';
import type { ScaledService } from '../../../../lib/discovery/scaled-service.ts';
import type { Snapshot } from '../../../../lib/discovery/source.ts';
import { createWishes, type Wishes } from '../../../../lib/discovery/wishes.ts';
import { type WakingOptions, waitForService } from '../../../../lib/inference/waking.ts';
import type { Clock } from '../../../../lib/time/clock.ts';
import { seeded } from '../../../support/seeded.ts';
import { serviceOf } from '../scripted-fleet.ts';
import { createFakeClock } from '../time/fake-clock.ts';

/** docs/contract.md 11, "Wake" and "Wait", with a clock that nobody waits for. */
const snapshotOf = (service: ScaledService | undefined): Snapshot => ({
  workers: [],
  exposeNodeHeader: false,
  apiKeys: [],
  adminKeys: [],
  aliases: {},
  services: service ? [service] : [],
});

const CALL_MS = 2_000;
/** Runs a wait over what readings of the fleet find, by the milliseconds since its beginning. */
const wait = async (at: (ms: number) => ScaledService | undefined, more: Partial<WakingOptions> = {}) => {
  const begin = 1_000_000_000;
  let now = begin;
  const asked: { what: string; ms: number }[] = [];
  const readings: number[] = [];
  const later: (() => Promise<void>)[] = [];
  const clock: Clock = {
    now: () => now,
    sleep: async (ms, signal) => {
      // What limits a call: calls here take no time.
      if (ms === CALL_MS) return new Promise((resolve) => signal?.addEventListener('abort', () => resolve()));
      now += ms;
    },
  };
  let parameter: string | undefined;
  const wishes = createWishes({
    prefix: '/p',
    clock,
    log: () => {},
    call: async (operation, input) => {
      asked.push({ what: operation, ms: now - begin });
      if (operation === 'GetParameters') {
        return { Parameters: parameter === undefined ? [] : [{ Name: '/p/runtime/wake/chat', Value: parameter }] };
      }
      parameter = (input as { Value: string }).Value;
      return {};
    },
  });
  const woken = await waitForService({
    snapshot: snapshotOf(at(0)),
    wanted: ({ services = [] }) => services[0],
    refreshed: async () => {
      readings.push(now - begin);
      return snapshotOf(at(now - begin));
    },
    wishes: async () => wishes,
    limitMs: 60_000,
    endsAt: begin + 900_000,
    signal: new AbortController().signal,
    later: (task) => void later.push(task),
    clock,
    ...more,
  });
  return { woken, asked, readings, later, ms: now - begin };
};

describe('waiting for a service', () => {
  test('expresses one wish, reads every 2 to 4 s, and goes on once somebody is there', async () => {
    const { woken, asked, readings, ms } = await wait((at) =>
      at < 20_000 ? serviceOf(at > 3_000 ? { state: 'waking', since: 1 } : {}) : undefined,
    );
    expect(woken.kind).toBe('ready');
    expect(asked.map(({ what }) => what)).toEqual(['GetParameters', 'PutParameter']);
    expect(asked[0]?.ms).toBeLessThanOrEqual(1_000);
    const gaps = readings.slice(1).map((at, n) => at - (readings[n] ?? 0));
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(2_000);
    for (const gap of gaps) expect(gap).toBeLessThanOrEqual(4_000);
    expect(ms).toBeLessThan(25_000);
  });

  test('a wish of more than 30 s is expressed again while nothing wakes, and never while it does', async () => {
    const asleep = await wait(() => serviceOf());
    expect(asleep.asked.filter(({ what }) => what === 'PutParameter')).toHaveLength(2);
    const waking = await wait(() => serviceOf({ state: 'waking' }));
    expect(waking.asked).toEqual([]);
  });

  test('a draining that began after the last wish wants another', async () => {
    const begin = 1_000_000_000;
    const { asked } = await wait((at) =>
      at > 20_000 ? undefined : serviceOf(at > 8_000 ? { state: 'draining', since: begin + 7_500 } : {}),
    );
    expect(asked.filter(({ what }) => what === 'PutParameter')).toHaveLength(2);
  });

  test.each<[string, Partial<ScaledService>, number, number | undefined]>([
    ['nothing is known', {}, 30, undefined],
    ['it takes long', { wake: { last: 100, typical: 100 } }, 100, 100],
    ['it is nearly there', { state: 'waking', since: 1_000_000_000 - 97_500, wake: { last: 100, typical: 100 } }, 5, 3],
    ['it takes for ever', { wake: { last: 900, typical: 900 } }, 300, 900],
    ['it is overdue', { state: 'waking', since: 0, wake: { last: 10, typical: 10 } }, 5, 0],
  ])('says when to come again: %s', async (_what, more, retryAfter, etaSeconds) => {
    const { woken } = await wait(() => serviceOf(more), { limitMs: 0 });
    expect(woken).toMatchObject({ kind: 'loading', state: 'pending', retryAfter, etaSeconds });
  });

  test('waits for nothing that will take longer, and wishes all the same', async () => {
    const { woken, ms, readings, later, asked } = await wait(() => serviceOf({ wake: { last: 90, typical: 90 } }));
    expect([woken.kind, ms, readings, asked]).toEqual(['loading', 0, [], []]);
    expect(later).toHaveLength(1);
    await later[0]?.();
    expect(asked.map(({ what }) => what)).toEqual(['GetParameters', 'PutParameter']);
  });

  test('never beyond the deadline', async () => {
    const { woken, ms } = await wait(() => serviceOf(), { endsAt: 1_000_000_000 + 7_000 });
    expect(woken.kind).toBe('loading');
    expect(ms).toBeLessThanOrEqual(7_001);
  });

  test('one that cannot wake is not waited for, until 300 s have passed', async () => {
    const failed = await wait(() => serviceOf({ state: 'failed', since: 1_000_000_000 - 299_000 }));
    expect([failed.woken, failed.ms, failed.asked]).toEqual([{ kind: 'failed', retryAfter: 300 }, 0, []]);
    const later = await wait((at) =>
      at < 10_000 ? serviceOf({ state: 'failed', since: 1_000_000_000 - 301_000 }) : undefined,
    );
    expect(later.woken.kind).toBe('ready');
    expect(later.asked.map(({ what }) => what)).toEqual(['GetParameters', 'PutParameter']);
  });

  test('it fails while it is waited for: told at once', async () => {
    const { woken, ms } = await wait((at) =>
      serviceOf(at < 10_000 ? { state: 'waking' } : { state: 'failed', since: 1_000_000_000 + 9_000 }),
    );
    expect(woken.kind).toBe('failed');
    expect(ms).toBeLessThan(15_000);
  });
});

/**
 * Environments that want the same service at once. A call takes 40 ms, and what a wish takes is loaded in 60 ms.
 * @returns how many wishes they write.
 */
const crowd = async (size: number, random: () => number): Promise<number> => {
  const clock = createFakeClock();
  let parameter: string | undefined;
  let writes = 0;
  const over = new AbortController();
  const call: CallSsm = async (operation, input) => {
    await clock.sleep(40);
    if (operation === 'GetParameters') {
      return { Parameters: parameter === undefined ? [] : [{ Name: '/p/runtime/wake/chat', Value: parameter }] };
    }
    writes += 1;
    parameter = (input as { Value: string }).Value;
    return {};
  };
  const waits = Array.from({ length: size }, () => {
    let loaded: Promise<Wishes> | undefined;
    const load = async () => {
      await clock.sleep(60);
      return createWishes({ prefix: '/p', clock, log: () => {}, call });
    };
    return waitForService({
      snapshot: snapshotOf(serviceOf()),
      wanted: ({ services = [] }) => services[0],
      refreshed: async () => snapshotOf(serviceOf({ state: 'waking' })),
      wishes: () => {
        loaded ??= load();
        return loaded;
      },
      limitMs: 60_000,
      endsAt: clock.now() + 60_000,
      signal: over.signal,
      later: () => {},
      clock,
      random,
    });
  });
  await clock.advance(2_000);
  over.abort();
  await Promise.all(waits);
  return writes;
};

test.each([
  [1, 1],
  [5, 2],
  [100, 2.5],
  [500, 4],
])('%i that want the same at once write a few wishes', async (size, most) => {
  const random = seeded(size);
  let sum = 0;
  const runs = size > 100 ? 3 : 12;
  for (let run = 0; run < runs; run += 1) sum += await crowd(size, random);
  expect(sum / runs).toBeGreaterThanOrEqual(1);
  expect(sum / runs).toBeLessThanOrEqual(most);
});
