import { describe, expect, test } from '@jest/globals';
import type { Operation } from '../../../../lib/engines/engine.ts';
import { InvalidRequestError, ModelNotFoundError, NotServedError, UnavailableError } from '../../../../lib/errors.ts';
import { createHolder, stampOf } from '../../../../lib/holder.ts';
import { candidatesFor } from '../../../../lib/router/candidates.ts';
import { createEjection } from '../../../../lib/router/ejection.ts';
import type { Hints, Policy, Seen } from '../../../../lib/router/policies/policy.ts';
import type { Prober } from '../../../../lib/router/probe.ts';
import { createRepeats } from '../../../../lib/router/repeats.ts';
import { createRouter, type Route } from '../../../../lib/router/router.ts';
import type { Worker } from '../../../../lib/worker.ts';
import { workerOf } from '../scripted-fleet.ts';

const need = (model: string | undefined, operation: Operation = 'chat') => ({
  operation,
  model,
  requestedModel: model,
});
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
    [
      'has a model of its own choice, where none is named',
      ['localai', 'vllm', 'llamacpp', 'ollama', 'openai'].map((engine) => workerOf(engine, { engine })),
      undefined,
      ['localai', 'vllm', 'llamacpp'],
    ],
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

  test('no model named, and nobody who has one of its own: 400 that says so; only asleep, 503', () => {
    const open = [workerOf('a', { engine: 'ollama' }), workerOf('b', { engine: 'openai' })];
    expect(() => candidatesFor(open, need(undefined))).toThrow(InvalidRequestError);
    const asleep = workerOf('v', { engine: 'vllm', status: 'pending' });
    expect(() => candidatesFor([...open, asleep], need(undefined))).toThrow(UnavailableError);
  });

  test('what the record says it serves counts beside the engine', () => {
    const workers = [workerOf('a', { engine: 'openai', serves: ['responses'] }), workerOf('b', { engine: 'openai' })];
    expect(ids(candidatesFor(workers, need('m', 'responses')))).toEqual(['a']);
    expect(() => candidatesFor(workers, need('m', 'rerank'))).toThrow(NotServedError);
  });

  test('those who could are not healthy: 503', () => {
    const workers = [workerOf('a', { status: 'unhealthy' }), workerOf('b', { engine: 'ollama' })];
    expect(() => candidatesFor(workers, need('m', 'rerank'))).toThrow(UnavailableError);
  });
});

describe('the router', () => {
  const hints: Hints = { systemTokens: 0, promptTokens: 10, conversationKey: 'c' };

  /** Takes candidates in their order, one place only, and shows what it was given. */
  const setUp = (loads: Prober['loads'] = async () => []) => {
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
      prober: { loads, load: async () => undefined, maySleep: ({ engine }) => engine === 'vllm' },
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

  test('those that name the model come first, those that may have it when none of them is left', async () => {
    const { router, route, tried } = setUp();
    const workers = [
      workerOf('any', { models: undefined }),
      workerOf('star', { models: ['*'] }),
      workerOf('named', { models: ['m'] }),
      workerOf('second', { models: ['m:latest', '*'] }),
    ];
    const order: (string | undefined)[] = [];
    while (router.hasNext({ ...route, workers })) {
      const worker = await router.pick({ ...route, workers });
      order.push(worker?.id);
      tried.add(worker?.id ?? '');
    }
    expect(order).toEqual(['named', 'second', 'any', 'star']);
  });

  test('one that may have the model comes before one that names it and is out', async () => {
    const { router, route } = setUp();
    const named = workerOf('named', { models: ['m'] });
    const workers = [named, workerOf('any', { models: undefined })];
    router.failed(named);
    expect((await router.pick({ ...route, workers }))?.id).toBe('any');
  });

  test('never picks one that is asleep, also where it is the only one', async () => {
    const asleep = new Set(['a', 'b']);
    const loads: Prober['loads'] = async (workers) =>
      workers.map(({ id }): Seen => (asleep.has(id) ? 'asleep' : undefined));
    const { router, route } = setUp(loads);
    const three = { ...route, workers: ['a', 'b', 'c'].map((id) => workerOf(id, { engine: 'vllm' })) };
    expect((await router.pick(three))?.id).toBe('c');
    asleep.add('c');
    await expect(router.pick(three)).rejects.toBeInstanceOf(UnavailableError);
    const only = [workerOf('a', { engine: 'vllm' })];
    await expect(router.pick({ ...route, workers: only })).rejects.toBeInstanceOf(UnavailableError);
    asleep.clear();
    expect((await router.pick({ ...route, workers: only }))?.id).toBe('a');
  });

  test('says in whose words nobody can serve it', async () => {
    const { router, route } = setUp();
    await expect(router.pick({ ...route, workers: [] })).rejects.toBeInstanceOf(UnavailableError);
  });
});
