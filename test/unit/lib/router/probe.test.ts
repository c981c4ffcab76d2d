import { describe, expect, test } from '@jest/globals';
import type { FetchText } from '../../../../lib/router/ask-load.ts';
import { createProber } from '../../../../lib/router/probe.ts';
import type { Worker } from '../../../../lib/worker.ts';

const worker = (id: string, engine: string, extra: Partial<Worker> = {}): Worker => ({
  id,
  name: id,
  url: `http://${id}`,
  status: 'healthy',
  engine,
  ...extra,
});

type Reply = { status?: number; body?: string } | 'hang' | 'refused';

/** Workers by URL; what is not listed is 404. A hanging one ends only with its signal. */
const setup = (replies: Record<string, Reply>, options: { timeoutMs?: number } = {}) => {
  const clock = { ms: 1_000_000 };
  const asked: string[] = [];
  /** Questions whether it sleeps, apart from those for its load. */
  const sleepAsked: string[] = [];
  const headers: Record<string, string>[] = [];
  let aborted = 0;
  const fetchText: FetchText = (url, request) => {
    (/\/(is_sleeping|props)$/.test(url) ? sleepAsked : asked).push(url);
    headers.push(request.headers);
    const reply = replies[url] ?? { status: 404 };
    if (reply === 'refused') return Promise.reject(new Error('ECONNREFUSED'));
    if (reply !== 'hang') return Promise.resolve({ status: 200, body: '', ...reply });
    return new Promise((_, reject) => {
      request.signal.addEventListener('abort', () => {
        aborted += 1;
        reject(new Error('aborted'));
      });
    });
  };
  const prober = createProber({ fetchText, now: () => clock.ms, ...options });
  return { clock, asked, sleepAsked, headers, prober, replies, abortedCount: () => aborted };
};

const metrics = (running: number, waiting: number) => ({
  body: `vllm:num_requests_running{engine="0"} ${running}\nvllm:num_requests_waiting{engine="0"} ${waiting}\n`,
});

