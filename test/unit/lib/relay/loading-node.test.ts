import { describe, expect, test } from '@jest/globals';
import { withoutLoadingNode } from '../../../../lib/relay/loading-node.ts';

/** CONTRACT.md 3.5: `loading.node` is taken out of a worker's `model_loading` body while the header is off. */
const textOf = (text: string) => withoutLoadingNode(Buffer.from(text)).toString();

const loading = (node: unknown, message = 'model m is loading') => ({
  error: { message, type: 'model_loading', code: 'model_loading' },
  loading: { model: 'm', state: 'loading', node, progress: 0.5, eta_seconds: 7 },
});

describe('a model_loading body', () => {
  test('loses the node, and keeps everything else', () => {
    const { node: _, ...rest } = loading('').loading;
    expect(JSON.parse(textOf(JSON.stringify(loading('worker-7'))))).toEqual({ ...loading(''), loading: rest });
  });

  test('loses it in its message too', () => {
    const text = textOf(JSON.stringify(loading('gpu-node "7"', 'm is loading on gpu-node "7"')));
    expect(JSON.parse(text).error.message).toBe('m is loading on a worker');
  });

  test.each(['', 7, null, 'e', 'model', 'loading'])('with %j as its node stays sound', (node) => {
    const { node: _, ...rest } = loading(node).loading;
    const result = JSON.parse(textOf(JSON.stringify(loading(node, 'no names here'))));
    expect(result.loading).toEqual(rest);
    expect(result.error).toMatchObject({ type: 'model_loading', code: 'model_loading' });
  });

  test('loses it inside the error as well', () => {
    const text = '{"error":{"message":"m loads on gpu-7","code":503,"loading":{"node":"gpu-7","progress":1}}}';
    expect(textOf(text)).toBe('{"error":{"message":"m loads on a worker","code":503,"loading":{"progress":1}}}');
  });

  test('without an error object gets none', () => {
    expect(textOf('{"loading":{"node":"a","state":"x"}}')).toBe('{"loading":{"state":"x"}}');
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
])('any other 503 body keeps its bytes: %j', (text) => {
  expect(textOf(text)).toBe(text);
});
