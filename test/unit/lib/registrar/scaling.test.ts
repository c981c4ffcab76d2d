import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { firstRecord, type ScaleRecord, typicalWake } from '../../../../lib/registrar/scale-record.ts';
import { decide, type ScaleLimits } from '../../../../lib/registrar/scaling.ts';
import type { Look, SeenWorker } from '../../../../lib/registrar/service-look.ts';
import type { SeenWork } from '../../../../lib/registrar/work.ts';

/** CONTRACT.md section 11: when a service sleeps, wakes, grows and gives up. */
const MINUTE = 60_000;
const limits: ScaleLimits = { min: 0, max: 2, idleMs: 15 * MINUTE, wakeMs: 40 * MINUTE, drainMs: 40_000 };

const idle: SeenWork = { running: 0, waiting: 0, served: 0, own: 0 };
const worker = (id: string, work: SeenWorker['work'], isHealthy = true): SeenWorker => ({ id, isHealthy, work });
const lookAt = (more: Partial<Look>): Look => ({
  now: 0,
  desired: 1,
  workers: [worker('a', idle)],
  stopped: [],
  ...more,
});
const recordOf = (more: Partial<ScaleRecord> = {}): ScaleRecord => ({ ...firstRecord(lookAt({})), since: 0, ...more });

describe('seen for the first time', () => {
  test.each<[string, Partial<Look>, ScaleRecord['state']]>([
    ['with nothing to run', { desired: 0, workers: [] }, 'asleep'],
    ['with a healthy worker', {}, 'awake'],
    ['with a worker that is not healthy yet', { workers: [worker('a', undefined, false)] }, 'waking'],
  ])('%s it is %s', (_, look, state) => expect(decide(limits, undefined, lookAt(look)).record.state).toBe(state));
});

describe('asleep', () => {
  const asleep = recordOf({ state: 'asleep', since: 1000 });
  const nobody = { desired: 0, workers: [] };

  test('a wish that is newer than the beginning of its draining wakes it', () => {
    const { record, desired } = decide(limits, asleep, lookAt({ ...nobody, now: 5000, wantedAt: 1001 }));
    expect([record.state, record.wokenAt, desired]).toEqual(['waking', 5000, 1]);
  });

  test.each([undefined, 999, 1000])('one of %j does not', (wantedAt) =>
    expect(decide(limits, asleep, lookAt({ ...nobody, now: 5000, wantedAt }))).toEqual({ record: asleep }),
  );

  test('a count that somebody raised by hand is left as it is', () => {
    const { record, desired } = decide(limits, asleep, lookAt({ desired: 2, workers: [] }));
    expect([record.state, desired]).toEqual(['waking', undefined]);
  });
});

describe('waking', () => {
  const waking = recordOf({ state: 'waking', since: 1000, wokenAt: 1000, stoppedBefore: ['old'], wakes: [50] });
  const nobody = { desired: 1, workers: [worker('a', undefined, false)] };

  test('the first healthy worker ends it, and the time it took is known', () => {
    const { record } = decide(limits, waking, lookAt({ now: 91_000 }));
    expect([record.state, record.wakes]).toEqual(['awake', [50, 90]]);
  });

  test('workers that were lost and came back say nothing about a wake', () => {
    const lost = decide(limits, recordOf({ state: 'awake', wakes: [50] }), lookAt({ ...nobody, now: 5 }));
    expect(lost.record.state).toBe('waking');
    expect(decide(limits, lost.record, lookAt({ now: 10 })).record).toMatchObject({ state: 'awake', wakes: [50] });
  });

  test('a run that ended before it changed the count is made good', () => {
    expect(decide(limits, waking, lookAt({ desired: 0, workers: [], now: 2000 })).desired).toBe(1);
  });

  test('two stopped tasks are not yet a failure, three are; those of before do not count', () => {
    const look = (...stopped: string[]) => lookAt({ ...nobody, now: 2000, stopped: ['old', ...stopped] });
    expect(decide(limits, waking, look('a', 'b')).record.state).toBe('waking');
    const { record, desired } = decide(limits, waking, look('a', 'b', 'c'));
    expect([record.state, record.reason, desired]).toEqual(['failed', expect.stringContaining('3 of its tasks'), 0]);
  });

  test('too long without a healthy worker is one', () => {
    const at = (now: number) => decide(limits, waking, lookAt({ ...nobody, now })).record.state;
    expect([at(1000 + limits.wakeMs - 1), at(1000 + limits.wakeMs)]).toEqual(['waking', 'failed']);
  });

  test('so is a task that ECS cannot place, if it says so of this wake', () => {
    const look = (at: number) => lookAt({ ...nobody, now: 5000, unplaced: { at, reason: 'no instance' } });
    expect(decide(limits, waking, look(900)).record.state).toBe('waking');
    expect(decide(limits, waking, look(1500)).record).toMatchObject({ state: 'failed', reason: 'no instance' });
  });
});