describe('probing', () => {
  test('asks only workers with a load signal', async () => {
    const { prober, asked } = setup({});
    const workers = ['localai', 'ollama', 'openai'].map((engine) => worker(engine, engine));
    expect(await prober.loads(workers)).toEqual([undefined, undefined, undefined]);
    expect(asked).toEqual([]);
  });

  test('reads load, with the key of the worker', async () => {
    const { prober, headers } = setup({ 'http://v/load': { body: '{"server_load":3}' } });
    expect(await prober.load(worker('v', 'vllm', { apiKey: 'secret' }))).toEqual({ running: 3, waiting: 0 });
    expect(headers).toEqual(Array(2).fill({ authorization: 'Bearer secret' }));
  });

  test('does not believe a zero of /load before it has seen it count', async () => {
    const { prober, asked, clock, replies } = setup({
      'http://v/load': { body: '{"server_load":0}' },
      'http://v/metrics': metrics(2, 4),
    });
    const v = worker('v', 'vllm');
    expect(await prober.load(v)).toEqual({ running: 2, waiting: 4 });
    clock.ms += 1000;
    // From now on it goes straight to what told it something.
    replies['http://v/metrics'] = metrics(0, 0);
    expect(await prober.load(v)).toEqual({ running: 0, waiting: 0 });
    expect(asked).toEqual(['http://v/load', 'http://v/metrics', 'http://v/metrics']);
  });

  test('believes zeros of /load once it has seen it count, or when there is nothing else', async () => {
    const { prober, asked, clock, replies } = setup({ 'http://v/load': { body: '{"server_load":0}' } });
    const v = worker('v', 'vllm');
    expect(await prober.load(v)).toEqual({ running: 0, waiting: 0 });
    clock.ms += 1000;
    replies['http://v/load'] = { body: '{"server_load":1}' };
    expect(await prober.load(v)).toEqual({ running: 1, waiting: 0 });
    clock.ms += 1000;
    replies['http://v/load'] = { body: '{"server_load":0}' };
    expect(await prober.load(v)).toEqual({ running: 0, waiting: 0 });
    expect(asked.map((url) => url.slice(9))).toEqual(['load', 'metrics', 'load', 'load']);
  });

  test('finds a source that moved', async () => {
    const { prober, clock, replies } = setup({ 'http://l/slots': { body: '[{"is_processing":true}]' } });
    const l = worker('l', 'llamacpp');
    expect(await prober.load(l)).toEqual({ running: 1, waiting: 0 });
    clock.ms += 1000;
    replies['http://l/slots'] = { status: 501 };
    replies['http://l/metrics'] = { body: 'llamacpp:requests_processing 2\nllamacpp:requests_deferred 7\n' };
    expect(await prober.load(l)).toEqual({ running: 2, waiting: 7 });
  });

  test('a worker without the paths is asked again only after half a minute; one that is starting at once', async () => {
    const { prober, asked, clock, replies } = setup({ 'http://s/metrics': { status: 503 } });
    const l = worker('l', 'llamacpp');
    const s = worker('s', 'llamacpp');
    expect(await prober.loads([l, s])).toEqual([undefined, undefined]);
    clock.ms += 1000;
    replies['http://s/metrics'] = { body: 'llamacpp:requests_processing 1\n' };
    expect(await prober.loads([l, s])).toEqual([undefined, { running: 1, waiting: 0 }]);
    expect(asked.filter((url) => url.startsWith('http://l/'))).toHaveLength(2);
    clock.ms += 30_000;
    replies['http://l/metrics'] = { body: 'llamacpp:requests_processing 4\n' };
    expect(await prober.load(l)).toEqual({ running: 4, waiting: 0 });
  });

  test('no answer in time means busy, for all together, and ends the question', async () => {
    const { prober, abortedCount } = setup({
      'http://slow/load': 'hang',
      'http://dead/load': 'refused',
      'http://fine/load': { body: '{"server_load":1}' },
    });
    const began = performance.now();
    const seen = await prober.loads(['slow', 'dead', 'fine'].map((id) => worker(id, 'vllm')));
    expect(seen).toEqual(['busy', 'busy', { running: 1, waiting: 0 }]);
    expect(performance.now() - began).toBeLessThan(500);
    expect(performance.now() - began).toBeGreaterThan(45);
    expect(abortedCount()).toBe(1);
  });

  test('a first source that keeps silent does not hide the second, and is not asked again', async () => {
    const { prober, asked, clock, abortedCount } = setup({
      'http://l/metrics': 'hang',
      'http://l/slots': { body: '[{"is_processing":true}]' },
    });
    const l = worker('l', 'llamacpp');
    expect(await prober.load(l)).toEqual({ running: 1, waiting: 0 });
    expect(abortedCount()).toBe(1);
    clock.ms += 1000;
    expect(await prober.load(l)).toEqual({ running: 1, waiting: 0 });
    expect(asked.map((url) => url.slice(9))).toEqual(['metrics', 'slots', 'slots']);
  });

  test('the limit holds for a second source too', async () => {
    const { prober } = setup({ 'http://v/load': { body: '{"server_load":0}' }, 'http://v/metrics': 'hang' });
    expect(await prober.load(worker('v', 'vllm'))).toBe('busy');
  });

  test('concurrent questions share one probe', async () => {
    const { prober, asked } = setup({ 'http://v/load': { body: '{"server_load":1}' } });
    const v = worker('v', 'vllm');
    const seen = await Promise.all([prober.load(v), prober.load(v), prober.loads([v, v])]);
    expect(seen.flat()).toEqual(Array(4).fill({ running: 1, waiting: 0 }));
    expect(asked).toHaveLength(1);
  });

  test('an answer is reused for 100 ms of the clock, not longer, nor when the clock was set back', async () => {
    const { prober, asked, clock } = setup({ 'http://v/load': { body: '{"server_load":1}' } });
    const v = worker('v', 'vllm');
    await prober.load(v);
    clock.ms += 100;
    await prober.load(v);
    expect(asked).toHaveLength(1);
    clock.ms += 1;
    await prober.load(v);
    expect(asked).toHaveLength(2);
    clock.ms -= 3_600_000;
    await prober.load(v);
    expect(asked).toHaveLength(3);
  });

  test('a probe that was frozen with its environment is not waited for', async () => {
    const { prober, clock, replies } = setup({ 'http://v/load': 'hang' }, { timeoutMs: 500 });
    const v = worker('v', 'vllm');
    const controller = new AbortController();
    const before = prober.load(v, controller.signal);
    clock.ms += 600_000;
    replies['http://v/load'] = { body: '{"server_load":2}' };
    expect(await prober.load(v)).toEqual({ running: 2, waiting: 0 });
    controller.abort();
    expect(await before).toBeUndefined();
  });

  test('an invocation that ends does not wait, and does not take the answer from others', async () => {
    const { prober } = setup({ 'http://v/load': 'hang' });
    const v = worker('v', 'vllm');
    const controller = new AbortController();
    const leaving = prober.load(v, controller.signal);
    const staying = prober.load(v);
    controller.abort();
    expect(await leaving).toBeUndefined();
    expect(await staying).toBe('busy');
    expect(await prober.load(v, controller.signal)).toBeUndefined();
  });
});

