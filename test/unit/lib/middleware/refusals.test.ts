import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  ForbiddenError,
  GatewayError,
  InvalidRequestError,
  MethodNotAllowedError,
  ModelNotFoundError,
  NotFoundError,
  NotServedError,
  PayloadTooLargeError,
  TimeoutError,
  UnauthorizedError,
  UnavailableError,
  UnsupportedMediaTypeError,
  UpstreamError,
} from '../../../../lib/errors.ts';
import { renderError } from '../../../../lib/middleware/error-handler.ts';
import { operation, pathOf } from '../../../support/operations.ts';
import { type StandIn, startWorker } from '../../../support/stand-in-worker.ts';
import { createInProcessGateway, keepLogs } from '../in-process-gateway.ts';
import { requestFor } from '../scripted-fleet.ts';

/** docs/contract.md section 5: errors in the caller's dialect; and the middlewares that refuse. */
const logs = keepLogs();
const model = 'test-model';
let worker: StandIn;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
});
afterAll(() => worker?.close());
beforeEach(() => worker.reset());

describe('every error in every dialect', () => {
  const errors: [GatewayError, string, string][] = [
    [new InvalidRequestError('no', { param: 'field' }), 'invalid_request_error', 'invalid_request_error'],
    [new UnauthorizedError('no'), 'authentication_error', 'authentication_error'],
    [new ForbiddenError('no'), 'permission_error', 'permission_error'],
    [new NotFoundError('no'), 'invalid_request_error', 'not_found_error'],
    [new ModelNotFoundError('m'), 'invalid_request_error', 'not_found_error'],
    [new MethodNotAllowedError('GET', ['POST']), 'invalid_request_error', 'invalid_request_error'],
    [new PayloadTooLargeError('no'), 'invalid_request_error', 'request_too_large'],
    [new UnsupportedMediaTypeError('no'), 'invalid_request_error', 'invalid_request_error'],
    [new GatewayError(429, 'rate_limited', 'no'), 'rate_limit_error', 'rate_limit_error'],
    [new NotServedError('no'), 'server_error', 'api_error'],
    [new UpstreamError('no'), 'server_error', 'api_error'],
    [new UnavailableError('no'), 'server_error', 'overloaded_error'],
    [new TimeoutError('no'), 'server_error', 'timeout_error'],
  ];

  const render = async (path: string, error: unknown, headers = {}) => {
    const request = await requestFor(path, { headers });
    request.deadline.clear();
    const reply = renderError(error, request);
    return { ...reply, json: JSON.parse(String(reply.body)) };
  };

  test.each(errors)('%p', async (error, openaiType, anthropicType) => {
    const openai = await render('/v1/rerank', error);
    expect([openai.status, openai.headers['content-type']]).toEqual([error.status, 'application/json']);
    expect(openai.json).toEqual({
      error: { message: error.message, type: openaiType, code: error.code, param: error.param ?? null },
    });
    const anthropic = await render('/v1/messages', error);
    expect(anthropic.json).toEqual({
      type: 'error',
      error: { type: anthropicType, message: error instanceof ModelNotFoundError ? 'model: m' : error.message },
      request_id: 'id-1',
    });
    const ollama = await render('/api/chat', error);
    expect(ollama.json).toEqual({ error: error.message });
    expect([anthropic.status, ollama.status]).toEqual([error.status, error.status]);
  });

  test('the headers that belong to them', async () => {
    expect((await render('/', new UnauthorizedError('no'))).headers['www-authenticate']).toBe('Bearer');
    expect((await render('/', new MethodNotAllowedError('PUT', ['GET', 'HEAD']))).headers.allow).toBe('GET, HEAD');
    expect((await render('/', new UnavailableError('no', { retryAfter: 7 }))).headers['retry-after']).toBe('7');
    expect((await render('/', new UnavailableError('no', { retryAfter: 0.2 }))).headers['retry-after']).toBe('1');
    expect((await render('/', new NotServedError('no'))).headers['x-should-retry']).toBe('false');
  });

  test('a model list speaks Anthropic to those who say so', async () => {
    const { json } = await render('/v1/models', new NotFoundError('no'), { 'anthropic-version': '2023-06-01' });
    expect(json.type).toBe('error');
  });

  test('what is not ours to say is a bare 500, and in the log', async () => {
    const error = new Error('connect ECONNREFUSED 10.0.1.7:8080');
    const { status, json } = await render('/v1/chat/completions', error);
    expect(status).toBe(500);
    expect(JSON.stringify(json)).not.toMatch(/10\.0\.1\.7|ECONN|at |\.ts/);
    expect(logs.at(-1)).toContain('ECONNREFUSED');
  });

  test.each([undefined, null, 'text', 7])('anything thrown is answered: %p', async (thrown) => {
    expect((await render('/api/chat', thrown)).status).toBe(500);
  });
});