describe('failed', () => {
  const failed = recordOf({ state: 'failed', since: 1000, reason: 'no instance' });

  test('the next wish tries again', () => {
    const { record, desired } = decide(limits, failed, lookAt({ desired: 0, workers: [], now: 9000, wantedAt: 8000 }));
    expect([record.state, record.reason, desired]).toEqual(['waking', undefined, 1]);
  });

  test('without one it stays, and says why', () =>
    expect(decide(limits, failed, lookAt({ desired: 0, workers: [] }))).toEqual({ record: failed }));
});

describe('awake', () => {
  const awake = recordOf({ state: 'awake', since: 0, served: { a: 7 } });
  const after = (work: SeenWorker['work'], more: Partial<Look> = {}) =>
    decide(limits, awake, lookAt({ now: MINUTE, workers: [worker('a', work)], ...more })).record;

  test.each<[string, SeenWorker['work'], boolean]>([
    ['nothing to do', { ...idle, served: 7 }, true],
    ['a request that runs', { ...idle, running: 1, served: 7 }, false],
    ['a request that waits', { ...idle, waiting: 1, served: 7 }, false],
    ['one served meanwhile', { ...idle, served: 8 }, false],
    ['a restart since', { ...idle, served: 0 }, true],
    ['a restart and a request since', { ...idle, served: 2 }, false],
    ['no answer', undefined, false],
  ])('%s', (_, work, isIdle) => expect(after(work).idleSince).toBe(isIdle ? MINUTE : undefined));

  test('idle for its time, it drains; a wish puts that off', () => {
    const quiet = { ...awake, idleSince: 0 };
    const at = (now: number, wantedAt?: number) =>
      decide(limits, quiet, lookAt({ now, workers: [worker('a', { ...idle, served: 7 })], wantedAt })).record;
    expect(at(limits.idleMs - 1).state).toBe('awake');
    expect(at(limits.idleMs)).toMatchObject({ state: 'draining', since: limits.idleMs });
    expect(at(limits.idleMs, 1000).state).toBe('awake');
    expect(at(limits.idleMs + 1000, 1000).state).toBe('draining');
  });

  test('an engine without counters is never put to sleep, and says why', () => {
    const { record } = decide(limits, { ...awake, idleSince: 0 }, lookAt({ now: 1e9, workers: [worker('a', 'none')] }));
    expect([record.state, record.reason]).toEqual(['awake', expect.stringContaining('no counters')]);
  });

  test('an engine that holds a model for ever never sleeps either, and says why until it lets it go', () => {
    const pinned: SeenWork = { running: 1, waiting: 0, served: 0, own: 0, isPinned: true };
    const look = (...works: SeenWork[]) =>
      lookAt({ now: 1e9, workers: works.map((work, i) => worker(String(i), work)) });
    const { record } = decide(limits, { ...awake, idleSince: 0 }, look(pinned, idle));
    expect([record.state, record.reason]).toEqual(['awake', expect.stringContaining('keep_alive')]);
    // Real work is no reason to wonder.
    expect(decide(limits, record, look(pinned, { ...pinned, isPinned: undefined })).record.reason).toBeUndefined();
    expect(decide(limits, record, look(idle)).record.reason).toBeUndefined();
  });

  test('at its least count it has nothing to drain', () => {
    const { record } = decide({ ...limits, min: 1 }, { ...awake, idleSince: 0 }, lookAt({ now: 1e9 }));
    expect(record.state).toBe('awake');
  });

  test('requests that wait everywhere, twice in a row: one more, and not again before it is healthy', () => {
    const crowd: SeenWork = { running: 4, waiting: 2, served: 7, own: 0 };
    let record: ScaleRecord = awake;
    const step = (now: number, desired: number, ...works: SeenWork[]) => {
      const workers = works.map((work, n) => worker(`w${n}`, work));
      const decision = decide({ ...limits, max: 3 }, record, lookAt({ now, desired, workers }));
      record = decision.record;
      return decision.desired;
    };
    expect(step(0, 1, crowd)).toBeUndefined();
    expect(step(MINUTE, 1, { ...crowd, waiting: 0 })).toBeUndefined();
    expect([step(2 * MINUTE, 1, crowd), step(3 * MINUTE, 1, crowd)]).toEqual([undefined, 2]);
    expect([step(4 * MINUTE, 2, crowd), step(5 * MINUTE, 2, crowd)]).toEqual([undefined, undefined]);
    expect(step(6 * MINUTE, 2, crowd, crowd)).toBe(3);
    expect([step(7 * MINUTE, 3, crowd, crowd, crowd), step(8 * MINUTE, 3, crowd, crowd, crowd)]).toEqual([
      undefined,
      undefined,
    ]);
  });
});

