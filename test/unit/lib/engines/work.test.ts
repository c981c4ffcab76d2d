import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Work } from '../../../../lib/engines/engine.ts';
import { workSourcesOf } from '../../../../lib/engines/work.ts';

/** What is read of a worker that answers 200 with these bodies, and nothing elsewhere. */
const read = (worker: { engine?: string; load?: string }, bodies: Record<string, string>): Work | undefined => {
  const answers = new Map(Object.entries(bodies).map(([path, body]) => [path, { status: 200, headers: {}, body }]));
  for (const source of workSourcesOf(worker)) {
    const work = source.read(answers);
    if (work) return work;
  }
  return undefined;
};

const VLLM = [
  '# HELP vllm:num_requests_running Number of requests in model execution batches.',
  '# TYPE vllm:num_requests_running gauge',
  'vllm:num_requests_running{engine="0",model_name="m"} 1.0',
  'vllm:num_requests_running{engine="1",model_name="m"} 2.0',
  'vllm:num_requests_waiting{engine="0",model_name="m"} 0.0',
  'vllm:num_requests_waiting{engine="1",model_name="m"} 4.0',
  'vllm:num_requests_waiting_by_reason{engine="1",model_name="m",reason="capacity"} 4.0',
  'vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 10.0',
  'vllm:request_success_total{engine="0",finished_reason="length",model_name="m"} 5.0',
  'vllm:request_success_total{engine="1",finished_reason="abort",model_name="m"} 1.0',
  'vllm:request_success_created{engine="0",finished_reason="stop",model_name="m"} 1.7640e+09',
  'vllm:prompt_tokens_total{engine="0",model_name="m"} 1.2345678901e+10',
  '',
].join('\n');

const LLAMACPP = [
  '# TYPE llamacpp:prompt_tokens_total counter',
  'llamacpp:prompt_tokens_total 1.23457e+07',
  'llamacpp:tokens_predicted_total 400',
  'llamacpp:n_decode_total 30',
  'llamacpp:requests_processing 1',
  'llamacpp:requests_deferred 2',
  '',
].join('\n');

const SLOTS = JSON.stringify([
  { id: 0, is_processing: true, id_task: 41 },
  { id: 1, is_processing: true, id_task: 7 },
  { id: 2, is_processing: false },
  { id: 3, is_processing: false, id_task: -1 },
]);

/** As HAProxy 2.6 and later write them: the sidecar of infra/aws, after five requests and two questions. */
const HAPROXY = [
  'haproxy_backend_current_queue{proxy="inference"} 2',
  'haproxy_backend_current_queue{proxy="lookups"} 0',
  'haproxy_backend_http_requests_total{proxy="inference"} 9',
  'haproxy_server_current_queue{proxy="inference",server="engine"} 1',
  'haproxy_server_current_queue{proxy="lookups",server="engine"} 0',
  'haproxy_server_current_sessions{proxy="inference",server="engine"} 4',
  'haproxy_server_current_sessions{proxy="lookups",server="engine"} 1',
  'haproxy_server_sessions_total{proxy="inference",server="engine"} 5',
  'haproxy_server_sessions_total{proxy="lookups",server="engine"} 2',
  '',
].join('\n');

const CSV = [
  '# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,',
  'door,FRONTEND,,,5,6,9991,70,1,1,',
  'one,engine,1,1,4,4,4,5,1,1,',
  'one,BACKEND,2,2,7,7,1000,9,1,1,',
  '',
].join('\n');

const METRICS = '/metrics?scope=server&scope=backend';
const STATISTICS = '/haproxy?stats;csv';

describe('work as engines count it', () => {
  test('vLLM: over its engines, models and reasons, and the tokens of prompts whose clients left', () => {
    expect(read({ engine: 'vllm' }, { '/metrics': VLLM })).toEqual({ running: 3, waiting: 4, served: 12_345_678_917 });
    const older = VLLM.replace(/vllm:prompt_tokens_total.*\n/, '');
    expect(read({ engine: 'vllm' }, { '/metrics': older })).toEqual({ running: 3, waiting: 4, served: 16 });
  });

  test('llama.cpp: its slots, its counters, or both', () => {
    const slots = { running: 2, waiting: 0, served: 42 + 8 };
    expect(read({ engine: 'llamacpp' }, { '/slots': SLOTS })).toEqual(slots);
    const metrics = { running: 1, waiting: 2, served: 12_345_700 + 430 };
    expect(read({ engine: 'llamacpp' }, { '/metrics': LLAMACPP })).toEqual(metrics);
    const both = { running: 2, waiting: 2, served: slots.served + metrics.served };
    expect(read({ engine: 'llamacpp' }, { '/metrics': LLAMACPP, '/slots': SLOTS })).toEqual(both);
  });

  test('llama.cpp: a short request after millions of tokens is seen by its slot', () => {
    const after = SLOTS.replace('"id_task":7', '"id_task":44');
    const before = read({ engine: 'llamacpp' }, { '/metrics': LLAMACPP, '/slots': SLOTS });
    const then = read({ engine: 'llamacpp' }, { '/metrics': LLAMACPP, '/slots': after });
    expect(then?.served).toBeGreaterThan(before?.served ?? Number.POSITIVE_INFINITY);
  });

  test('Ollama: as long as a model is there, whatever its entry says', () => {
    const ps = (models: unknown) => read({ engine: 'ollama' }, { '/api/ps': JSON.stringify({ models }) });
    expect(ps([])).toEqual({ running: 0, waiting: 0, served: 0 });
    expect(ps(null)).toEqual({ running: 0, waiting: 0, served: 0 });
    expect(ps([{ name: 'a' }, null])).toEqual({ running: 2, waiting: 0, served: 0 });
    const forEver = { name: 'a', expires_at: '2318-11-06T22:12:13.854775807Z' };
    const soon = { name: 'b', expires_at: '2026-11-26T10:00:00.123456789+01:00' };
    expect(ps([forEver])).toEqual({ running: 1, waiting: 0, served: 0, isPinned: true });
    for (const other of [soon, { name: 'c', expires_at: 'never' }, { name: 'd', expires_at: null }, null]) {
      expect(ps([forEver, other])).toEqual({ running: 2, waiting: 0, served: 0 });
    }
    expect(ps('none')).toBeUndefined();
    expect(ps(undefined)).toBeUndefined();
  });

  test('HAProxy: what it sent to its servers; its backend for questions does not count', () => {
    const work = { running: 4, waiting: 3, served: 5 };
    expect(read({ load: 'haproxy' }, { [METRICS]: HAPROXY })).toEqual(work);
    expect(read({ engine: 'vllm', load: 'haproxy' }, { [STATISTICS]: CSV, '/metrics': VLLM })).toEqual(work);
  });

  test('HAProxy: without such a backend, questions count', () => {
    const counts = ([path, body]: [string, string]) =>
      workSourcesOf({ load: 'haproxy' })
        .find(({ paths }) => paths.includes(path))
        ?.countsQuestions?.(new Map([[path, { status: 200, headers: {}, body }]]));
    expect(counts([METRICS, HAPROXY])).toBe(false);
    expect(counts([STATISTICS, CSV])).toBe(true);
  });

  test.each(['localai', 'openai', 'unheard-of', undefined])('%s counts nothing', (engine) => {
    expect(workSourcesOf({ engine })).toEqual([]);
  });
});

