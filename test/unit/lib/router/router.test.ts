import { describe, expect, test } from '@jest/globals';
import { ModelNotFoundError, NotServedError, UnavailableError } from '../../../../lib/errors.ts';
import { createHolder, stampOf } from '../../../../lib/holder.ts';
import { candidatesFor } from '../../../../lib/router/candidates.ts';
import { createEjection } from '../../../../lib/router/ejection.ts';
import type { Hints, Policy } from '../../../../lib/router/policies/policy.ts';
import { createRepeats } from '../../../../lib/router/repeats.ts';
import { createRouter, type Route } from '../../../../lib/router/router.ts';
import type { Worker } from '../../../../lib/worker.ts';
import { workerOf } from '../scripted-fleet.ts';

const need = (model: string | undefined, operation = 'chat') => ({ operation, model, requestedModel: model });
const ids = (workers: readonly Worker[]) => workers.map(({ id }) => id);

describe('who may serve a request', () => {
  test.each<[string, Worker[], string | undefined, string[]]>([
    ['lists the model', [workerOf('a', { models: ['m'] }), workerOf('b', { models: ['x'] })], 'm', ['a']],
    [
      'ignores :latest on either side',
      [workerOf('a', { models: ['m:latest'] }), workerOf('b', { models: ['m'] })],
      'm',
      ['a', 'b'],
    ],
    ['ignores :latest in the request', [workerOf('a', { models: ['m'] })], 'm:latest', ['a']],
    ['no other tag', [workerOf('a', { models: ['m:latest'] }), workerOf('b', { models: ['m:7b'] })], 'm:7b', ['b']],
    ['lists *', [workerOf('a', { models: ['*'] })], 'm', ['a']],
    ['has no list that could be read', [workerOf('a', { models: undefined })], 'm', ['a']],
    [
      'anybody, without a model',
      [workerOf('a', { models: ['x'] }), workerOf('b', { models: [] })],
      undefined,
      ['a', 'b'],
    ],
    [
      'the healthy ones',
      [workerOf('a', { status: 'draining' }), workerOf('b'), workerOf('c', { status: 'pending' })],
      'm',
      ['b'],
    ],
    [
      'whose engine serves it',
      [workerOf('a', { engine: 'ollama' }), workerOf('b', { engine: 'vllm' })],
      'm',
      ['a', 'b'],
    ],
  ])('%s', (_, workers, model, expected) => expect(ids(candidatesFor(workers, need(model)))).toEqual(expected));

  test('case and spaces count', () => {
    expect(() => candidatesFor([workerOf('a', { models: ['M'] })], need('m'))).toThrow(ModelNotFoundError);
  });

  test('nobody registered: 503', () => expect(() => candidatesFor([], need('m'))).toThrow(UnavailableError));

  test('nobody has the model: 404, also while others are unhealthy', () => {
    expect(() => candidatesFor([workerOf('a', { models: ['x'], status: 'unhealthy' })], need('m'))).toThrow(
      ModelNotFoundError,
    );
  });

  test('no engine serves it: 501', () => {
    expect(() => candidatesFor([workerOf('a', { engine: 'ollama' })], need('m', 'rerank'))).toThrow(NotServedError);
    expect(() => candidatesFor([workerOf('a', { engine: 'ollama' })], need(undefined, 'rerank'))).toThrow(
      NotServedError,
    );
  });

  test('those who could are not healthy: 503', () => {
    const workers = [workerOf('a', { status: 'unhealthy' }), workerOf('b', { engine: 'ollama' })];
    expect(() => candidatesFor(workers, need('m', 'rerank'))).toThrow(UnavailableError);
  });
});

describe('the router', () => {
  const hints: Hints = { systemTokens: 0, promptTokens: 10, conversationKey: 'c' };

  /** Takes candidates in their order, one place only, and shows what it was given. */
  const setUp = (loads: () => Promise<readonly (undefined | 'busy')[]> = async () => []) => {
    const given: { candidates: string[]; hints: Hints }[] = [];
    const policy: Policy = {
      name: 'first',
      places: (candidates, seen) => {
        given.push({ candidates: ids(candidates), hints: seen });
        return candidates.slice(0, 2).map((worker, at) => ({ worker, penalty: at, odds: at === 0 ? 1 : 0 }));
      },
    };
    let now = 1_000_000;
    const router = createRouter({
      policy,
      ejection: createEjection({ now: () => now, random: () => 0 }),
      repeats: createRepeats({ now: () => now }),
      prober: { loads, load: async () => undefined },
      random: () => 0,
    });
    const workers = ['a', 'b', 'c'].map((id) => workerOf(id));
    const tried = new Set<string>();
    const route: Route = {
      workers,
      need: need('m'),
      hints,
      signal: new AbortController().signal,
      holder: createHolder(),
      tried,
    };
    return { router, route, tried, given, pass: (ms: number) => (now += ms) };
  };

  test('stamps the holder with whom it picked', async () => {
    const { router, route } = setUp();
    const worker = await router.pick(route);
    expect([worker?.id, stampOf(route.holder)]).toEqual(['a', 'a']);
  });

  test('without a holder it picks all the same', async () => {
    const { router, route } = setUp();
    expect((await router.pick({ ...route, holder: undefined }))?.id).toBe('a');
  });

  test('never picks one that was tried; when all were, nobody', async () => {
    const { router, route, tried } = setUp();
    for (const id of ['a', 'b', 'c']) {
      expect([router.hasNext(route), (await router.pick(route))?.id]).toEqual([true, id]);
      tried.add(id);
    }
    expect([router.hasNext(route), await router.pick(route), stampOf(route.holder)]).toEqual([false, undefined, 'c']);
  });

  test('leaves out who failed, until the time is over or all have failed', async () => {
    const { router, route, given, pass } = setUp();
    router.failed(route.workers[0] as Worker);
    await router.pick(route);
    expect(given.at(-1)?.candidates).toEqual(['b', 'c']);
    for (const worker of route.workers) router.failed(worker);
    await router.pick(route);
    expect(given.at(-1)?.candidates).toEqual(['a', 'b', 'c']);
    router.succeeded(route.workers[2] as Worker);
    pass(1000);
    expect((await router.pick(route))?.id).toBe('c');
  });

  test('counts a request once, failovers not', async () => {
    const { router, route, tried, given } = setUp();
    await router.pick(route);
    tried.add('a');
    await router.pick(route);
    tried.clear();
    await router.pick(route);
    expect(given.map((seen) => seen.hints.repeats)).toEqual([0, undefined, 1]);
  });

  test('one place is not probed', async () => {
    let probes = 0;
    const { router, route } = setUp(async () => {
      probes += 1;
      return ['busy', undefined];
    });
    expect((await router.pick({ ...route, workers: [workerOf('z')] }))?.id).toBe('z');
    expect(probes).toBe(0);
    expect((await router.pick(route))?.id).toBe('b');
    expect(probes).toBe(1);
  });

  test('says in whose words nobody can serve it', async () => {
    const { router, route } = setUp();
    await expect(router.pick({ ...route, workers: [] })).rejects.toBeInstanceOf(UnavailableError);
  });
});
