import { describe, expect, test } from '@jest/globals';
import { createStaticSource, type ReadText, withModels } from '../../../../lib/discovery/static.ts';
import { workerOf } from '../scripted-fleet.ts';

const list = (...ids: string[]) => JSON.stringify({ object: 'list', data: ids.map((id) => ({ id, object: 'model' })) });
const settings = { exposeNodeHeader: true, apiKeys: [], adminKeys: [], aliases: {} };

const reading = (answers: Record<string, string | undefined>) => {
  const asked: string[] = [];
  const read: ReadText = async ({ id }, path) => {
    asked.push(`${id} ${path}`);
    return answers[id];
  };
  return { read, asked };
};

describe('model lists of static workers', () => {
  test('given ones stay, missing ones are asked for where the engine keeps them', async () => {
    const { read, asked } = reading({ b: list('x', 'y'), c: JSON.stringify({ models: [{ name: 'z' }] }) });
    const workers = [workerOf('a', { models: ['m'] }), workerOf('b'), workerOf('c', { engine: 'ollama' })];
    expect((await withModels(workers, read)).map(({ models }) => models)).toEqual([['m'], ['x', 'y'], ['z']]);
    expect(asked).toEqual(['b /v1/models', 'c /api/tags']);
  });

  test.each([undefined, 'not JSON', '{}', '<html>'])(
    'that cannot be read (%j): it may have any model',
    async (answer) => {
      const [worker] = await withModels([workerOf('a')], reading({ a: answer }).read);
      expect(worker?.models).toBeUndefined();
    },
  );
});

describe('the source', () => {
  test('with all lists given asks nobody', async () => {
    const { read, asked } = reading({});
    const workers = [workerOf('a', { models: [] })];
    const source = createStaticSource({ settings, workers, ttlMs: 1000, read, log: () => {} });
    expect(await source.current()).toEqual({ ...settings, workers });
    await source.settled();
    expect(asked).toEqual([]);
  });

  test('asks all at once, and once for requests that come together', async () => {
    const { read, asked } = reading({ a: list('x'), b: list('y') });
    const workers = [workerOf('a'), workerOf('b')];
    const source = createStaticSource({ settings, workers, ttlMs: 60_000, read, log: () => {} });
    const [one, two] = await Promise.all([source.current(), source.current()]);
    await source.current();
    expect(one).toEqual(two);
    expect(one.workers.map(({ models }) => models)).toEqual([['x'], ['y']]);
    expect(asked).toHaveLength(2);
  });
});
