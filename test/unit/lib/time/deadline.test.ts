import { stat } from 'node:fs';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { TimeoutError } from '../../../../lib/errors.ts';
import { createDeadline } from '../../../../lib/time/deadline.ts';

describe('the deadline of an invocation', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('comes the margin before the platform ends it', () => {
    const { signal } = createDeadline(10_000, 1500);
    jest.advanceTimersByTime(8499);
    expect(signal.aborted).toBe(false);
    jest.advanceTimersByTime(2);
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBeInstanceOf(TimeoutError);
    expect(signal.reason).toMatchObject({ status: 504 });
  });

  test('with less left than the margin it comes at once', () => {
    const { signal } = createDeadline(1000, 1500);
    jest.advanceTimersByTime(1);
    expect(signal.aborted).toBe(true);
  });

  test('of weeks does not come at once', () => {
    const { signal, clear } = createDeadline(40 * 24 * 3_600_000, 0);
    jest.advanceTimersByTime(60_000);
    expect(signal.aborted).toBe(false);
    clear();
  });

  test('cleared, it never comes, and leaves no timer behind', () => {
    const { signal, clear } = createDeadline(1000, 0);
    clear();
    expect(jest.getTimerCount()).toBe(0);
    expect(signal.aborted).toBe(false);
  });

  test('can be ended early, with a reason', () => {
    const { signal, abort, clear } = createDeadline(1000, 0);
    const reason = new Error('body ended early');
    abort(reason);
    clear();
    expect(signal.reason).toBe(reason);
  });
});

test('on a starved process the deadline looks once more before it comes: what has arrived is read first', async () => {
  const isAborted = await new Promise((resolve) => {
    // From here on timers are looked at first, then what has arrived.
    setImmediate(() => {
      const { signal, clear } = createDeadline(20, 0);
      stat('/', () => {
        clear();
        resolve(signal.aborted);
      });
      for (const until = Date.now() + 100; Date.now() < until; );
    });
  });
  expect(isAborted).toBe(false);
});
