import { describe, expect, test } from '@jest/globals';
import type { ScaledService } from '../../../../lib/discovery/scaled-service.ts';
import { createWishes } from '../../../../lib/discovery/wishes.ts';
import { wishForSession } from '../../../../lib/inference/session-wishes.ts';
import type { ScaleRecord } from '../../../../lib/registrar/scale-record.ts';
import { decide } from '../../../../lib/registrar/scaling.ts';
import { serviceOf } from '../scripted-fleet.ts';
import { createFakeClock, type FakeClock } from '../time/fake-clock.ts';

/** docs/contract.md 11 and 12: a session keeps its service awake, whatever the engine counts of it. */
const MINUTE_MS = 60_000;
const NAME = '/p/runtime/wake/chat';

const awake = (more: Partial<ScaledService> = {}) =>
  serviceOf({ state: 'awake', desired: 1, running: 1, healthy: 1, ...more });

/** SSM with one wish in it, and containers that hold sessions. */
const open = (clock: FakeClock, service: () => ScaledService) => {
  const calls: string[] = [];
  let wish: number | undefined;
  const container = () => {
    const wishes = createWishes({
      prefix: '/p',
      clock,
      log: () => {},
      call: async (operation, input) => {
        calls.push(operation);
        if (operation === 'PutParameter') wish = Date.parse((input as { Value: string }).Value);
        const Parameters = wish === undefined ? [] : [{ Name: NAME, Value: new Date(wish).toISOString() }];
        return operation === 'GetParameters' ? { Parameters } : {};
      },
    });
    return {
      session: () => {
        const over = new AbortController();
        const source = {
          current: async () => ({
            workers: [],
            services: [awake({ name: 'other' }), service()],
            exposeNodeHeader: false,
            apiKeys: [],
            adminKeys: [],
            aliases: {},
          }),
        };
        const { signal } = over;
        const done = wishForSession({ name: 'chat', source, wishes: async () => wishes, clock, signal });
        return { done, leave: () => over.abort() };
      },
    };
  };
  const count = (operation: string) => calls.filter((one) => one === operation).length;
  const say = (at: number) => {
    wish = at;
  };
  return { container, count, wish: () => wish, say };
};

/** Looks once a minute, as the registrar does, at an engine that counts nothing. @returns the states it came through. */
const watch = async (clock: FakeClock, { minutes, idleMs, wantedAt }: Watched) => {
  let record: ScaleRecord | undefined;
  const states = new Set<string>();
  const looks = Math.max(minutes, (minutes * MINUTE_MS * 4) / idleMs);
  for (let n = 0; n < looks; n += 1) {
    await clock.advance((minutes * MINUTE_MS) / looks);
    const limits = { min: 0, max: 1, idleMs, wakeMs: 60_000, drainMs: 0 };
    const work = { running: 0, waiting: 0, served: 0, own: 0 };
    const workers = [{ id: 'a', isHealthy: true, work }];
    const look = { now: clock.now(), desired: 1, workers, stopped: [], wantedAt: wantedAt() };
    record = decide(limits, record, look).record;
    states.add(record.state);
  }
  return [...states];
};
interface Watched {
  readonly minutes: number;
  readonly idleMs: number;
  readonly wantedAt: () => number | undefined;
}

describe('sessions', () => {
  test.each([0.1, 1, 15, 600])(
    'of %d minutes of idle time keep it awake; without them it sleeps',
    async (idleMinutes) => {
      const clock = createFakeClock();
      const { container, wish } = open(clock, () => awake({ idleMinutes }));
      const { session } = container();
      const watched: Watched = { minutes: idleMinutes * 5, idleMs: idleMinutes * MINUTE_MS, wantedAt: wish };
      const { done, leave } = session();
      expect(await watch(clock, watched)).toEqual(['awake']);
      leave();
      await done;
      expect(clock.sleepers()).toBe(0);
      expect(await watch(clock, watched)).toContain('draining');
    },
  );

  test('of many containers write once in a quarter of the idle time, and ask little', async () => {
    const clock = createFakeClock();
    const { container, count } = open(clock, () => awake());
    const containers = Array.from({ length: 3 }, container);
    const sessions = containers.flatMap(({ session }) => Array.from({ length: 50 }, session));
    await clock.advance(60 * MINUTE_MS);
    expect(count('PutParameter')).toBeGreaterThanOrEqual(8);
    // Those that look in the same millisecond have both read that it is time.
    expect(count('PutParameter')).toBeLessThanOrEqual(3 * 16);
    expect(count('GetParameters')).toBeLessThanOrEqual(3 * 16);
    for (const { leave } of sessions) leave();
    await Promise.all(sessions.map(({ done }) => done));
  });

  test('end a draining that had begun before they were seen', async () => {
    const clock = createFakeClock();
    let service = awake();
    const { container, wish, say } = open(clock, () => service);
    say(clock.now());
    const { done, leave } = container().session();
    await clock.advance(0);
    expect(wish()).toBe(clock.now());
    await clock.advance(30_000);
    service = awake({ state: 'draining', since: clock.now() });
    await clock.advance(MINUTE_MS);
    expect(wish()).toBeGreaterThan(service.since);
    leave();
    await done;
  });

  test.each(['asleep', 'failed'] as const)('whose service is %s do not wake it', async (state) => {
    const clock = createFakeClock();
    const { container, count } = open(clock, () => awake({ state }));
    const { done, leave } = container().session();
    await clock.advance(60 * MINUTE_MS);
    leave();
    await done;
    expect(count('PutParameter')).toBe(0);
  });

  test('go on where SSM refuses, or the fleet cannot be read', async () => {
    const clock = createFakeClock();
    const over = new AbortController();
    let asked = 0;
    const current = async () => {
      asked += 1;
      throw new Error('down');
    };
    const wishes = () => Promise.reject(new Error('not to be loaded'));
    const done = wishForSession({ name: 'chat', source: { current }, wishes, clock, signal: over.signal });
    await clock.advance(10 * MINUTE_MS);
    expect(asked).toBeGreaterThan(5);
    over.abort();
    await done;
  });
});