describe('draining', () => {
  const draining = recordOf({ state: 'draining', since: 1000, served: { a: 7 } });
  const at = (now: number, more: Partial<Look> = {}, own = limits) =>
    decide(own, draining, lookAt({ now, workers: [worker('a', { ...idle, served: 7 })], ...more }));

  test('the count goes down when gateways have had time to hear of it, and the sleep is as old as the draining', () => {
    expect(at(1000 + limits.drainMs - 1).desired).toBeUndefined();
    expect(at(1000 + limits.drainMs - 1).record.state).toBe('draining');
    expect(at(1000 + limits.drainMs)).toMatchObject({ record: { state: 'asleep', since: 1000 }, desired: 0 });
  });

  test.each<[string, Partial<Look>]>([
    ['runs', { workers: [worker('a', { ...idle, running: 1, served: 7 })] }],
    ['waits', { workers: [worker('a', { ...idle, waiting: 1, served: 7 })] }],
    ['does not say', { workers: [worker('a', undefined)] }],
  ])('not while something %s', (_, more) =>
    expect([at(1e9, more).record.state, at(1e9, more).desired]).toEqual(['draining', undefined]),
  );

  test('a wish wakes it at once', () => expect(at(2000, { wantedAt: 1500 }).record.state).toBe('awake'));

  test('a run that ended after it changed the count is made good', () =>
    expect(at(2000, { desired: 0, workers: [] }).record).toMatchObject({ state: 'asleep', since: 1000 }));

  test('with workers that stay it is awake again', () =>
    expect(at(1e9, { desired: 2 }, { ...limits, min: 1 })).toMatchObject({ record: { state: 'awake' }, desired: 1 }));
});

test('a wake usually takes the median of the last ones', () => {
  expect(typicalWake({ wakes: [] })).toBeUndefined();
  expect(typicalWake({ wakes: [90, 30, 600] })).toBe(90);
});

/** A small world: ECS starts what it is told to, gateways ask, the registrar looks every now and then and may be ended at any step. */
test('whatever happens, nothing in use is put to sleep, and what is wanted wakes', () => {
  const event = fc.oneof(
    { weight: 4, arbitrary: fc.constant('look' as const) },
    { weight: 2, arbitrary: fc.constant('request' as const) },
    fc.constantFrom('ended before the count' as const, 'looks twice' as const),
  );
  const steps = fc.array(fc.tuple(event, fc.integer({ min: 1000, max: 6 * MINUTE })), { maxLength: 120 });
  fc.assert(
    fc.property(steps, (events) => {
      const own = { ...limits, idleMs: 5 * MINUTE };
      let now = 1e6;
      let desired = 0;
      let wantedAt: number | undefined;
      let record: ScaleRecord | undefined;
      let healthyFrom: number | undefined;
      const task = { busyUntil: 0, served: 0 };
      const isHealthy = () => healthyFrom !== undefined && now >= healthyFrom;
      const setCount = (count: number) => {
        if (count === 0) expect([task.busyUntil > now, count]).toEqual([false, 0]);
        if (count > 0 && desired === 0) [healthyFrom, task.served] = [now + 90_000, 0];
        if (count === 0) healthyFrom = undefined;
        desired = count;
      };
      const look = (isEnded = false) => {
        const work: SeenWork = { ...idle, running: task.busyUntil > now ? 1 : 0, served: task.served };
        const workers = desired > 0 ? [worker('a', isHealthy() ? work : undefined, isHealthy())] : [];
        const decision = decide(own, record, { now, desired, workers, stopped: [], wantedAt });
        record = decision.record;
        if (decision.desired !== undefined && !isEnded) setCount(decision.desired);
      };
      for (const [what, ms] of events) {
        now += ms;
        if (what === 'request') {
          // A gateway sends to a healthy worker that is not draining, and says that it wants the others.
          const isOpen = isHealthy() && (record?.state === 'awake' || now - (record?.since ?? 0) < own.drainMs);
          if (isOpen) Object.assign(task, { busyUntil: now + 30_000, served: task.served + 1 });
          else wantedAt = now;
        } else look(what === 'ended before the count');
        if (what === 'looks twice') look();
      }
      // Left alone, what was wanted last gets its worker, and then goes to sleep.
      const isWanted = wantedAt !== undefined && record?.state !== 'awake' && wantedAt > (record?.since ?? 0);
      let wasAwake = false;
      for (let turn = 0; turn < 30; turn += 1) {
        now += MINUTE;
        look();
        wasAwake ||= record?.state === 'awake';
      }
      if (isWanted) expect(wasAwake).toBe(true);
      expect([record?.state, desired]).toEqual(['asleep', 0]);
    }),
    { numRuns: 500 },
  );
});