describe('bodies', () => {
  const gateway = () => createInProcessGateway('openai', [worker]);

  test.each([
    ['malformed', '{"model":'],
    ['empty', ''],
    ['an array', '[]'],
    ['null', 'null'],
    ['text', '"x"'],
    ['a number', '7'],
    ['without messages', '{"model":"test-model"}'],
    ['with messages that are no list', '{"model":"test-model","messages":{}}'],
    ['with a model that is no text', '{"model":7,"messages":[]}'],
    ['with a stream that is no boolean', '{"model":"test-model","messages":[],"stream":"yes"}'],
  ])('%s: 400, and no worker is asked', async (_, body) => {
    const answer = await gateway().ask('/v1/chat/completions', { body });
    expect(answer.status).toBe(400);
    expect(answer.json()).toMatchObject({ error: { type: 'invalid_request_error', message: expect.any(String) } });
    expect(worker.requests).toHaveLength(0);
  });

  test('no body at all: 400', async () => {
    expect((await gateway().ask('/v1/chat/completions', { method: 'POST' })).status).toBe(400);
  });

  test.each(['null', '7', '[]', '{}', '{"model":7}'])('/api/show with %s: 400', async (body) => {
    const answer = await createInProcessGateway('ollama', [worker]).ask('/api/show', { body });
    expect([answer.status, Object.keys(answer.json() as object)]).toEqual([400, ['error']]);
  });

  const chatAs = (contentType: string | undefined) =>
    gateway().ask('/v1/chat/completions', {
      body: JSON.stringify({ model, messages: [] }),
      headers: contentType === undefined ? {} : { 'content-type': contentType },
    });

  test.each(['application/json', 'Application/JSON; charset=utf-8', 'application/vnd.api+json', ''])(
    'content type %j counts as JSON',
    async (type) => expect((await chatAs(type)).status).toBe(200),
  );

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
  ])('content type %j: 415', async (type) => expect((await chatAs(type)).status).toBe(415));

  test.each(['application/x-www-form-urlencoded', 'text/plain'])('on /api/* %j is ignored', async (type) => {
    const chat = operation('ollama chat');
    const answer = await createInProcessGateway('ollama', [worker]).ask('/api/chat', {
      body: JSON.stringify(chat.body(model)),
      headers: { 'content-type': type },
    });
    expect(answer.status).toBe(200);
  });

  test('JSON where a form is asked for: 415; a form that cannot be parsed: 400', async () => {
    const audio = createInProcessGateway('audio', [worker]);
    const path = '/v1/audio/transcriptions';
    expect((await audio.ask(path, { body: { model } })).status).toBe(415);
    const headers = { 'content-type': 'multipart/form-data; boundary=x' };
    expect((await audio.ask(path, { body: '--y', headers })).status).toBe(400);
  });
});

describe('GATEWAY_MAX_BODY_BYTES', () => {
  const chat = operation('chat');
  const body = JSON.stringify(chat.body(model));
  const limited = (bytes: number) =>
    createInProcessGateway('openai', [worker], { GATEWAY_MAX_BODY_BYTES: String(bytes) });

  test('a body of exactly so many bytes passes, one more is a 413 that names the size and a way out', async () => {
    const size = Buffer.byteLength(body);
    expect((await limited(size).ask(pathOf(chat, model), { body })).status).toBe(200);
    const answer = await limited(size - 1).ask(pathOf(chat, model), { body });
    expect(answer.status).toBe(413);
    expect((answer.json() as { error: { message: string } }).error.message).toMatch(
      new RegExp(`\\b${size - 1}\\b.*\\. \\w`),
    );
    expect(worker.requests).toHaveLength(1);
  });

  test('counts bytes as the client sent them, not as the platform carries them', async () => {
    const binary = Buffer.from(body);
    const headers = { 'content-type': 'application/json' };
    expect((await limited(binary.length).ask(pathOf(chat, model), { body: binary, headers })).status).toBe(200);
  });

  test('says so in the dialect', async () => {
    const anthropic = createInProcessGateway('anthropic', [worker], { GATEWAY_MAX_BODY_BYTES: '10' });
    const answer = await anthropic.ask('/v1/messages', { body: { model, messages: [] } });
    expect([answer.status, answer.json()]).toEqual([
      413,
      expect.objectContaining({ error: { type: 'request_too_large', message: expect.any(String) } }),
    ]);
  });
});

describe('GATEWAY_EDGE_SECRET', () => {
  const guarded = () =>
    createInProcessGateway('openai', [worker], { GATEWAY_EDGE_SECRET: 'edge', LOCALAI_API_KEY: 'k' });
  const ask = (headers: Record<string, string>) => guarded().ask('/v1/models', { headers });

  test('without it, or with another: 403, before the key is looked at', async () => {
    for (const headers of [
      {},
      { 'x-origin-secret': '' },
      { 'x-origin-secret': 'Edge' },
      { authorization: 'Bearer k' },
    ]) {
      expect((await ask(headers as Record<string, string>)).status).toBe(403);
    }
  });

  test('with it: on to the key', async () => {
    expect((await ask({ 'x-origin-secret': 'edge' })).status).toBe(401);
    expect((await ask({ 'x-origin-secret': 'edge', authorization: 'Bearer k' })).status).toBe(200);
  });

  test('it does not reach the worker', async () => {
    const chat = operation('chat');
    const headers = { 'x-origin-secret': 'edge', 'x-api-key': 'k' };
    await guarded().ask(pathOf(chat, model), { body: chat.body(model), headers });
    expect(worker.requests[0]?.headers).not.toHaveProperty('x-origin-secret');
    expect(worker.requests[0]?.headers).not.toHaveProperty('x-api-key');
  });
});
