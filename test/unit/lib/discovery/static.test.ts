import { describe, expect, test } from '@jest/globals';
import type { AskWorker } from '../../../../lib/discovery/look.ts';
import { createStaticWorkers } from '../../../../lib/discovery/static.ts';
import type { Worker } from '../../../../lib/worker.ts';
import { workerOf } from '../scripted-fleet.ts';
import { createFakeClock, settle } from '../time/fake-clock.ts';

const ttlMs = 10_000;
const list = (...ids: string[]) =>
  JSON.stringify({ object: 'list', data: ids.map((id) => ({ id, object: 'model', created: 7, owned_by: 'me' })) });
const bare = (...ids: string[]) => JSON.stringify({ object: 'list', data: ids.map((id) => ({ id, object: 'model' })) });

/** Workers by their answers: id -> path -> body, other paths are 404; `undefined`: nobody there. */
type Said = Record<string, Record<string, string> | undefined>;

const arrange = (workers: readonly Worker[], said: Said, delays: Record<string, number> = {}) => {
  const clock = createFakeClock();
  const asked: string[] = [];
  const ask: AskWorker = async ({ url }, path, { timeoutMs }) => {
    const id = new URL(url).hostname.split('.')[0] ?? '';
    asked.push(`${id} ${path}`);
    const answers = said[id];
    const delay = delays[id] ?? 0;
    if (delay > 0) await clock.sleep(Math.min(delay, timeoutMs));
    if (!answers || delay > timeoutMs) return undefined;
    const body = answers[path];
    return body === undefined ? { status: 404, headers: {}, body: '{}' } : { status: 200, headers: {}, body };
  };
  const source = createStaticWorkers({ workers, ttlMs, ask, log: () => {}, clock, random: () => 0.5 });
  /** After everything that is said now was heard. */
  const fresh = async () => {
    await clock.advance(ttlMs + 1);
    await source.current();
    await settle();
    return source.current();
  };
  return { clock, asked, source, fresh, said };
};

describe('what a record leaves open', () => {
  test('is asked of the worker: its engine, and its models where the engine keeps them', async () => {
    const workers = [
      workerOf('given', { models: ['m'] }),
      workerOf('list', { engine: 'vllm' }),
      workerOf('plain', { engine: undefined }),
    ];
    const { source, asked } = arrange(workers, {
      list: { '/v1/models': list('y', 'x') },
      plain: {
        '/': 'Ollama is running',
        '/api/tags': '{"models":[{"name":"z"}]}',
        '/api/version': '{"version":"0.13.3"}',
      },
    });
    expect(await source.current()).toMatchObject([
      { engine: 'localai', models: ['m'] },
      { engine: 'vllm', models: ['x', 'y'] },
      { engine: 'ollama', models: ['z'], version: '0.13.3' },
    ]);
    expect(asked.filter((one) => one.startsWith('given'))).toEqual([]);
    expect(asked.filter((one) => one.startsWith('list'))).toEqual(['list /v1/models']);
  });

  test('nothing: nobody is asked, and the workers are the ones given', async () => {
    const workers = [workerOf('a', { models: [] })];
    const { source, asked } = arrange(workers, {});
    expect(await source.current()).toBe(workers);
    await source.settled();
    expect(asked).toEqual([]);
  });

  test('is asked once for requests that come together, and the array stays the same while nothing changes', async () => {
    const { source, asked, fresh } = arrange([workerOf('a', { engine: 'vllm' })], { a: { '/v1/models': list('x') } });
    const [one, two] = await Promise.all([source.current(), source.current()]);
    expect(two).toBe(one);
    expect(asked).toHaveLength(1);
    expect(await fresh()).toBe(one);
    expect(asked).toHaveLength(2);
  });

  test("with `*` among the models: any, and the worker's own beside it", async () => {
    const { source } = arrange([workerOf('a', { engine: 'vllm', models: ['*', 'mine'] })], {
      a: { '/v1/models': list('x') },
    });
    expect((await source.current())[0]?.models).toEqual(['*', 'mine', 'x']);
  });
});

