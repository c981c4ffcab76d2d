import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createWatchdog, isSilent, orSilent } from '../../../../lib/time/silence.ts';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

describe('a wait', () => {
  const never = new Promise<string>(() => {});

  test('that is answered in time gives the answer, and leaves no timer', async () => {
    expect(await orSilent(Promise.resolve('a'), 100)).toBe('a');
    await expect(orSilent(Promise.reject(new Error('cut')), 100)).rejects.toThrow('cut');
    expect(jest.getTimerCount()).toBe(0);
  });

  test('that is not answered in time is silent', async () => {
    const heard = orSilent(never, 100);
    await jest.advanceTimersByTimeAsync(101);
    expect(isSilent(await heard)).toBe(true);
  });
});

describe('a watchdog', () => {
  /** Told of silence at these lengths; asks to be told again after so long. */
  const watched = (patienceMs: number, again = 1_000_000) => {
    const told: number[] = [];
    const watchdog = createWatchdog(patienceMs, (silentMs) => {
      told.push(silentMs);
      return again;
    });
    return { ...watchdog, told };
  };

  test('has one timer, however many chunks come', async () => {
    const set = jest.spyOn(globalThis, 'setTimeout');
    const { wait, heard, end, told } = watched(1000);
    for (let n = 0; n < 50; n += 1) {
      wait();
      await jest.advanceTimersByTimeAsync(10);
      heard();
    }
    expect(set).toHaveBeenCalledTimes(1);
    end();
    expect([told, jest.getTimerCount()]).toEqual([[], 0]);
  });

  test('counts silence from the last chunk, not from when the timer was set', async () => {
    const { wait, heard, end, told } = watched(100);
    wait();
    await jest.advanceTimersByTimeAsync(60);
    heard();
    wait();
    await jest.advanceTimersByTimeAsync(99);
    expect(told).toEqual([]);
    await jest.advanceTimersByTimeAsync(2);
    expect(told).toEqual([expect.any(Number)]);
    expect(told[0]).toBeGreaterThanOrEqual(100);
    end();
  });

  test('says nothing while nothing is waited for, however long that takes', async () => {
    const { wait, heard, end, told } = watched(100);
    wait();
    heard();
    await jest.advanceTimersByTimeAsync(5000);
    expect(told).toEqual([]);
    wait();
    await jest.advanceTimersByTimeAsync(101);
    expect(told).toHaveLength(1);
    end();
  });

  test('speaks again after the time it was told, within the same wait', async () => {
    const { wait, end, told } = watched(100, 50);
    wait();
    await jest.advanceTimersByTimeAsync(230);
    expect(told.map((ms) => Math.floor(ms / 10))).toEqual([10, 15, 20]);
    end();
    await jest.advanceTimersByTimeAsync(500);
    expect(told).toHaveLength(3);
  });

  test('a long time it was told is not waited out by the next wait', async () => {
    const { wait, heard, end, told } = watched(100, 10_000);
    wait();
    await jest.advanceTimersByTimeAsync(110);
    heard();
    wait();
    await jest.advanceTimersByTimeAsync(210);
    expect(told).toHaveLength(2);
    end();
  });

  test('a clock that is set back does not make it deaf', async () => {
    const { wait, end, told } = watched(100);
    wait();
    jest.setSystemTime(Date.now() - 3_600_000);
    await jest.advanceTimersByTimeAsync(101);
    expect(told).toHaveLength(1);
    end();
  });
});
