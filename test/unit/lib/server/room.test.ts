import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { UnavailableError } from '../../../../lib/errors.ts';
import { createRoom, defaultRoom } from '../../../../lib/server/room.ts';

test('beyond its size: 503 + Retry-After, and nothing is taken', () => {
  const room = createRoom(10);
  room.take(8);
  expect(() => room.take(3)).toThrow(UnavailableError);
  expect(() => room.take(3)).toThrow(expect.objectContaining({ status: 503, headers: { 'retry-after': '5' } }));
  room.take(2);
  room.give(8);
  room.take(8);
});

test('bodies that come too slowly make way, as many as it takes, and the others stay', () => {
  const room = createRoom(10);
  const given: number[] = [];
  for (const [bytes, isSlow] of [
    [3, true],
    [2, false],
    [3, true],
    [2, true],
  ] as const) {
    room.take(bytes);
    const arrived = room.expect({
      isSlow: () => isSlow,
      giveUp() {
        given.push(bytes);
        arrived();
        room.give(bytes);
      },
    });
  }
  expect(() => room.take(11)).toThrow(UnavailableError);
  expect(given).toEqual([]);
  room.take(5);
  expect(given).toEqual([3, 3]);
  expect(() => room.take(4)).toThrow(UnavailableError);
  expect(given).toEqual([3, 3, 2]);
});

test('a quarter of what the process may have', () => {
  expect(defaultRoom()).toBeGreaterThan(16 * 1024 * 1024);
  expect(defaultRoom()).toBeLessThanOrEqual(Math.floor((process.constrainedMemory() || Number.MAX_SAFE_INTEGER) / 4));
});

test('never more than its size is out, and what was given back can be taken', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100 }), fc.array(fc.nat(40)), (size, wishes) => {
      const room = createRoom(size);
      const taken: number[] = [];
      for (const bytes of wishes) {
        try {
          room.take(bytes);
          taken.push(bytes);
        } catch {
          const all = taken.reduce((sum, one) => sum + one, 0);
          expect(all + bytes).toBeGreaterThan(size);
          for (const one of taken.splice(0)) room.give(one);
        }
        expect(taken.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(size);
      }
    }),
  );
});