describe('sleep', () => {
  const sleeping = (is_sleeping: boolean) => ({ body: JSON.stringify({ is_sleeping }) });
  const idle = { running: 0, waiting: 0 };

  test('a vLLM that sleeps is told apart from an idle one, and no longer when it is awake', async () => {
    const { prober, clock, replies } = setup({
      'http://v/is_sleeping': sleeping(true),
      'http://v/load': { body: '{"server_load":0}' },
    });
    const v = worker('v', 'vllm');
    expect([prober.maySleep(v), await prober.load(v)]).toEqual([true, 'asleep']);
    replies['http://v/is_sleeping'] = sleeping(false);
    clock.ms += 1000;
    expect([prober.maySleep(v), await prober.load(v)]).toEqual([true, idle]);
  });

  test('a vLLM that says that it never sleeps is not asked again for five minutes', async () => {
    const { prober, clock, sleepAsked } = setup({ 'http://v/load': { body: '{"server_load":1}' } });
    const v = worker('v', 'vllm');
    for (const pause of [0, 1000, 299_000]) {
      clock.ms += pause;
      expect(await prober.load(v)).toEqual({ running: 1, waiting: 0 });
      expect(prober.maySleep(v)).toBe(false);
    }
    expect(sleepAsked).toHaveLength(1);
    clock.ms += 1000;
    expect(prober.maySleep(v)).toBe(true);
    await prober.load(v);
    expect(sleepAsked).toHaveLength(2);
  });

  test.each(['hang', 'refused', { status: 503 }] as const)(
    'a question that is not answered (%j) hides no load',
    async (reply) => {
      const { prober } = setup({ 'http://v/is_sleeping': reply, 'http://v/load': { body: '{"server_load":2}' } });
      expect(await prober.load(worker('v', 'vllm'))).toEqual({ running: 2, waiting: 0 });
    },
  );

  test('a llama.cpp that sleeps is idle, and neither asked for its load then nor ever after', async () => {
    const { prober, clock, asked, replies } = setup({
      'http://l/props': sleeping(true),
      'http://l/metrics': { body: 'llamacpp:requests_processing 1\n' },
    });
    const l = worker('l', 'llamacpp');
    expect([prober.maySleep(l), await prober.load(l)]).toEqual([false, idle]);
    replies['http://l/props'] = sleeping(false);
    clock.ms += 1000;
    expect(await prober.load(l)).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test('a llama.cpp the fleet knows to sleep by itself is not asked for its load; others are', async () => {
    const { prober, asked } = setup({
      'http://l/props': sleeping(false),
      'http://l/metrics': { body: 'llamacpp:requests_processing 1\n' },
      'http://m/props': { body: '{"total_slots":4}' },
      'http://m/metrics': { body: 'llamacpp:requests_processing 3\n' },
    });
    const workers = [worker('l', 'llamacpp', { sleepsByItself: true }), worker('m', 'llamacpp')];
    expect(await prober.loads(workers)).toEqual([undefined, { running: 3, waiting: 0 }]);
    expect(asked).toEqual(['http://m/metrics']);
  });
});
