import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Attempt, createCached } from '../../../../lib/discovery/cached.ts';
import { UnavailableError } from '../../../../lib/errors.ts';
import { createFakeClock, settle } from '../time/fake-clock.ts';

const ttlMs = 10_000;

/** A cache over a scripted remote: `answer` decides what each call does. */
const arrange = (random = () => 0.5) => {
  const clock = createFakeClock();
  const logs: string[] = [];
  const state = { version: 1, mode: 'ok' as 'ok' | 'fail' | 'hang', latencyMs: 0, calls: 0 };
  const call = async () => {
    state.calls += 1;
    const { version, mode, latencyMs } = state;
    if (mode === 'hang') return new Promise<number>(() => {});
    if (latencyMs) await clock.sleep(latencyMs);
    if (mode === 'fail') throw new Error('ThrottlingException');
    return version;
  };
  const cached = createCached({
    load: (attempt: Attempt) => attempt(call),
    ttlMs,
    clock,
    random,
    log: (_level, event) => void logs.push(event),
  });
  return { clock, logs, state, cached };
};

/** Starts a request and says whether it is answered without time passing. */
const ask = async (cached: { current(): Promise<number> }) => {
  const answer: { value?: number; error?: unknown; done: boolean } = { done: false };
  cached.current().then(
    (value) => Object.assign(answer, { value, done: true }),
    (error) => Object.assign(answer, { error, done: true }),
  );
  await settle();
  return answer;
};

