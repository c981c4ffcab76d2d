import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import OpenAI, { toFile } from 'openai';
import { createDeferred } from '../support/deferred.ts';
import { type Gateway, nodeIdOf, startGateway } from '../support/gateway.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { type CutPoint, cut, firstEventError, holdAt, reply } from '../support/worker/behaviours.ts';
import { pngOf, wavOf } from '../support/worker/media.ts';

/** OpenAI's own client, against the gateway as its base URL. */
const model = 'test-model';
const said = 'Grüße from alpha 🦙 — done.';
let worker: StandIn;
let gateway: Gateway;
let client: OpenAI;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model, 'Qwen/Qwen3-8B'] });
  gateway = await startGateway({
    workers: [worker],
    env: { GATEWAY_ALLOW_ANONYMOUS: undefined, LOCALAI_API_KEY: 'sk-test' },
  });
  client = new OpenAI({ baseURL: `${gateway.origin}/v1`, apiKey: 'sk-test', maxRetries: 0, logLevel: 'off' });
});
afterAll(() => Promise.all([gateway?.close(), worker?.close()]));
beforeEach(() => worker.reset());

const messages = [{ role: 'user' as const, content: 'Hi' }];
const weather = {
  type: 'function' as const,
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
};

describe('chat', () => {
  test('buffered, with the node header', async () => {
    const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
    expect(data.choices[0]?.message.content).toBe(said);
    expect(response.headers.get('x-localai-node')).toBe(nodeIdOf(worker));
    expect(data).toHaveProperty('_request_id', response.headers.get('x-correlation-id'));
  });

  test('streamed, with usage', async () => {
    const stream = await client.chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let tokens = 0;
    for await (const { choices, usage } of stream) {
      text += choices[0]?.delta.content ?? '';
      tokens = usage?.total_tokens ?? tokens;
    }
    expect([text, tokens]).toEqual([said, 12]);
  });

  test('streamed piece by piece', async () => {
    const release = createDeferred();
    worker.next(holdAt(3, release.promise));
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    let text = '';
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? '';
      if (text.endsWith('from')) release.resolve();
    }
    expect(text).toBe(said);
  });

  test('the stream helper', async () => {
    const runner = client.chat.completions.stream({ model, messages });
    expect(await runner.finalContent()).toBe(said);
  });

  test.each([false, true])('tools pass through, streamed: %s', async (streamed) => {
    const body = { model, messages, tools: [weather], parallel_tool_calls: false };
    const completion = streamed
      ? await client.chat.completions.stream(body).finalChatCompletion()
      : await client.chat.completions.create(body);
    const [call] = completion.choices[0]?.message.tool_calls ?? [];
    expect(completion.choices[0]?.finish_reason).toBe('tool_calls');
    expect(call?.type === 'function' && JSON.parse(call.function.arguments)).toEqual({ city: 'Köln', by: 'alpha' });
    expect(worker.requests[0]?.fields).toMatchObject(body);
  });

  test('aborted by the caller: the worker is let go', async () => {
    const release = createDeferred();
    worker.next(holdAt(2, release.promise));
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    for await (const _ of stream) break;
    const [seen] = worker.requests;
    expect(await seen?.completed).toBe(false);
    release.resolve();
  });
});

