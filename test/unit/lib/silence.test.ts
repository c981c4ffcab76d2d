import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { isSilent, listen } from '../../../lib/silence.ts';

const never = new Promise<string>(() => {});

/** Whether silence was told, looked at after every millisecond. */
const watched = (heard: Promise<unknown>) => {
  const state = { silent: false };
  void heard.then((value) => {
    state.silent = isSilent(value);
  });
  return state;
};

describe('listening to a stream', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('one timer, however many chunks come', async () => {
    const set = jest.spyOn(globalThis, 'setTimeout');
    const { orSilent, end } = listen();
    for (let n = 0; n < 50; n += 1) {
      const chunk = new Promise((resolve) => setImmediate(resolve, n));
      const heard = orSilent(chunk, 1000);
      await jest.advanceTimersByTimeAsync(10);
      expect(await heard).toBe(n);
    }
    expect(set).toHaveBeenCalledTimes(1);
    end();
    expect(jest.getTimerCount()).toBe(0);
  });

  test('silence counts from the last chunk, not from when the timer was set', async () => {
    const { orSilent, end } = listen();
    await orSilent(Promise.resolve('a'), 100);
    await jest.advanceTimersByTimeAsync(60);
    const heard = watched(orSilent(never, 100));
    await jest.advanceTimersByTimeAsync(99);
    expect(heard.silent).toBe(false);
    await jest.advanceTimersByTimeAsync(2);
    expect(heard.silent).toBe(true);
    end();
  });

  test('a shorter wait is not held up by the longer one before it', async () => {
    const { orSilent, end } = listen();
    await orSilent(Promise.resolve('a'), 10_000);
    const heard = watched(orSilent(never, 5));
    await jest.advanceTimersByTimeAsync(6);
    expect(heard.silent).toBe(true);
    end();
  });

  test('a clock that is set back does not make it deaf', async () => {
    const { orSilent, end } = listen();
    const heard = watched(orSilent(never, 100));
    jest.setSystemTime(Date.now() - 3_600_000);
    await jest.advanceTimersByTimeAsync(101);
    expect(heard.silent).toBe(true);
    end();
  });

  test('what fails while it is listened to fails here', async () => {
    const { orSilent, end } = listen();
    await expect(orSilent(Promise.reject(new Error('cut')), 100)).rejects.toThrow('cut');
    end();
  });
});