describe('what cannot be believed', () => {
  const answers: [string, { engine?: string; load?: string }, Record<string, string>][] = [
    ['vLLM', { engine: 'vllm' }, { '/metrics': VLLM }],
    ['llama.cpp', { engine: 'llamacpp' }, { '/metrics': LLAMACPP, '/slots': SLOTS }],
    ['Ollama', { engine: 'ollama' }, { '/api/ps': '{"models":[{"name":"a"}]}' }],
    ['HAProxy', { load: 'haproxy' }, { [METRICS]: HAPROXY }],
    ['HAProxy as CSV', { load: 'haproxy' }, { [STATISTICS]: CSV }],
  ];

  test.each(['NaN', '-1', '+Inf', '-Inf', '1e300', 'many', ''])('a counter of %j says nothing', (odd) => {
    const oddly = (text: string) => text.replaceAll(/^((?:vllm|llamacpp|haproxy)\S+) \S+$/gm, `$1 ${odd}`);
    expect(read({ engine: 'vllm' }, { '/metrics': oddly(VLLM) })).toBeUndefined();
    expect(read({ engine: 'llamacpp' }, { '/metrics': oddly(LLAMACPP) })).toBeUndefined();
    expect(read({ load: 'haproxy' }, { [METRICS]: oddly(HAPROXY) })).toBeUndefined();
    expect(read({ load: 'haproxy' }, { [STATISTICS]: CSV.replace('4,4,4,5', `4,4,4,${odd}`) })).toBeUndefined();
  });

  test('one odd series among good ones spoils them all', () => {
    for (const odd of ['-4', 'NaN', '1e17']) {
      const body = `${VLLM}vllm:num_requests_waiting{engine="2"} ${odd}\n`;
      expect(read({ engine: 'vllm' }, { '/metrics': body })).toBeUndefined();
    }
    const slots = JSON.stringify([{ is_processing: false, id_task: '9' }]);
    expect(read({ engine: 'llamacpp' }, { '/slots': slots })).toBeUndefined();
  });

  test('a bad answer beside a good one', () => {
    expect(read({ engine: 'llamacpp' }, { '/slots': '[]', '/metrics': LLAMACPP })).toBeUndefined();
    expect(read({ engine: 'llamacpp' }, { '/slots': SLOTS, '/metrics': '<html>' })).toBeUndefined();
  });

  test.each(answers)('%s: an answer that was cut never looks idle', (_name, worker, bodies) => {
    for (const [path, body] of Object.entries(bodies)) {
      for (let end = 0; end < body.length; end += 1) {
        const work = read(worker, { ...bodies, [path]: body.slice(0, end) });
        if (work) expect(work.running + work.waiting).toBeGreaterThan(0);
      }
    }
  });

  test.each(answers)('%s: any answer gives counts or nothing', (_name, worker, bodies) => {
    const paths = Object.keys(bodies);
    const piece = fc.oneof(
      fc.constantFrom(...Object.values(bodies).flatMap((body) => body.split(/(?<=[\n,{} ])/))),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(fc.array(piece, { maxLength: 40 }), { minLength: 1, maxLength: 2 }), (texts) => {
        const work = read(
          worker,
          Object.fromEntries(paths.map((path, index) => [path, (texts[index] ?? []).join('')])),
        );
        for (const count of Object.values(work ?? {})) {
          expect(count).toBeGreaterThanOrEqual(0);
          expect(count).toBeLessThanOrEqual(Number.MAX_SAFE_INTEGER);
        }
      }),
    );
  });

  test('names of answers index nothing', () => {
    const slots = '[{"__proto__":{"id_task":3},"is_processing":false}]';
    expect(read({ engine: 'llamacpp' }, { '/slots': slots })).toEqual({ running: 0, waiting: 0, served: 0 });
    expect(workSourcesOf({ engine: '__proto__' })).toEqual([]);
  });
});