describe('the other text endpoints', () => {
  test('completions', async () => {
    const completion = await client.completions.create({ model, prompt: 'Once' });
    expect(completion.choices[0]?.text).toBe(said);
    let text = '';
    for await (const { choices } of await client.completions.create({ model, prompt: 'Once', stream: true })) {
      text += choices[0]?.text;
    }
    expect(text).toBe(said);
  });

  test('embeddings as the client asks for them (base64 on the wire)', async () => {
    const { data } = await client.embeddings.create({ model, input: ['a', 'b'] });
    expect(worker.requests[0]?.fields.encoding_format).toBe('base64');
    expect(data).toHaveLength(2);
    expect(data[0]?.embedding).toHaveLength(8);
    const plain = await client.embeddings.create({ model, input: ['a', 'b'], encoding_format: 'float' });
    expect(plain.data.map(({ embedding }) => embedding)).toEqual(data.map(({ embedding }) => Array.from(embedding)));
  });

  test('responses', async () => {
    const response = await client.responses.create({ model, input: 'Hi' });
    expect(response.output_text).toBe(said);
    const types: string[] = [];
    let text = '';
    for await (const event of await client.responses.create({ model, input: 'Hi', stream: true })) {
      types.push(event.type);
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    expect(text).toBe(said);
    expect([types[0], types.at(-1)]).toEqual(['response.created', 'response.completed']);
    const final = await client.responses.stream({ model, input: 'Hi' }).finalResponse();
    expect(final.output_text).toBe(said);
  });

  test('responses with tools', async () => {
    const tools = [{ type: 'function' as const, name: 'weather', parameters: {}, strict: false }];
    const { output } = await client.responses.create({ model, input: 'Hi', tools });
    expect(output[0]).toMatchObject({ type: 'function_call', name: 'weather' });
  });

  test('responses that need state are refused', async () => {
    const refused = client.responses.create({ model, input: 'Hi', previous_response_id: 'resp_1' });
    await expect(refused).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  });

  test('models', async () => {
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids.sort()).toEqual(['Qwen/Qwen3-8B', model]);
    expect((await client.models.retrieve('Qwen/Qwen3-8B')).id).toBe('Qwen/Qwen3-8B');
    await expect(client.models.retrieve('none')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });
});

describe('audio', () => {
  const file = () => toFile(wavOf('caller'), 'speech.wav', { type: 'audio/wav' });

  test('transcriptions in every shape', async () => {
    const json = await client.audio.transcriptions.create({ model, file: await file() });
    expect(json).toMatchObject({ text: said, bytes: wavOf('caller').length });
    const options = { model, response_format: 'verbose_json' as const };
    const verbose = await client.audio.transcriptions.create({ ...options, file: await file() });
    expect(verbose).toMatchObject({ segments: [{ text: said }] });
    for (const format of ['text', 'srt', 'vtt'] as const) {
      const text = await client.audio.transcriptions.create({ model, response_format: format, file: await file() });
      expect(String(text)).toContain(said);
    }
  });

  test('a transcription as a stream', async () => {
    const stream = await client.audio.transcriptions.create({ model, file: await file(), stream: true });
    let text = '';
    for await (const event of stream) if (event.type === 'transcript.text.delta') text += event.delta;
    expect(text).toBe(said);
  });

  test('translations', async () => {
    expect((await client.audio.translations.create({ model, file: await file() })).text).toBe(said);
  });

  test('speech', async () => {
    const response = await client.audio.speech.create({ model, voice: 'alloy', input: 'Hi' });
    expect(response.headers.get('content-type')).toBe('audio/wav');
    expect(Buffer.from(await response.arrayBuffer()).equals(wavOf('alpha'))).toBe(true);
  });
});

describe('images', () => {
  test('generate gives the picture itself', async () => {
    const { data } = await client.images.generate({ model, prompt: 'A llama', n: 2 });
    expect(data?.map(({ b64_json }) => b64_json)).toEqual(Array(2).fill(pngOf('alpha').toString('base64')));
  });

  test('edit', async () => {
    const image = await toFile(pngOf('caller'), 'a.png', { type: 'image/png' });
    const { data } = await client.images.edit({ model, prompt: 'A hat', image });
    expect(data?.[0]?.b64_json).toBe(pngOf('alpha').toString('base64'));
  });
});

describe('errors become the classes of the client', () => {
  const chat = (more: object = {}, options: object = {}) =>
    client.chat.completions.create({ model, messages, ...more }, options);

  test.each([
    [400, OpenAI.BadRequestError],
    [401, OpenAI.AuthenticationError],
    [403, OpenAI.PermissionDeniedError],
    [404, OpenAI.NotFoundError],
    [409, OpenAI.ConflictError],
    [422, OpenAI.UnprocessableEntityError],
    [500, OpenAI.InternalServerError],
  ])("the worker's %d", async (status, type) => {
    worker.next(reply(status, { error: { message: 'own words', type: 't', code: 'c', param: null } }));
    const error = await chat().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(type);
    expect(error).toMatchObject({ status, code: 'c', type: 't', message: expect.stringContaining('own words') });
  });

  test('429, which the client may retry, with Retry-After', async () => {
    worker.behave(reply(429, { error: { message: 'busy' } }, { 'retry-after': '1' }));
    const error = await chat().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect((error as InstanceType<typeof OpenAI.RateLimitError>).headers.get('retry-after')).toBe('1');
  });

  test('a wrong key', async () => {
    const stranger = new OpenAI({ baseURL: `${gateway.origin}/v1`, apiKey: 'wrong', maxRetries: 0 });
    const asked = stranger.chat.completions.create({ model, messages });
    await expect(asked).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });

  test('an unknown model', async () => {
    const error = await chat({ model: 'none' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model', requestID: expect.stringMatching(/.{36}/) });
  });

  test('a worker that is gone', async () => {
    worker.behave(cut('before-head'));
    const error = await chat().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.InternalServerError);
    expect(error).toMatchObject({ status: 502 });
  });

  test('a stream whose first event is an error', async () => {
    worker.behave(firstEventError({ error: { message: 'too long', code: 400 } }));
    await expect(chat({ stream: true })).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  });

  const readCut = async (point: CutPoint) => {
    worker.next(cut(point));
    for await (const _ of await client.chat.completions.create({ model, messages, stream: true }));
  };

  test('a stream that is cut between events', async () => {
    await expect(readCut({ after: 3 })).rejects.toBeInstanceOf(OpenAI.APIError);
  });

  test('a stream that is cut inside an event', async () => {
    await expect(readCut({ midEvent: 3 })).rejects.toThrow(/./);
  });

  test('and a client that retries gets its answer', async () => {
    const patient = new OpenAI({ baseURL: `${gateway.origin}/v1`, apiKey: 'sk-test', maxRetries: 2 });
    worker.next(reply(503, { error: { message: 'starting' } }, { 'retry-after': '0.1' }));
    const { choices } = await patient.chat.completions.create({ model, messages });
    expect(choices[0]?.message.content).toBe(said);
  });
});
