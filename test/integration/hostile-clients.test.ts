import { describe, expect, test } from '@jest/globals';
import { startHouse } from '../hostile/house.ts';
import { idleConnections } from '../hostile/idle-connections.ts';
import { slowReaders } from '../hostile/slow-readers.ts';

/**
 * The short form of `npm run hostile`: clients that misbehave cost little memory, are left in time, and harm nobody. Heads
 * and bodies that do not come have limits of half a minute: test/unit/lib/server has them, shortened.
 */
describe('clients that misbehave', () => {
  test('500 connections that stay and say nothing', async () => {
    await using house = await startHouse();
    const { problems } = await idleConnections(house, { count: 500, heldMs: 300 });
    expect(problems).toEqual([]);
  });

  test('readers that are slow, and some that never read', async () => {
    const stallMs = 500;
    await using house = await startHouse({ GATEWAY_IDLE_TIMEOUT_SECONDS: String(stallMs / 1000) });
    const { problems } = await slowReaders(house, { slow: 8, never: 8, stallMs, heldMs: 1000 });
    expect(problems).toEqual([]);
  });
});
