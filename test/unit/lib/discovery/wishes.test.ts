import { expect, test } from '@jest/globals';
import { createWishes } from '../../../../lib/discovery/wishes.ts';
import { createFakeClock } from '../time/fake-clock.ts';

const asleep = { name: 'chat', state: 'asleep', since: 0 } as const;

test('a client that leaves waits no longer, and takes nothing from those who want the same', async () => {
  const clock = createFakeClock();
  const written: unknown[] = [];
  const wishes = createWishes({
    prefix: '/p',
    clock,
    log: (level, event) => written.push([level, event]),
    call: async (operation) => {
      await clock.sleep(500);
      written.push(operation);
      return { Parameters: [] };
    },
  });
  const first = new AbortController();
  const left = wishes.want(asleep, first.signal);
  const stays = wishes.want(asleep, new AbortController().signal);
  await clock.advance(100);
  first.abort();
  await left;
  expect(written).toEqual([]);
  await clock.advance(1_000);
  await stays;
  expect(written).toEqual(['GetParameters', 'PutParameter']);
  await wishes.want({ ...asleep, name: 'other' }, first.signal);
  expect(written).toHaveLength(2);
});
