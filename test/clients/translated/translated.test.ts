import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type ChatResponse, type Message, Ollama } from 'ollama';
import OpenAI from 'openai';
import { startChatWorker } from '../../support/chat-worker.ts';
import { createDeferred } from '../../support/deferred.ts';
import { type Gateway, nodeIdOf, settingOf, startGateway } from '../../support/gateway.ts';
import { cut, endEarly, holdAt, inPiecesOf, reply } from '../../support/worker/behaviours.ts';
import { pngOf } from '../../support/worker/media.ts';

/** The official clients, each on a fleet of workers that speak OpenAI's chat completions and nothing else. */
const model = 'test-model';
const said = 'Grüße from alpha 🦙 — done.';
const picture = pngOf('alpha').toString('base64');
const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const parameters = { type: 'object', properties: { city: { type: 'string' } } };
const signalled = () => {
  const controller = new AbortController();
  return { controller, signal: controller.signal };
};

/** A chat message as the worker got it. */
interface SentMessage {
  readonly tool_call_id?: string;
  readonly tool_calls?: readonly { readonly id: string }[];
}

describe.each(['vllm', 'llamacpp'] as const)('on a server like %s', (accent) => {
  let worker: Awaited<ReturnType<typeof startChatWorker>>;
  let gateway: Gateway;
  beforeAll(async () => {
    worker = await startChatWorker({ name: 'alpha', models: [model], accent });
    gateway = await startGateway({
      workers: [settingOf(worker, { engine: 'openai' })],
      env: { GATEWAY_ALLOW_ANONYMOUS: undefined, LOCALAI_API_KEY: 'sk-test' },
    });
  });
  afterAll(() => Promise.all([gateway?.close(), worker?.close()]));
  beforeEach(() => worker.reset());

  describe('Anthropic', () => {
    const client = () => new Anthropic({ baseURL: gateway.origin, apiKey: 'sk-test', authToken: null, maxRetries: 0 });
    const ask = { model, max_tokens: 64, messages: [{ role: 'user' as const, content: 'Hi' }] };
    const tools = [{ name: 'weather', description: 'x', input_schema: { ...parameters, type: 'object' as const } }];
    const create = (streamed: boolean, body: object) =>
      streamed
        ? client()
            .messages.stream({ ...ask, ...body })
            .finalMessage()
        : client().messages.create({ ...ask, ...body });

    test.each([false, true])('text, usage and stop reason, streamed: %s', async (streamed) => {
      const message = await create(streamed, { system: [{ type: 'text', text: 'Be brief.', cache_control: null }] });
      expect(message).toMatchObject({
        type: 'message',
        role: 'assistant',
        model,
        content: [{ type: 'text', text: said }],
        stop_reason: 'end_turn',
        stop_sequence: null,
        usage: { input_tokens: expect.any(Number), output_tokens: 5 },
      });
      expect(message.usage.input_tokens).toBeGreaterThan(3);
      expect(worker.requests[0]?.path).toBe('/v1/chat/completions');
      expect(worker.requests[0]?.fields).toMatchObject({
        model,
        max_tokens: 64,
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hi' },
        ],
      });
    });

    test('the node header and the request id', async () => {
      const { response, request_id } = await client().messages.create(ask).withResponse();
      expect(response.headers.get('x-localai-node')).toBe(nodeIdOf(worker));
      expect(request_id).toBe(response.headers.get('x-correlation-id'));
    });

    test('streamed piece by piece', async () => {
      const release = createDeferred();
      worker.treat(holdAt(3, release.promise));
      const stream = client().messages.stream(ask);
      stream.on('text', (_, soFar) => soFar.endsWith('from') && release.resolve());
      expect((await stream.finalMessage()).content).toMatchObject([{ type: 'text', text: said }]);
    });

    test.each([false, true])('two tool calls, their results, a third turn, streamed: %s', async (streamed) => {
      const first = await create(streamed, { tools, thinking: { type: 'enabled', budget_tokens: 1024 } });
      const calls = first.content.filter((block) => block.type === 'tool_use');
      expect(first.stop_reason).toBe('tool_use');
      expect(first.content.map(({ type }) => type)).toEqual(['thinking', 'tool_use', 'tool_use']);
      expect(calls.map(({ input }) => input)).toEqual([{ city: 'Köln' }, { city: 'Bonn' }]);
      const turns = [
        ...ask.messages,
        { role: 'assistant', content: first.content },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: calls[0]?.id, content: 'rain' },
            {
              type: 'tool_result',
              tool_use_id: calls[1]?.id,
              content: [{ type: 'text', text: 'no station' }],
              is_error: true,
            },
          ],
        },
      ];
      const second = await create(streamed, { tools, messages: turns });
      expect(second.content).toMatchObject([{ type: 'text', text: 'The tools said: rain, Error: no station' }]);
      const again = [...turns, { role: 'assistant', content: second.content }, { role: 'user', content: 'And now?' }];
      const third = await create(streamed, { tools, messages: again });
      expect(third.content.filter(({ type }) => type === 'tool_use')).toHaveLength(2);
      expect(worker.requests[1]?.fields.messages).toMatchObject([
        { role: 'user' },
        {
          role: 'assistant',
          reasoning_content: 'Two cities.',
          tool_calls: [{ id: calls[0]?.id }, { id: calls[1]?.id }],
        },
        { role: 'tool', tool_call_id: calls[0]?.id },
        { role: 'tool', tool_call_id: calls[1]?.id },
      ]);
    });

    test('images', async () => {
      const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: picture } };
      const content = [image, { type: 'text', text: 'What?' }, image];
      const message = await create(false, { messages: [{ role: 'user', content }] });
      expect(message.content).toMatchObject([{ text: 'I see 2 pictures.' }]);
    });

    test('structured output', async () => {
      const message = await create(true, { output_config: { format: { type: 'json_schema', schema } } });
      expect(message.content).toMatchObject([{ text: '{"city":"Köln"}' }]);
      expect(worker.requests[0]?.fields.response_format).toMatchObject({
        type: 'json_schema',
        json_schema: { schema },
      });
    });

    test('an abort lets the worker go', async () => {
      const release = createDeferred();
      worker.treat(holdAt(3, release.promise));
      for await (const _ of await client().messages.create({ ...ask, stream: true })) break;
      expect(await worker.requests[0]?.completed).toBe(false);
      release.resolve();
    });

    test.each([
      [400, Anthropic.BadRequestError, 'invalid_request_error'],
      [401, Anthropic.AuthenticationError, 'authentication_error'],
      [429, Anthropic.RateLimitError, 'rate_limit_error'],
    ] as const)("the worker's %d", async (status, expected, type) => {
      worker.treat(reply(status, { error: { message: 'own words', type: 'BadRequestError', code: status } }));
      const error = await client()
        .messages.create(ask)
        .catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(expected);
      expect(error).toMatchObject({ status, error: { type: 'error', error: { type, message: 'own words' } } });
    });

    test.each([cut({ after: 3 }), cut({ midEvent: 3 }), endEarly(3)])('a stream that is cut', async (behaviour) => {
      worker.treat(behaviour);
      await expect(client().messages.stream(ask).finalMessage()).rejects.toBeInstanceOf(Anthropic.APIError);
    });
  });

  describe('Ollama', () => {
    const client = () => new Ollama({ host: gateway.origin, headers: { authorization: 'Bearer sk-test' } });
    const tools = [{ type: 'function', function: { name: 'weather', description: 'x', parameters } }];

    const chat = async (streamed: boolean, body: object) => {
      const request = { model, ...body } as { model: string; messages: Message[] };
      if (!streamed) return client().chat(request);
      const parts: ChatResponse[] = [];
      for await (const part of await client().chat({ ...request, stream: true })) parts.push(part);
      const last = parts.at(-1);
      if (!last) throw new Error('no line');
      const join = (pick: (message: Message) => string | undefined) =>
        parts.map(({ message }) => pick(message) ?? '').join('');
      const tool_calls = parts.flatMap(({ message }) => message.tool_calls ?? []);
      const thinking = join((message) => message.thinking);
      return {
        ...last,
        message: { ...last.message, content: join(({ content }) => content), thinking, tool_calls },
      };
    };

    test.each([false, true])('chat, counts and durations, streamed: %s', async (streamed) => {
      const answer = await chat(streamed, {
        messages: [{ role: 'user', content: 'Hi' }],
        options: { num_ctx: 9, seed: 1 },
      });
      expect(answer).toMatchObject({
        model,
        done: true,
        done_reason: 'stop',
        message: { role: 'assistant', content: said },
      });
      expect(answer.prompt_eval_count).toBeGreaterThan(3);
      expect(answer.eval_count).toBe(5);
      expect(answer.total_duration).toBeGreaterThan(0);
      if (accent === 'llamacpp') expect(answer.prompt_eval_duration).toBe(21_500_000);
      expect(worker.requests[0]?.fields).not.toHaveProperty('num_ctx');
      expect(worker.requests[0]?.fields).toMatchObject({ seed: 1 });
    });

    test('streamed piece by piece', async () => {
      const release = createDeferred();
      worker.treat(holdAt(3, release.promise));
      let text = '';
      for await (const { message } of await client().chat({
        model,
        messages: [{ role: 'user', content: 'x' }],
        stream: true,
      })) {
        text += message.content;
        if (text.endsWith('from')) release.resolve();
      }
      expect(text).toBe(said);
    });

    test.each([false, true])('two tool calls, their results, a third turn, streamed: %s', async (streamed) => {
      const messages: Message[] = [{ role: 'user', content: 'Weather?' }];
      const first = await chat(streamed, { messages, tools });
      const calls = first.message.tool_calls ?? [];
      expect(calls.map((call) => call.function.arguments)).toEqual([{ city: 'Köln' }, { city: 'Bonn' }]);
      expect(first.message.thinking).toBe('Two cities.');
      messages.push(first.message, { role: 'tool', content: 'rain', tool_name: 'weather' });
      messages.push({ role: 'tool', content: 'sun', tool_name: 'weather' });
      const second = await chat(streamed, { messages, tools });
      expect(second.message.content).toBe('The tools said: rain, sun');
      const third = await chat(streamed, {
        messages: [...messages, second.message, { role: 'user', content: 'Again.' }],
        tools,
      });
      expect(third.message.tool_calls).toHaveLength(2);
      const sent = worker.requests[1]?.fields.messages as SentMessage[] | undefined;
      const [asked, one, two] = sent?.slice(1) ?? [];
      expect([one?.tool_call_id, two?.tool_call_id]).toEqual(asked?.tool_calls?.map(({ id }) => id));
    });

    test('images, a schema, thinking', async () => {
      const asked = [{ role: 'user', content: 'What?', images: [picture, picture] }];
      expect((await chat(false, { messages: asked })).message.content).toBe('I see 2 pictures.');
      const messages = [{ role: 'user', content: 'think' }];
      expect((await chat(true, { messages, format: schema })).message.content).toBe('{"city":"Köln"}');
      expect((await chat(true, { messages, think: true })).message.thinking).toBe('Hm, well.');
      expect((await chat(true, { messages, think: false })).message.thinking).toBe('');
    });

    test('generate', async () => {
      expect(await client().generate({ model, prompt: 'Once', system: 'Brief.' })).toMatchObject({
        response: said,
        done: true,
      });
      let text = '';
      for await (const { response } of await client().generate({ model, prompt: 'Once', stream: true }))
        text += response;
      expect(text).toBe(said);
      expect(worker.requests[0]?.fields.messages).toEqual([
        { role: 'system', content: 'Brief.' },
        { role: 'user', content: 'Once' },
      ]);
      expect(await client().generate({ model, prompt: '' })).toMatchObject({
        response: '',
        done: true,
        done_reason: 'load',
      });
      expect(worker.requests).toHaveLength(2);
    });

    test('embed and embeddings', async () => {
      const { embeddings, prompt_eval_count } = await client().embed({ model, input: ['a', 'b'] });
      expect(embeddings.map((vector) => vector.length)).toEqual([8, 8]);
      expect(prompt_eval_count).toBe(7);
      expect((await client().embeddings({ model, prompt: 'b' })).embedding).toEqual(embeddings[1]);
      expect(worker.requests.map(({ path }) => path)).toEqual(['/v1/embeddings', '/v1/embeddings']);
    });

    test('an abort lets the worker go', async () => {
      const release = createDeferred();
      worker.treat(holdAt(3, release.promise));
      const stream = await client().chat({ model, messages: [{ role: 'user', content: 'x' }], stream: true });
      const read = async () => {
        for await (const _ of stream) stream.abort();
      };
      await expect(read()).rejects.toThrow(/abort/i);
      expect(await worker.requests[0]?.completed).toBe(false);
      release.resolve();
    });

    test.each([400, 422, 500])("the worker's %d", async (status_code) => {
      worker.treat(reply(status_code, { error: { message: 'own words', type: 'x' } }));
      const asked = client().chat({ model, messages: [{ role: 'user', content: 'x' }] });
      await expect(asked).rejects.toMatchObject({ error: 'own words', status_code });
    });

    test.each([cut({ after: 3 }), cut({ midEvent: 3 }), endEarly(3)])('a stream that is cut', async (behaviour) => {
      worker.treat(behaviour);
      await expect(chat(true, { messages: [{ role: 'user', content: 'x' }] })).rejects.toThrow(/./);
    });

    test.each([
      ['raw', true],
      ['suffix', 'x'],
      ['template', 'x'],
      ['context', [1]],
    ])('%s is a 400 that names it', async (field, value) => {
      const asked = client().generate({ model, prompt: 'x', [field]: value });
      await expect(asked).rejects.toMatchObject({ status_code: 400, error: expect.stringContaining(`'${field}'`) });
      expect(worker.requests).toHaveLength(0);
    });
  });

  describe('Responses', () => {
    const client = () =>
      new OpenAI({ baseURL: `${gateway.origin}/v1`, apiKey: 'sk-test', maxRetries: 0, logLevel: 'off' });
    const tools = [{ type: 'function' as const, name: 'weather', description: 'x', parameters, strict: false }];
    type Body = Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'model' | 'stream'>;
    const create = (streamed: boolean, body: Body) =>
      streamed
        ? client()
            .responses.stream({ model, ...body })
            .finalResponse()
        : client().responses.create({ model, ...body });

    test.each([false, true])('text, usage and status, streamed: %s', async (streamed) => {
      const response = await create(streamed, { input: 'Hi', instructions: 'Be brief.', max_output_tokens: 9 });
      expect(response).toMatchObject({ object: 'response', status: 'completed', model, output_text: said });
      expect(response.usage).toMatchObject({ output_tokens: 5, input_tokens: expect.any(Number) });
      expect(worker.requests[0]?.fields).toMatchObject({
        max_tokens: 9,
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hi' },
        ],
      });
    });

    test.each([false, true])('two tool calls, their results, a third turn, streamed: %s', async (streamed) => {
      const input: OpenAI.Responses.ResponseInputItem[] = [
        { role: 'developer', content: 'Use tools.' },
        { role: 'user', content: 'Weather?' },
      ];
      const first = await create(streamed, { input, tools });
      expect(first.output.map(({ type }) => type)).toEqual(['reasoning', 'function_call', 'function_call']);
      const calls = first.output.slice(1) as OpenAI.Responses.ResponseFunctionToolCall[];
      expect(calls.map((call) => JSON.parse(call.arguments))).toEqual([{ city: 'Köln' }, { city: 'Bonn' }]);
      input.push(...(first.output as OpenAI.Responses.ResponseInputItem[]));
      for (const { call_id } of calls) input.push({ type: 'function_call_output', call_id, output: 'rain' });
      const second = await create(streamed, { input, tools });
      expect(second.output_text).toBe('The tools said: rain, rain');
      input.push(...(second.output as OpenAI.Responses.ResponseInputItem[]), { role: 'user', content: 'Again.' });
      expect((await create(streamed, { input, tools })).output).toHaveLength(3);
      expect(worker.requests[2]?.fields.messages).toMatchObject([
        { role: 'system' },
        { role: 'user' },
        { role: 'assistant', reasoning_content: 'Two cities.', tool_calls: calls.map(({ call_id: id }) => ({ id })) },
        { role: 'tool', tool_call_id: calls[0]?.call_id },
        { role: 'tool', tool_call_id: calls[1]?.call_id },
        { role: 'assistant', content: 'The tools said: rain, rain' },
        { role: 'user' },
      ]);
    });

    test('images, a schema, reasoning', async () => {
      const image = {
        type: 'input_image' as const,
        image_url: `data:image/png;base64,${picture}`,
        detail: 'low' as const,
      };
      const content = [image, { type: 'input_text' as const, text: 'What?' }, image];
      expect((await create(true, { input: [{ role: 'user', content }] })).output_text).toBe('I see 2 pictures.');
      const format = { type: 'json_schema' as const, name: 'place', schema, strict: true };
      expect((await create(true, { input: 'x', text: { format } })).output_text).toBe('{"city":"Köln"}');
      expect(worker.requests[1]?.fields.response_format).toEqual({
        type: 'json_schema',
        json_schema: { name: 'place', schema, strict: true },
      });
      const [reasoning] = (await create(true, { input: 'think', reasoning: { summary: 'auto' } })).output;
      expect(reasoning).toMatchObject({ type: 'reasoning', summary: [{ text: 'Hm, well.' }] });
    });

    test('every event has its number', async () => {
      const stream = await client().responses.create({ model, input: 'think', tools, stream: true });
      const numbers: number[] = [];
      for await (const { sequence_number } of stream) numbers.push(sequence_number);
      expect(numbers).toEqual(numbers.map((_, at) => at));
    });

    test('an abort lets the worker go', async () => {
      const release = createDeferred();
      worker.treat(holdAt(3, release.promise));
      const { controller, signal } = signalled();
      const stream = await client().responses.create({ model, input: 'x', stream: true }, { signal });
      for await (const _ of stream) {
        controller.abort();
        break;
      }
      expect(await worker.requests[0]?.completed).toBe(false);
      release.resolve();
    });

    test("the worker's own error", async () => {
      worker.treat(reply(422, { error: { message: 'own words', type: 'x', code: 'y', param: 'z' } }));
      const error = await create(false, { input: 'x' }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ status: 422, code: 'y', param: 'z' });
    });

    test.each([cut({ after: 3 }), cut({ midEvent: 3 }), endEarly(3)])('a stream that is cut', async (behaviour) => {
      worker.treat(behaviour);
      await expect(create(true, { input: 'x' })).rejects.toThrow(/./);
    });
  });

  test('bytes in any pieces are the same events', async () => {
    const body = { model, messages: [{ role: 'user', content: 'think' }], max_tokens: 9, stream: true };
    const headers = { authorization: 'Bearer sk-test' };
    const whole = await gateway.fetch('/v1/messages', { body, headers });
    worker.treat(inPiecesOf(1));
    const bytewise = await gateway.fetch('/v1/messages', { body, headers });
    expect(bytewise.text).toBe(whole.text);
    expect(whole.headers['content-type']).toMatch(/^text\/event-stream/);
  });
});
