import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { collect } from '../../../lib/collect.ts';
import { TimeoutError } from '../../../lib/errors.ts';

const pending = new Promise<never>(() => {});

/** A body of these chunks; an error breaks it, `hang` leaves it open. */
const bodyOf = (...chunks: (string | Error | 'hang')[]) => {
  const state = { closed: false };
  const [first, ...left] = chunks;
  const body = {
    first: typeof first === 'string' ? [Buffer.from(first)] : [],
    rest: {
      next: async (): Promise<IteratorResult<Uint8Array>> => {
        const item = left.shift();
        if (item instanceof Error) throw item;
        if (item === 'hang') return pending;
        return item === undefined ? { done: true, value: undefined } : { done: false, value: Buffer.from(item) };
      },
      return: async (): Promise<IteratorResult<Uint8Array>> => {
        state.closed = true;
        return { done: true, value: undefined };
      },
    },
  };
  return { body, state };
};

const limits = { signal: new AbortController().signal, idleMs: 5000, maxBytes: 100 };

describe('a body that must be whole', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('is collected', async () => {
    expect((await collect(bodyOf('a', 'b', 'c').body, limits)).toString()).toBe('abc');
  });

  test('that breaks off: 502, closed', async () => {
    const { body, state } = bodyOf('a', new Error('aborted'));
    await expect(collect(body, limits)).rejects.toMatchObject({ status: 502 });
    expect(state.closed).toBe(true);
  });

  test('that is too long: 502, closed', async () => {
    const { body, state } = bodyOf('x'.repeat(60), 'x'.repeat(60));
    await expect(collect(body, limits)).rejects.toMatchObject({ status: 502 });
    expect(state.closed).toBe(true);
  });

  test('that stalls: 504, closed', async () => {
    const { body, state } = bodyOf('a', 'hang');
    const outcome = collect(body, limits).catch((error) => error);
    await jest.advanceTimersByTimeAsync(5100);
    expect(await outcome).toMatchObject({ status: 504 });
    expect(state.closed).toBe(true);
  });

  test('when the deadline comes: its own words', async () => {
    const invocation = new AbortController();
    const { body } = bodyOf('a', new Error('aborted'));
    invocation.abort(new TimeoutError('The time limit of this request was reached.'));
    await expect(collect(body, { ...limits, signal: invocation.signal })).rejects.toMatchObject({
      status: 504,
      message: expect.stringContaining('time limit'),
    });
  });
});