describe('an engine nobody stated', () => {
  const open = [workerOf('a', { engine: undefined })];

  test.each<[string, string | undefined, Record<string, string>]>([
    [
      'the discovery document',
      'localai',
      { '/.well-known/localai.json': '{"version":"v4.9.0"}', '/v1/models': bare('m') },
    ],
    ['an old LocalAI by its bare list', 'localai', { '/readyz': 'OK', '/v1/models': bare('m') }],
    [
      'an old LocalAI by its version, its list behind a key',
      'localai',
      { '/version': '{"version":"v3.7.0 (0a1b2c)"}' },
    ],
    ['no sign, but a list as OpenAI has it', 'openai', { '/v1/models': list('gpt') }],
    [
      'the same with a health path of its own',
      'openai',
      { '/v1/models': list('gpt'), '/readyz': 'ok', '/version': '{"version":"1.2"}' },
    ],
    ['vLLM by its owner', 'vllm', { '/v1/models': '{"data":[{"id":"m","owned_by":"vllm"}]}' }],
    ['vLLM whose list wants a key', 'vllm', { '/load': '{"server_load":0}' }],
    ['neither sign nor list', undefined, {}],
  ])('%s: %s', async (_, engine, answers) => {
    const { source } = arrange(open, { a: answers });
    expect((await source.current())[0]?.engine).toBe(engine);
  });

  test('is asked for again each cache time until it answers, then no more', async () => {
    const { source, asked, fresh, said } = arrange(open, {});
    expect((await source.current())[0]).toMatchObject({ engine: undefined, models: undefined });
    expect((await fresh())[0]?.engine).toBeUndefined();
    said.a = { '/v1/models': list('m') };
    expect((await fresh())[0]).toMatchObject({ engine: 'openai', models: ['m'] });
    asked.length = 0;
    await fresh();
    expect(asked).toEqual(['a /v1/models']);
  });

  test('that is another one after an outage is found out', async () => {
    const { source, fresh, said } = arrange(open, { a: { '/v1/models': list('m') } });
    await source.current();
    said.a = undefined;
    expect((await fresh())[0]).toMatchObject({ engine: 'openai', models: ['m'] });
    said.a = { '/v1/models': '{"data":[{"id":"n","owned_by":"vllm"}]}' };
    expect((await fresh())[0]).toMatchObject({ engine: 'vllm', models: ['n'] });
  });
});

describe('a worker that cannot be read', () => {
  test.each<[string, Record<string, string> | undefined]>([
    ['silent', undefined],
    ['no list', { '/v1/models': '<html>' }],
    ['an error', {}],
  ])('%s: it may have any model until it has told, and keeps what it told last', async (_, answers) => {
    const { source, fresh, said } = arrange([workerOf('a', { engine: 'vllm' })], { a: answers });
    expect((await source.current())[0]?.models).toBeUndefined();
    said.a = { '/v1/models': list('x') };
    expect((await fresh())[0]?.models).toEqual(['x']);
    said.a = answers;
    expect((await fresh())[0]?.models).toEqual(['x']);
  });

  test('slowly: a request waits a second for it, and the list counts when it is there', async () => {
    const workers = [workerOf('slow', { engine: 'vllm' }), workerOf('quick', { engine: 'vllm' })];
    const { clock, source } = arrange(
      workers,
      { slow: { '/v1/models': list('late') }, quick: { '/v1/models': list('early') } },
      { slow: 3_000 },
    );
    const first = source.current();
    await clock.advance(1_000);
    expect((await first).map(({ models }) => models)).toEqual([undefined, ['early']]);
    await clock.advance(2_000);
    expect((await source.current()).map(({ models }) => models)).toEqual([['late'], ['early']]);
  });
});

describe('what lists say beside names', () => {
  test("vLLM's window and owner are kept, its `created` (the time of the question) as first heard", async () => {
    const model = { id: 'm', created: 100, owned_by: 'vllm', max_model_len: 8192, permission: [{ id: 'modelperm-1' }] };
    const { source, fresh, said } = arrange([workerOf('a', { engine: undefined })], {
      a: { '/v1/models': JSON.stringify({ data: [model] }) },
    });
    const about = [{ id: 'm', entry: { created: 100, owned_by: 'vllm', max_model_len: 8192 } }];
    const one = await source.current();
    expect(one).toMatchObject([{ engine: 'vllm', about }]);
    said.a = { '/v1/models': JSON.stringify({ data: [{ ...model, created: 200, permission: [] }] }) };
    expect(await fresh()).toBe(one);
  });
});
