import { describe, expect, test } from '@jest/globals';
import type { Answer } from '../../../../lib/engines/engine.ts';
import { createWorkReader } from '../../../../lib/registrar/work.ts';
import type { Ask } from '../../../../lib/upstream/ask.ts';

const { signal } = new AbortController();

/** A worker that answers so, and remembers what it was asked. */
const createWorker = (answers: Record<string, string | number>) => {
  const asked: string[] = [];
  const ask: Ask = async (_worker, path, { method = 'GET' }): Promise<Answer | undefined> => {
    asked.push(method === 'GET' ? path : `${method} ${path}`);
    const said = answers[path];
    if (said === undefined) return undefined;
    return typeof said === 'number'
      ? { status: said, headers: {}, body: '' }
      : { status: 200, headers: {}, body: said };
  };
  return { asked, answers, reader: createWorkReader(ask) };
};

const worker = (engine: string, more = {}) => ({ url: 'http://10.0.0.1:8080', engine, ...more });

const METRICS = '/metrics?scope=server&scope=backend';
const STATISTICS = '/haproxy?stats;csv';
const slots = (task: number) => JSON.stringify([{ is_processing: false, id_task: task }]);
const haproxy = (served: number, proxy = 'worker') =>
  ['current_queue', 'current_sessions', 'sessions_total']
    .map((name) => `haproxy_server_${name}{proxy="${proxy}",server="s"} ${name === 'sessions_total' ? served : 0}\n`)
    .join('');

describe('a worker that sleeps', () => {
  test('vLLM: is idle, and asked no more', async () => {
    const { asked, reader } = createWorker({ '/is_sleeping': '{"is_sleeping":true}', '/metrics': '' });
    expect(await reader.read(worker('vllm'), { signal })).toEqual({ running: 0, waiting: 0, served: 0, own: 0 });
    expect(asked).toEqual(['/is_sleeping']);
  });

  test('vLLM: is woken with POST', async () => {
    const { asked, reader } = createWorker({ '/wake_up': '' });
    expect(await reader.wake(worker('vllm'), signal)).toBe(true);
    expect(asked).toEqual(['POST /wake_up']);
    expect(await createWorker({ '/wake_up': 500 }).reader.wake(worker('vllm'), signal)).toBe(false);
    expect(await createWorker({}).reader.wake(worker('vllm'), signal)).toBe(false);
    // Whoever wakes for a request needs nobody else.
    expect(await createWorker({}).reader.wake(worker('llamacpp'), signal)).toBe(false);
  });

  test('llama.cpp: is not asked what would keep it awake', async () => {
    const awake = createWorker({ '/props': '{"is_sleeping":false}', '/slots': slots(3), '/metrics': 501 });
    const known = worker('llamacpp', { sleepsByItself: true });
    expect(await awake.reader.read(known, { signal })).toMatchObject({ running: 1, waiting: 0 });
    expect(awake.asked).toEqual(['/props']);
    const asleep = createWorker({ '/props': '{"is_sleeping":true}' });
    expect(await asleep.reader.read(known, { signal })).toMatchObject({ running: 0, waiting: 0 });
    expect(await createWorker({}).reader.read(known, { signal })).toBeUndefined();
  });

  test('llama.cpp that may: what it said lately does, while that is enough', async () => {
    const { asked, answers, reader } = createWorker({
      '/props': '{"is_sleeping":false}',
      '/slots': slots(3),
      '/metrics': 501,
    });
    const lately = { running: 0, waiting: 0, served: 4 };
    expect(await reader.read(worker('llamacpp'), { signal, lately })).toEqual({ ...lately, own: 0 });
    expect(asked).toEqual(['/props']);
    expect(await reader.read(worker('llamacpp'), { signal })).toEqual({ ...lately, own: 0 });
    // Releases that cannot sleep do not say so.
    answers['/props'] = '{}';
    await reader.read(worker('llamacpp'), { signal, lately });
    expect(asked).toEqual(['/props', '/props', '/slots', '/metrics', '/props', '/slots', '/metrics']);
  });

  test('llama.cpp behind a proxy: the proxy is asked, which disturbs nobody', async () => {
    const { asked, reader } = createWorker({ '/props': '{"is_sleeping":false}', [METRICS]: haproxy(7) });
    const known = worker('llamacpp', { load: 'haproxy', sleepsByItself: true });
    expect(await reader.read(known, { signal })).toMatchObject({ running: 0, served: 7 });
    expect(asked).toEqual(['/props', METRICS]);
  });
});

describe('a worker that does not tell', () => {
  test('has no counters: nobody can know', async () => {
    expect(await createWorker({}).reader.read(worker('localai'), { signal })).toBe('none');
    expect(await createWorker({ '/slots': 501, '/metrics': 501 }).reader.read(worker('llamacpp'), { signal })).toBe(
      'none',
    );
    expect(await createWorker({ '/metrics': 'python_info 1\n' }).reader.read(worker('vllm'), { signal })).toBe('none');
    const bare = createWorker({ [METRICS]: 404, [STATISTICS]: '<html>' });
    expect(await bare.reader.read(worker('localai', { load: 'haproxy' }), { signal })).toBe('none');
  });

  test.each<Record<string, number>>([{}, { '/metrics': 503 }, { '/metrics': 401 }])(
    'did not this time: %j',
    async (answers) => {
      expect(await createWorker(answers).reader.read(worker('vllm'), { signal })).toBeUndefined();
    },
  );
});

describe('questions of our own', () => {
  const behind = worker('localai', { load: 'haproxy' });
  const quick = { timeoutMs: 1 };

  test('are told of a proxy that counts them, and those alone that it saw since the last look', async () => {
    const { answers, reader } = createWorker({ '/readyz': '', '/v1/models': '', '/slow': 504, [METRICS]: haproxy(2) });
    await reader.ask(behind, '/readyz', quick);
    await reader.ask(behind, '/v1/models', quick);
    await reader.ask(behind, '/slow', quick);
    await reader.ask(behind, '/nobody', quick);
    await reader.ask(worker('localai', { url: 'http://10.0.0.2:8080' }), '/readyz', quick);
    expect(await reader.read(behind, { signal })).toMatchObject({ served: 2, own: 2 });
    answers[METRICS] = haproxy(3);
    await reader.ask(behind, '/readyz', quick);
    expect(await reader.read(behind, { signal })).toMatchObject({ served: 3, own: 1 });
    expect(await reader.read(behind, { signal })).toMatchObject({ served: 3, own: 0 });
  });

  test('a question that reaches the engine through the proxy, too', async () => {
    const csv = '# pxname,svname,qcur,qmax,scur,smax,slim,stot,\nw,s,0,0,0,0,,1,\nw,BACKEND,0,0,0,0,,1,\n';
    const { reader } = createWorker({ [METRICS]: 404, [STATISTICS]: csv });
    expect(await reader.read(behind, { signal })).toMatchObject({ served: 1, own: 1 });
  });

  test('do not count where the proxy keeps them apart, nor in an engine', async () => {
    const apart = createWorker({ '/readyz': '', [METRICS]: haproxy(5, 'inference') + haproxy(9, 'lookups') });
    await apart.reader.ask(behind, '/readyz', quick);
    expect(await apart.reader.read(behind, { signal })).toMatchObject({ served: 5, own: 0 });
    const engine = createWorker({ '/health': '', '/slots': slots(0), '/metrics': 501 });
    await engine.reader.ask(worker('llamacpp'), '/health', quick);
    expect(await engine.reader.read(worker('llamacpp'), { signal })).toMatchObject({ served: 1, own: 0 });
  });
});
