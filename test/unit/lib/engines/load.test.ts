import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { haproxyLoadSources } from '../../../../lib/engines/haproxy.ts';
import { engineOf, loadSourcesOf } from '../../../../lib/engines/index.ts';
import { samplesOf, sumOf } from '../../../../lib/engines/prometheus.ts';

const read = (engine: string, path: string, body: string) =>
  engineOf(engine)
    .loadSources.find((source) => source.path === path)
    ?.read(body);

describe('a metric in a Prometheus exposition', () => {
  const text = [
    '# HELP vllm:num_requests_running Number of requests in model execution batches.',
    '# TYPE vllm:num_requests_running gauge',
    'vllm:num_requests_running{engine="0",model_name="a} b, \\"c\\""} 2.0',
    'vllm:num_requests_running{engine="1",model_name="m"} 3.0 1764000000000',
    'vllm:num_requests_running_total{engine="0"} 99',
    'not_vllm:num_requests_running 99',
    'plain 7',
    'broken{a="b 1',
    'endless +Inf',
    'nothing NaN',
  ].join('\n');

  test('is summed over its series, whatever their labels hold', () => {
    expect(sumOf(text, 'vllm:num_requests_running')).toBe(5);
  });

  test('needs no labels and no newline at the end', () => {
    expect(sumOf(text, 'plain')).toBe(7);
    expect(sumOf('plain 7', 'plain')).toBe(7);
  });

  test('is not there: undefined, not zero', () => {
    expect(sumOf(text, 'vllm:num_requests_waiting')).toBeUndefined();
    expect(sumOf(text, 'num_requests_running')).toBeUndefined();
  });

  test('counts finite values in whole lines only', () => {
    expect(samplesOf(text, 'broken')).toEqual([]);
    expect(samplesOf(text, 'endless')).toEqual([]);
    expect(samplesOf(text, 'nothing')).toEqual([]);
  });

  test('survives any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('m', '{', '}', '"', '\\', '\n', ' ', '1', 'e') }), (noise) => {
        for (const { value } of samplesOf(noise, 'm')) expect(Number.isFinite(value)).toBe(true);
      }),
    );
  });
});

describe('load as engines report it', () => {
  test('vLLM: /load counts requests, and a zero may mean that it does not count', () => {
    expect(read('vllm', '/load', '{"server_load":4}')).toEqual({ running: 4, waiting: 0 });
    expect(read('vllm', '/load', '{"detail":"Not Found"}')).toBeUndefined();
    expect(read('vllm', '/load', '{"server_load":null}')).toBeUndefined();
    expect(engineOf('vllm').loadSources[0]).toMatchObject({ path: '/load', zeroIsDoubtful: true });
  });

  test('vLLM: /metrics tells running from waiting', () => {
    const body = 'vllm:num_requests_running{engine="0"} 3.0\nvllm:num_requests_waiting{engine="0"} 2.0\n';
    expect(read('vllm', '/metrics', body)).toEqual({ running: 3, waiting: 2 });
    expect(read('vllm', '/metrics', 'python_info 1\n')).toBeUndefined();
  });

  test('llama.cpp: /metrics, else /slots', () => {
    const metrics =
      '# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing 1\nllamacpp:requests_deferred 5\n';
    expect(read('llamacpp', '/metrics', metrics)).toEqual({ running: 1, waiting: 5 });
    const slots = '[{"id":0,"is_processing":true},{"id":1,"is_processing":false},{"id":2,"is_processing":true}]';
    expect(read('llamacpp', '/slots', slots)).toEqual({ running: 2, waiting: 0 });
    expect(read('llamacpp', '/slots', '{"error":{"code":501}}')).toBeUndefined();
    expect(read('llamacpp', '/slots', '[null]')).toBeUndefined();
  });

  test.each(['localai', 'ollama', 'openai'])(
    '%s reports none of its own, and a HAProxy in front of it does',
    (engine) => {
      expect(loadSourcesOf({ engine })).toEqual([]);
      expect(loadSourcesOf({ engine, load: 'haproxy' })).toBe(haproxyLoadSources);
    },
  );

  test('HAProxy: sessions run, server and backend queues wait, other proxies do not count', () => {
    const metrics = [
      'haproxy_server_current_sessions{proxy="worker",server="engine"} 2',
      'haproxy_server_current_queue{proxy="worker",server="engine"} 1',
      'haproxy_backend_current_queue{proxy="worker"} 3',
      'haproxy_backend_current_queue{proxy="stats"} 50',
      'haproxy_backend_current_sessions{proxy="worker"} 6',
    ].join('\n');
    expect(haproxyLoadSources[0]?.read(metrics)).toEqual({ running: 2, waiting: 4 });
    expect(haproxyLoadSources[0]?.read('localai_requests 4\n')).toBeUndefined();
  });

  test('HAProxy: the same from the statistics as CSV', () => {
    const csv = [
      '# pxname,svname,qcur,qmax,scur,smax,slim,status,',
      'in,FRONTEND,,,6,6,9993,OPEN,',
      'worker,engine,1,1,2,2,2,no check,',
      'worker,BACKEND,3,3,5,5,1000,UP,',
      'stats,BACKEND,9,9,9,9,1000,UP,',
      '',
    ].join('\n');
    for (const source of haproxyLoadSources.slice(1)) {
      expect(source.read(csv)).toEqual({ running: 2, waiting: 4 });
      expect(source.read('<html>statistics</html>')).toBeUndefined();
      expect(source.read('# pxname,svname\nworker,engine')).toBeUndefined();
    }
  });
});
