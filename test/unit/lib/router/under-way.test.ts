import { expect, test } from '@jest/globals';
import type { Seen } from '../../../../lib/router/policies/policy.ts';
import type { Prober } from '../../../../lib/router/probe.ts';
import { createUnderWay } from '../../../../lib/router/under-way.ts';
import { workerOf } from '../scripted-fleet.ts';

const [a, b] = [workerOf('a'), workerOf('b')];

/** A prober that says what it is told to. */
const setup = (told: Record<string, Seen>) => {
  const underWay = createUnderWay();
  const prober: Prober = {
    loads: async (workers) => workers.map(({ id }) => told[id]),
    load: async ({ id }) => told[id],
    maySleep: () => false,
  };
  const { loads } = underWay.counted(prober);
  return { underWay, told, loads: () => loads([a, b]) };
};

test('nothing under way: what workers say passes', async () => {
  const load = { running: 2, waiting: 1 };
  expect(await setup({ a: load }).loads()).toEqual([load, undefined]);
});

test('a worker that says nothing has what this process sent it', async () => {
  const { underWay, loads } = setup({});
  const [first, second] = [underWay.begin('a'), underWay.begin('a')];
  const none = { running: 0, waiting: 0 };
  expect(await loads()).toEqual([{ running: 2, waiting: 0 }, none]);
  first();
  first();
  expect(await loads()).toEqual([{ running: 1, waiting: 0 }, none]);
  second();
  expect(await loads()).toEqual([undefined, undefined]);
});

test('requests sent since the worker was asked count beside what it said; a new answer counts them itself', async () => {
  const { underWay, told, loads } = setup({ a: { running: 10, waiting: 0 } });
  underWay.begin('a');
  await loads();
  underWay.begin('a');
  underWay.begin('a');
  expect((await loads())[0]).toEqual({ running: 12, waiting: 0 });
  told.a = { running: 13, waiting: 0 };
  expect((await loads())[0]).toEqual({ running: 13, waiting: 0 });
});

test('an engine that does not count what waits in front of it has at least what this process sent it', async () => {
  const { underWay, loads } = setup({ a: { running: 1, waiting: 1 } });
  for (let i = 0; i < 8; i += 1) underWay.begin('a');
  expect((await loads())[0]).toEqual({ running: 7, waiting: 1 });
});

test('busy and asleep stay what they are', async () => {
  const { underWay, loads } = setup({ a: 'busy', b: 'asleep' });
  underWay.begin('a');
  underWay.begin('b');
  expect(await loads()).toEqual(['busy', 'asleep']);
});
