import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { until } from '../../../support/until.ts';
import { type Demo, startDemo } from './demo.ts';

let demo: Demo;
beforeAll(async () => {
  process.env.DEMO_TOKENS_PER_SECOND = '2000';
  demo = await startDemo();
});
afterAll(async () => {
  delete process.env.DEMO_TOKENS_PER_SECOND;
  await demo.close();
});

const messages = [{ role: 'user', content: 'Tell me about the white whale.' }];
const events = (text: string) =>
  text
    .split('\n\n')
    .flatMap((block) => /^data: (\{.*)$/m.exec(block)?.[1] ?? [])
    .map((json) => JSON.parse(json));

describe('chat in the OpenAI dialect', () => {
  test('is deterministic with a seed, and another text with another', async () => {
    const ask = async (seed: number) =>
      (await demo.json('/v1/chat/completions', { messages, seed, max_tokens: 40 })).choices[0].message.content;
    const [first, again, other] = [await ask(1), await ask(1), await ask(2)];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    expect(first.length).toBeGreaterThan(40);
  });

  test('honours max_tokens and says so', async () => {
    const answer = await demo.json('/v1/chat/completions', { messages, seed: 1, max_tokens: 7 });
    expect(answer.choices[0].finish_reason).toBe('length');
    expect(answer.usage.completion_tokens).toBe(7);
    expect(answer.usage.total_tokens).toBe(answer.usage.prompt_tokens + 7);
  });

  test('ends before a stop sequence', async () => {
    const body = { messages, seed: 5, max_tokens: 60, ignore_eos: true };
    const whole = (await demo.json('/v1/chat/completions', body)).choices[0].message.content;
    const stop = whole.split(' ')[5];
    const { choices } = await demo.json('/v1/chat/completions', { ...body, stop });
    expect(choices[0].message.content).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(choices[0].finish_reason).toBe('stop');
  });

  test('streams the text that it gives whole, then usage, then [DONE]', async () => {
    const body = { messages, seed: 9, max_tokens: 25 };
    const whole = await demo.json('/v1/chat/completions', body);
    const response = await demo.post('/v1/chat/completions', {
      ...body,
      stream: true,
      stream_options: { include_usage: true },
    });
    const text = await response.text();
    const chunks = events(text);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(chunks[0].choices[0].delta.role).toBe('assistant');
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(
      whole.choices[0].message.content,
    );
    expect(chunks.at(-2).choices[0].finish_reason).toBe('length');
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  test('completions continue the prompt itself', async () => {
    const { choices } = await demo.json('/v1/completions', { prompt: 'Call me', temperature: 0, max_tokens: 1 });
    expect(choices[0].text).toBe(' Ishmael');
  });

  test('responses stream typed events up to the terminal one', async () => {
    const response = await demo.post('/v1/responses', { input: 'The sea?', max_output_tokens: 5, stream: true });
    const types = events(await response.text()).map(({ type }) => type);
    expect(types.slice(0, 4)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
    ]);
    expect(types.at(-1)).toBe('response.incomplete');
  });
});

describe('chat in the other dialects', () => {
  test('Anthropic: the stop sequence is named; the stream ends with message_stop', async () => {
    const whole = await demo.json('/v1/messages', { messages, max_tokens: 300, temperature: 0 });
    const stop = whole.content[0].text.split(' ')[3];
    const body = { messages, max_tokens: 300, temperature: 0, stop_sequences: [stop] };
    const short = await demo.json('/v1/messages', body);
    expect(short).toMatchObject({
      type: 'message',
      role: 'assistant',
      stop_reason: 'stop_sequence',
      stop_sequence: stop,
    });
    const types = events(await (await demo.post('/v1/messages', { ...body, stream: true })).text()).map(
      ({ type }) => type,
    );
    expect(types[0]).toBe('message_start');
    expect(types.at(-1)).toBe('message_stop');
  });

  test('Anthropic: counts the tokens it then reports', async () => {
    const { input_tokens } = await demo.json('/v1/messages/count_tokens', { messages });
    expect(input_tokens).toBe(7);
    expect((await demo.json('/v1/messages', { messages, max_tokens: 1 })).usage.input_tokens).toBe(7);
  });

  test('Ollama: streams lines by default, a JSON object on request', async () => {
    const options = { num_predict: 6, seed: 4 };
    const response = await demo.post('/api/chat', { model: 'ngram:latest', messages, options });
    const lines = (await response.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(response.headers.get('content-type')).toBe('application/x-ndjson');
    expect(lines.map(({ done }) => done)).toEqual([...Array(6).fill(false), true]);
    const whole = await demo.json('/api/chat', { messages, options, stream: false });
    expect(whole.message.content).toBe(lines.map(({ message }) => message.content).join(''));
    expect(whole).toMatchObject({ done: true, done_reason: 'length', eval_count: 6 });
  });
});

describe('load', () => {
  const load = async () => (await fetch(`${demo.url}/load`)).json() as Promise<{ running: number }>;

  test('a busy worker says so, and is free again when the client leaves', async () => {
    const client = new AbortController();
    const body = { messages, max_tokens: 100_000, ignore_eos: true, stream: true };
    const response = await demo.post('/v1/chat/completions', body, { signal: client.signal });
    await response.body?.getReader().read();
    expect((await load()).running).toBe(1);
    expect(await (await fetch(`${demo.url}/readyz`)).json()).toMatchObject({ status: 'busy', running: 1 });
    client.abort();
    expect(await until(async () => (await load()).running === 0)).toBe(true);
    expect(await (await fetch(`${demo.url}/readyz`)).json()).toMatchObject({ status: 'ok', running: 0 });
  });
});

describe('bad input', () => {
  const openai = (error: object) => ({ error: { type: 'invalid_request_error', ...error } });
  const anthropic = (type: string) => ({ type: 'error', error: { type, message: expect.any(String) } });

  test.each([
    ['/v1/chat/completions', {}, 400, openai({ param: 'messages' })],
    [
      '/v1/chat/completions',
      { messages, temperature: 'hot' },
      400,
      openai({ message: "'temperature': expected a number" }),
    ],
    ['/v1/chat/completions', { model: 'gpt-4o', messages }, 404, openai({ code: 'model_not_found' })],
    [
      '/v1/chat/completions',
      { model: 'flite', messages },
      400,
      openai({ message: expect.stringContaining("'ngram'") }),
    ],
    ['/v1/messages', { messages }, 400, anthropic('invalid_request_error')],
    ['/v1/messages', { model: 'x', messages, max_tokens: 1 }, 404, anthropic('not_found_error')],
    ['/api/chat', { messages: 'hello' }, 400, { error: expect.any(String) }],
    ['/v1/nothing', {}, 404, openai({ code: 404 })],
  ])('%s %j is answered %d in the dialect', async (path, body, status, answer) => {
    const response = await demo.post(path, body);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject(answer);
  });

  test('broken JSON is 400, a wrong method 405 with Allow', async () => {
    expect((await fetch(`${demo.url}/v1/messages`, { method: 'POST', body: '{' })).status).toBe(400);
    const wrong = await fetch(`${demo.url}/v1/messages`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
  });
});
