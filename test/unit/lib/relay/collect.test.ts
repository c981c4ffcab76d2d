import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { TimeoutError } from '../../../../lib/errors.ts';
import { collect } from '../../../../lib/relay/collect.ts';
import { createBody } from './bodies.ts';

/** A body of these chunks, which ends behind them unless an error breaks it or `hang` leaves it open. */
const bodyOf = (...chunks: (string | Error)[]) => {
  const { rest, feed, isClosed } = createBody();
  feed(...chunks.slice(1).filter((chunk) => chunk !== 'hang'));
  if (chunks.at(-1) !== 'hang') feed('end');
  return { body: { first: [Buffer.from(chunks[0] as string)], rest }, isClosed };
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
    const { body, isClosed } = bodyOf('a', new Error('aborted'));
    await expect(collect(body, limits)).rejects.toMatchObject({ status: 502 });
    expect(isClosed()).toBe(true);
  });

  test('that is too long: 502, closed', async () => {
    const { body, isClosed } = bodyOf('x'.repeat(60), 'x'.repeat(60));
    await expect(collect(body, limits)).rejects.toMatchObject({ status: 502 });
    expect(isClosed()).toBe(true);
  });

  test('that stalls: 504, closed', async () => {
    const { body, isClosed } = bodyOf('a', 'hang');
    const outcome = collect(body, limits).catch((error) => error);
    await jest.advanceTimersByTimeAsync(5100);
    expect(await outcome).toMatchObject({ status: 504 });
    expect(isClosed()).toBe(true);
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