describe('cached', () => {
  it('asks once while the value is young', async () => {
    const { clock, state, cached } = arrange();
    expect((await ask(cached)).value).toBe(1);
    await clock.advance(0.9 * ttlMs - 1);
    expect((await ask(cached)).value).toBe(1);
    expect(state.calls).toBe(1);
  });

  it('refreshes alongside when older than the TTL: the request does not wait, the next one has the new value', async () => {
    const { clock, state, cached } = arrange();
    await ask(cached);
    Object.assign(state, { version: 2, latencyMs: 300 });
    await clock.advance(ttlMs + 1);
    expect((await ask(cached)).value).toBe(1);
    let settled = false;
    void cached.settled().then(() => {
      settled = true;
    });
    await clock.advance(299);
    expect(settled).toBe(false);
    await clock.advance(2);
    expect(settled).toBe(true);
    expect((await ask(cached)).value).toBe(2);
    expect(state.calls).toBe(2);
  });

  it.each([
    [0, 0.8],
    [1, 1],
  ])('shortens the cache time by up to 20 %% (random %d: %d TTL)', async (draw, factor) => {
    const { clock, state, cached } = arrange(() => draw);
    await ask(cached);
    await clock.advance(ttlMs * factor);
    await ask(cached);
    expect(state.calls).toBe(1);
    await clock.advance(1);
    await ask(cached);
    expect(state.calls).toBe(2);
  });

  it('waits for the refresh after a long freeze, and has the new value on the very first request', async () => {
    const { clock, state, cached } = arrange();
    await ask(cached);
    clock.freeze(10 * ttlMs);
    Object.assign(state, { version: 2, latencyMs: 400 });
    const request = await ask(cached);
    expect(request.done).toBe(false);
    await clock.advance(400);
    expect(request.value).toBe(2);
  });

  it('waits at most 500 ms after a freeze, then serves the old value and logs it', async () => {
    const { clock, state, cached, logs } = arrange();
    await ask(cached);
    clock.freeze(10 * ttlMs);
    state.mode = 'hang';
    const request = await ask(cached);
    await clock.advance(499);
    expect(request.done).toBe(false);
    await clock.advance(1);
    expect(request.value).toBe(1);
    expect(logs).toEqual(['configuration_stale']);
  });

  it('gives up a load that was frozen half-way, by the wall clock, and starts a new one', async () => {
    const { clock, state, cached } = arrange();
    await ask(cached);
    await clock.advance(ttlMs + 1);
    state.mode = 'hang';
    await ask(cached);
    clock.freeze(10 * ttlMs);
    Object.assign(state, { mode: 'ok', version: 3 });
    expect((await ask(cached)).value).toBe(3);
  });

  it('does not take a load that hung before a freeze of seconds for the refresh it waits for', async () => {
    const { clock, state, cached } = arrange();
    await ask(cached);
    clock.freeze(10 * ttlMs);
    state.mode = 'hang';
    await ask(cached);
    clock.freeze(3_000);
    Object.assign(state, { mode: 'ok', version: 3 });
    expect((await ask(cached)).value).toBe(3);
  });

  it('counts age from the start of the load, so that an answer frozen half-way is not fresh', async () => {
    const { clock, state, cached } = arrange();
    await ask(cached);
    await clock.advance(ttlMs + 1);
    state.latencyMs = 1_000;
    await ask(cached);
    clock.freeze(4_000);
    await clock.advance(1_000);
    const calls = state.calls;
    await clock.advance(ttlMs - 5_000 + 1);
    await ask(cached);
    expect(state.calls).toBe(calls + 1);
  });

  it('flies once, however many ask', async () => {
    const { clock, state, cached } = arrange();
    state.latencyMs = 100;
    const requests = await Promise.all(Array.from({ length: 20 }, () => ask(cached)));
    await clock.advance(100);
    expect(requests.map(({ value }) => value)).toEqual(Array(20).fill(1));
    expect(state.calls).toBe(1);
  });

  it('serves the last good value for ever while loading fails, and asks no more than about twice a TTL', async () => {
    const { clock, state, cached, logs } = arrange();
    await ask(cached);
    state.mode = 'fail';
    for (let second = 0; second < 3_600; second += 1) {
      await clock.advance(1_000);
      expect((await ask(cached)).value).toBe(1);
    }
    expect(state.calls).toBeLessThanOrEqual(1 + (2 * 3_600_000) / ttlMs);
    expect(state.calls).toBeGreaterThan(100);
    expect(logs).toContain('configuration_refresh_failed');
    Object.assign(state, { mode: 'ok', version: 2 });
    await clock.advance(ttlMs);
    await ask(cached);
    expect((await ask(cached)).value).toBe(2);
  });

  it('bounds the end of an invocation to 1 s when the remote hangs', async () => {
    const { clock, state, cached } = arrange();
    await ask(cached);
    await clock.advance(ttlMs + 1);
    state.mode = 'hang';
    await ask(cached);
    let settled = false;
    void cached.settled().then(() => {
      settled = true;
    });
    await clock.advance(999);
    expect(settled).toBe(false);
    await clock.advance(1);
    expect(settled).toBe(true);
  });

  it('retries a cold start and serves as soon as one call passes', async () => {
    const { clock, state, cached } = arrange();
    state.mode = 'fail';
    const request = await ask(cached);
    await clock.advance(3_000);
    expect(request.done).toBe(false);
    expect(state.calls).toBeGreaterThan(4);
    state.mode = 'ok';
    await clock.advance(1_000);
    expect(request.value).toBe(1);
  });

  it.each(['fail', 'hang'] as const)(
    'gives a cold start up after 8 s (%s) with 503, and recovers by itself',
    async (mode) => {
      const { clock, state, cached } = arrange();
      state.mode = mode;
      const request = await ask(cached);
      await clock.advance(6_900);
      expect(request.done).toBe(false);
      await clock.advance(1_101);
      expect(request.error).toBeInstanceOf(UnavailableError);
      expect((request.error as UnavailableError).status).toBe(503);
      expect(Number((request.error as UnavailableError).headers['retry-after'])).toBeGreaterThan(0);
      state.mode = 'ok';
      await clock.advance(1_000);
      expect((await ask(cached)).value).toBe(1);
    },
  );

  it('lets go of a request whose client is gone, and loads on for the others', async () => {
    const { clock, state, cached } = arrange();
    state.latencyMs = 1_000;
    const leaver = new AbortController();
    const left = cached.current(leaver.signal).catch((error: unknown) => error);
    const stayed = await ask(cached);
    leaver.abort(new Error('gone'));
    expect(await left).toEqual(new Error('gone'));
    await clock.advance(1_000);
    expect(stayed.value).toBe(1);
  });

  it('survives a clock that jumps back', async () => {
    const { clock, state, cached } = arrange();
    await ask(cached);
    clock.freeze(-3_600_000);
    state.version = 2;
    expect((await ask(cached)).value).toBe(2);
  });

  it('property: whatever freezes, failures and waits happen, a request after a good start is answered within 500 ms and never with a value from the future', async () => {
    const step = fc.record({
      kind: fc.constantFrom('advance' as const, 'freeze' as const),
      ms: fc.integer({ min: 0, max: 60_000 }),
      mode: fc.constantFrom('ok' as const, 'fail' as const, 'hang' as const),
      latencyMs: fc.constantFrom(0, 50, 450, 900, 2_500),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        async (steps, draw) => {
          const { clock, state, cached } = arrange(() => draw);
          await ask(cached);
          let seen = 1;
          for (const { kind, ms, mode, latencyMs } of steps) {
            Object.assign(state, { mode, latencyMs, version: state.version + 1 });
            if (kind === 'advance') await clock.advance(ms);
            else clock.freeze(ms);
            const request = await ask(cached);
            await clock.advance(500);
            expect(request.done).toBe(true);
            expect(request.value).toBeGreaterThanOrEqual(seen);
            expect(request.value).toBeLessThanOrEqual(state.version);
            seen = request.value ?? 0;
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('property: while the remote answers at once, no request gets a value older than three TTLs', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 30 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        async (gaps, draw) => {
          const { clock, state, cached } = arrange(() => draw);
          const changed = new Map([[1, clock.now()]]);
          await ask(cached);
          for (const gap of gaps) {
            clock.freeze(gap);
            state.version += 1;
            changed.set(state.version, clock.now());
            clock.freeze(1);
            const { value = 0 } = await ask(cached);
            const replacedAt = changed.get(value + 1) ?? clock.now();
            expect(clock.now() - replacedAt).toBeLessThanOrEqual(3 * ttlMs);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});
