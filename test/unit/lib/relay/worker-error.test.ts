import { describe, expect, test } from '@jest/globals';
import { anthropic } from '../../../../lib/dialects/anthropic.ts';
import { ollama } from '../../../../lib/dialects/ollama.ts';
import { openai } from '../../../../lib/dialects/openai.ts';
import { namesOf, readWorkerError, toGatewayError } from '../../../../lib/relay/worker-error.ts';

const readText = (text: string, hidden?: readonly string[]) => readWorkerError(JSON.parse(text), hidden);

/** docs/contract.md 6: a worker's error keeps what it says, and its status is read from its numbers, else from its type. */
describe("a worker's error", () => {
  test.each([
    ['{"error":{"message":"no","code":429}}', 429],
    ['{"error":{"message":"no","status":503}}', 503],
    ['{"error":{"message":"no","code":"404"}}', 404],
    ['{"error":{"message":"no"},"code":503}', 503],
    ['{"object":"error","message":"no","code":400}', 400],
    ['{"error":{"message":"no","code":null}}', 502],
    ['{"error":{"message":"no","code":200}}', 502],
    ['{"error":{"message":"no","code":"4e2"}}', 502],
    ['{"error":{"message":"no","code":[404]}}', 502],
    ['{"error":"no"}', 502],
    ['{"error":{"message":"no","type":"invalid_request_error"}}', 400],
    ['{"error":{"message":"no","type":"authentication_error"}}', 401],
    ['{"error":{"message":"no","type":"not_found_error"}}', 404],
    ['{"error":{"message":"no","type":"rate_limit_error"}}', 429],
    ['{"type":"error","error":{"message":"no","type":"overloaded_error"}}', 529],
    ['{"error":{"message":"no","type":"invalid_request_error","code":422}}', 422],
    ['{"error":{"message":"no","type":"constructor"}}', 502],
    ['{"error":{"message":"no","code":"model_loading","type":"model_loading"}}', 502],
  ])('%s has status %i', (text, status) => {
    expect(readText(text)).toMatchObject({ status, message: 'no' });
  });

  test.each(['{}', 'null', '7', '"error"', '[{"error":{}}]', '{"error":null}', '{"error":""}', '{"errors":1}'])(
    '%s is none',
    (text) => {
      expect(readText(text)).toBeUndefined();
    },
  );

  test('in every dialect', () => {
    const error = toGatewayError(
      readText(
        '{"error":{"message":"too long","type":"exceed_context_size_error","code":400,"param":"messages","n_ctx":4096}}',
      ) as never,
      { retryAfter: 3 },
    );
    expect([error.status, error.headers]).toEqual([400, { 'retry-after': '3' }]);
    expect(JSON.parse(openai.errorBody(error, 'id'))).toEqual({
      error: { message: 'too long', type: 'exceed_context_size_error', code: 400, param: 'messages', n_ctx: 4096 },
    });
    expect(JSON.parse(anthropic.errorBody(error, 'id'))).toEqual({
      type: 'error',
      error: { message: 'too long', type: 'invalid_request_error', n_ctx: 4096 },
      request_id: 'id',
    });
    expect(JSON.parse(ollama.errorBody(error, 'id'))).toEqual({ error: 'too long' });
  });

  test("vLLM's keeps its type, and one of no type gets one", () => {
    const vllm = readText('{"object":"error","message":"no","type":"BadRequestError","param":null,"code":400}');
    expect(JSON.parse(openai.errorBody(toGatewayError(vllm as never), 'id'))).toEqual({
      error: { message: 'no', type: 'BadRequestError', param: null, code: 400 },
    });
    const bare = readText('{"error":{"code":500,"message":"","type":""}}');
    expect(JSON.parse(openai.errorBody(toGatewayError(bare as never), 'id'))).toEqual({
      error: { message: 'The worker reported an error.', type: 'server_error', param: null, code: 500 },
    });
  });

  test('names neither a loading node nor its worker while the header is off', () => {
    const worker = {
      id: 'node-1',
      name: 'gpu-box',
      url: 'http://10.0.1.7:8080',
      status: 'healthy',
      engine: 'vllm',
    } as const;
    const text = '{"error":{"message":"on gpu-7: dial 10.0.1.7:8080, node-1, gpu-box","loading":{"node":"gpu-7"}}}';
    expect(readText(text, namesOf(worker))).toMatchObject({
      message: 'on a worker: dial a worker:8080, a worker, a worker',
      own: { loading: {} },
    });
    expect(readText(text)).toMatchObject({ own: { loading: { node: 'gpu-7' } } });
  });
});
