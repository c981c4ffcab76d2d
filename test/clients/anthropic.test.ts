import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createDeferred } from '../support/deferred.ts';
import { type Gateway, nodeIdOf, startGateway } from '../support/gateway.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { cut, holdAt, reply } from '../support/worker/behaviours.ts';

/** Anthropic's own client, against the gateway as its base URL. */
const model = 'test-model';
const said = 'Grüße from alpha 🦙 — done.';
let worker: StandIn;
let gateway: Gateway;
let client: Anthropic;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
  gateway = await startGateway({
    workers: [worker],
    env: { GATEWAY_ALLOW_ANONYMOUS: undefined, LOCALAI_API_KEY: 'sk-test' },
  });
  client = new Anthropic({
    baseURL: gateway.origin,
    apiKey: 'sk-test',
    authToken: null,
    maxRetries: 0,
    logLevel: 'off',
  });
});
afterAll(() => Promise.all([gateway?.close(), worker?.close()]));
beforeEach(() => worker.reset());

const ask = { model, max_tokens: 64, messages: [{ role: 'user' as const, content: 'Hi' }] };
const tools = [{ name: 'weather', input_schema: { type: 'object' as const } }];
const textOf = (message: { content: { type: string }[] }) =>
  message.content.map((block) => ('text' in block ? block.text : '')).join('');

describe('messages', () => {
  test('buffered, with the node header and its request id', async () => {
    const { data, response, request_id } = await client.messages.create(ask).withResponse();
    expect(textOf(data)).toBe(said);
    expect(response.headers.get('x-localai-node')).toBe(nodeIdOf(worker));
    expect(request_id).toBe(response.headers.get('x-correlation-id'));
  });

  test('streamed as events', async () => {
    const types: string[] = [];
    for await (const event of await client.messages.create({ ...ask, stream: true })) types.push(event.type);
    expect([types[0], types.at(-1)]).toEqual(['message_start', 'message_stop']);
  });

  test('streamed piece by piece through the helper', async () => {
    const release = createDeferred();
    worker.next(holdAt(4, release.promise));
    const stream = client.messages.stream(ask);
    stream.on('text', (_, soFar) => soFar.endsWith('from') && release.resolve());
    expect(textOf(await stream.finalMessage())).toBe(said);
  });

  test.each([false, true])('tools pass through, streamed: %s', async (streamed) => {
    const body = { ...ask, tools };
    const message = streamed ? await client.messages.stream(body).finalMessage() : await client.messages.create(body);
    expect(message.stop_reason).toBe('tool_use');
    expect(message.content[0]).toMatchObject({ name: 'weather', input: { city: 'Köln', by: 'alpha' } });
    expect(worker.requests[0]?.fields.tools).toEqual(tools);
  });

  test('of the beta API, whose header and query pass', async () => {
    const betas = ['token-counting-2024-11-01'];
    const message = await client.beta.messages.create({ ...ask, betas }, { query: { beta: 'true' } });
    expect(textOf(message)).toBe(said);
    expect(worker.requests[0]?.path).toBe('/v1/messages?beta=true');
    expect(worker.requests[0]?.headers['anthropic-beta']).toBe('token-counting-2024-11-01');
  });

  test('are counted', async () => {
    const { messages } = ask;
    expect((await client.messages.countTokens({ model, messages })).input_tokens).toBe(7);
    expect((await client.beta.messages.countTokens({ model, messages })).input_tokens).toBe(7);
  });

  test('with a bearer token instead of a key', async () => {
    const bearer = new Anthropic({ baseURL: gateway.origin, authToken: 'sk-test', apiKey: null, maxRetries: 0 });
    expect(textOf(await bearer.messages.create(ask))).toBe(said);
  });

  test('aborted by the caller: the worker is let go', async () => {
    const release = createDeferred();
    worker.next(holdAt(3, release.promise));
    for await (const _ of await client.messages.create({ ...ask, stream: true })) break;
    expect(await worker.requests[0]?.completed).toBe(false);
    release.resolve();
  });
});

describe('models', () => {
  test("in Anthropic's shape", async () => {
    const ids: string[] = [];
    for await (const { id, type } of client.models.list()) ids.push(`${type} ${id}`);
    expect(ids).toEqual([`model ${model}`]);
    expect(await client.models.retrieve(model)).toMatchObject({ type: 'model', id: model });
    await expect(client.models.retrieve('none')).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  });
});

describe('errors become the classes of the client', () => {
  test.each([
    [400, 'invalid_request_error', Anthropic.BadRequestError],
    [401, 'authentication_error', Anthropic.AuthenticationError],
    [403, 'permission_error', Anthropic.PermissionDeniedError],
    [404, 'not_found_error', Anthropic.NotFoundError],
    [500, 'api_error', Anthropic.InternalServerError],
  ] as const)("the worker's %d", async (status, type, expected) => {
    worker.next(reply(status, { type: 'error', error: { type, message: 'own words' } }));
    const error = await client.messages.create(ask).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(expected);
    expect(error).toMatchObject({ status, error: { error: { message: 'own words' } } });
  });

  test('429', async () => {
    worker.behave(reply(429, { type: 'error', error: { type: 'rate_limit_error', message: 'busy' } }));
    await expect(client.messages.create(ask)).rejects.toBeInstanceOf(Anthropic.RateLimitError);
  });

  test('a wrong key', async () => {
    const stranger = new Anthropic({ baseURL: gateway.origin, apiKey: 'wrong', authToken: null, maxRetries: 0 });
    const error = await stranger.messages.create(ask).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Anthropic.AuthenticationError);
    expect(error).toMatchObject({ error: { type: 'error', error: { type: 'authentication_error' } } });
  });

  test('an unknown model', async () => {
    const error = await client.messages.create({ ...ask, model: 'none' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Anthropic.NotFoundError);
    expect(error).toMatchObject({ error: { error: { type: 'not_found_error' } }, requestID: expect.any(String) });
  });

  test('a worker that is gone', async () => {
    worker.behave(cut('before-head'));
    const error = await client.messages.create(ask).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Anthropic.InternalServerError);
    expect(error).toMatchObject({ status: 502, error: { type: 'error' } });
  });

  test('a stream that is cut between events', async () => {
    worker.next(cut({ after: 4 }));
    await expect(client.messages.stream(ask).finalMessage()).rejects.toBeInstanceOf(Anthropic.APIError);
  });

  test('a stream that is cut inside an event', async () => {
    worker.next(cut({ midEvent: 4 }));
    await expect(client.messages.stream(ask).finalMessage()).rejects.toBeInstanceOf(Anthropic.AnthropicError);
  });
});
