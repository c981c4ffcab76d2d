import { describe, expect, test } from '@jest/globals';
import { scrubBody, scrubFor, withoutNode } from '../../../../lib/relay/loading-node.ts';

/** docs/contract.md 3.5: `loading.node` is taken out of a worker's `model_loading` body while the header is off. */
const textOf = (text: string) => scrubBody(Buffer.from(text)).toString();

const loading = (node: unknown, message = 'model m is loading') => ({
  error: { message, type: 'model_loading', code: 'model_loading' },
  loading: { model: 'm', state: 'loading', node, progress: 0.5, eta_seconds: 7 },
});

describe('a model_loading body', () => {
  test('loses the node, and keeps everything else', () => {
    const { node: _, ...rest } = loading('').loading;
    expect(JSON.parse(textOf(JSON.stringify(loading('worker-7'))))).toEqual({ ...loading(''), loading: rest });
  });

  test.each([
    ['gpu-node "7"', 'm is loading on gpu-node "7"', 'm is loading on a worker'],
    ['gpu-7', 'http://gpu-7.internal:8080 loads', 'http://a worker.internal:8080 loads'],
    ['gpu-7', 'GPU-7 (gpu-7) loads', 'a worker (a worker) loads'],
    ['a', 'a model on a', 'a worker model on a worker'],
    ['on', 'only once, on on.', 'only once, a worker a worker.'],
  ])('loses %j in its message too', (node, message, expected) => {
    expect(JSON.parse(textOf(JSON.stringify(loading(node, message)))).error.message).toBe(expected);
  });

  test.each(['', 7, null, 'e', 'model', 'loading'])('with %j as its node stays sound', (node) => {
    const { node: _, ...rest } = loading(node).loading;
    const result = JSON.parse(textOf(JSON.stringify(loading(node, 'no names here'))));
    expect(result.loading).toEqual(rest);
    expect(result.error).toMatchObject({ type: 'model_loading', code: 'model_loading' });
  });

  test('loses it inside the error, or deeper, as well', () => {
    const text = '{"error":{"message":"m loads on gpu-7","code":503,"loading":{"node":"gpu-7","progress":1}}}';
    expect(textOf(text)).toBe('{"error":{"message":"m loads on a worker","code":503,"loading":{"progress":1}}}');
    const deep = { errors: [{ detail: { text: 'on gpu-7', loading: { node: 'gpu-7' } } }] };
    expect(withoutNode(deep)).toEqual({ errors: [{ detail: { text: 'on a worker', loading: {} } }] });
  });

  test('without an error object gets none', () => {
    expect(textOf('{"loading":{"node":"a","state":"x"}}')).toBe('{"loading":{"state":"x"}}');
  });

  test('spelled with escapes loses it, too', () => {
    expect(textOf('{"loading":{"\\u006eode":"gpu-7"}}')).toBe('{"loading":{}}');
  });

  test('nested too deep to be walked passes, and nothing is thrown', () => {
    const text = `${'['.repeat(200_000)}"node"${']'.repeat(200_000)}`;
    expect(textOf(text)).toBe(text);
  });

  test('keys that are special to JavaScript are keys', () => {
    const text = '{"__proto__":{"loading":{"node":"gpu-7"}},"constructor":"gpu-7"}';
    expect(textOf(text)).toBe('{"__proto__":{"loading":{}},"constructor":"a worker"}');
  });
});

test.each([
  '',
  'Service Unavailable',
  '{"error":{"message":"busy"}}',
  '{"loading":true}',
  'null',
  '[1, 2]',
  '{"a": 1.0}',
  '{"node": 1.0}',
])('any other body keeps its bytes: %j', (text) => {
  expect(textOf(text)).toBe(text);
});

describe('in a stream', () => {
  const body = JSON.stringify(loading('gpu-7', 'on gpu-7'));
  const clean = textOf(body);

  test('an event loses it, and the others keep their bytes', () => {
    const events = (data: string) =>
      `data: {"a": 1.0}\r\n\r\nevent: error\r\nid: 1\r\ndata: ${data}\r\n\r\n: x\r\n\r\n`;
    expect(scrubFor('text/event-stream')(Buffer.from(events(body))).toString()).toBe(events(clean));
  });

  test('also where its data stands in several lines', () => {
    const pretty = JSON.stringify(loading('gpu-7', 'on gpu-7'), undefined, 1);
    const event = pretty
      .split('\n')
      .map((line) => `data: ${line}\n`)
      .join('');
    expect(scrubFor('text/event-stream')(Buffer.from(`${event}\n`)).toString()).toBe(`data: ${clean}\n\n`);
  });

  test('a line loses it', () => {
    const lines = (line: string) => `{"a": 1.0}\n${line}\n`;
    expect(scrubFor('application/x-ndjson')(Buffer.from(lines(body))).toString()).toBe(lines(clean));
  });
});
