import { describe, expect, it } from '@jest/globals';
import { translation } from '../../../../lib/translation/ollama-chat.ts';
import { translation as embeddings } from '../../../../lib/translation/ollama-embeddings.ts';
import type { Asked, Fields } from '../../../../lib/translation/translation.ts';
import { askedFor, callPiece, chunkOf, completionOf, finish, linesIn, usageChunk } from './asked.ts';

const chat = (body: Fields, more: Partial<Asked> = {}) => translation.request(askedFor('ollama_chat', body, more));
const messages = (list: unknown) => chat({ messages: list }).messages;
const answer = (completion: Fields, body: Fields = {}, operation = 'ollama_chat') =>
  translation.response(completion, askedFor(operation, body));
const stream = (chunks: readonly Fields[], body: Fields = {}, operation = 'ollama_chat') => {
  const translated = translation.stream?.(askedFor(operation, { ...body, stream: true }));
  return linesIn(chunks.map((chunk) => translated?.event(chunk) ?? '').join('') + translated?.end(true));
};

describe('request', () => {
  it('options: sampling is carried, what tunes the server is not', () => {
    const options = {
      temperature: 0,
      top_k: 40,
      seed: 7,
      num_predict: 9,
      num_ctx: 8192,
      num_gpu: 1,
      repeat_penalty: 1.1,
      stop: ['END'],
      mirostat: 1,
    };
    expect(chat({ messages: [], options, keep_alive: '5m', stream: true }, { isStream: true })).toEqual({
      model: 'served-model',
      stream: true,
      stream_options: { include_usage: true },
      messages: [],
      temperature: 0,
      top_k: 40,
      seed: 7,
      max_tokens: 9,
      repeat_penalty: 1.1,
      repetition_penalty: 1.1,
      stop: ['END'],
      mirostat: 1,
    });
    expect(chat({ messages: [], options: { num_predict: -1, stop: 'x' } })).toEqual({
      model: 'served-model',
      messages: [],
      stop: ['x'],
    });
  });

  it('images get the type that their first bytes tell', () => {
    const images = ['iVBORw0KGgo', '/9j/4AAQ', 'R0lGODlh', 'UklGRg', 'data:image/avif;base64,x'];
    const [message] = messages([{ role: 'user', content: 'What?', images }]) as [Fields];
    const urls = (message.content as Fields[]).slice(1).map(({ image_url }) => (image_url as Fields).url);
    expect(urls).toEqual([
      'data:image/png;base64,iVBORw0KGgo',
      'data:image/jpeg;base64,/9j/4AAQ',
      'data:image/gif;base64,R0lGODlh',
      'data:image/webp;base64,UklGRg',
      'data:image/avif;base64,x',
    ]);
  });

  it('results find their calls: by id, by name, in their order', () => {
    const call = (name: string, id?: string) => ({ ...(id && { id }), function: { name, arguments: { a: 1 } } });
    const sent = messages([
      { role: 'user', content: 'x' },
      {
        role: 'assistant',
        content: '',
        thinking: 'Hm.',
        tool_calls: [call('f'), call('g'), call('f'), call('h', 'own')],
      },
      { role: 'tool', tool_name: 'g', content: 'of g' },
      { role: 'tool', tool_name: 'f', content: 'first of f' },
      { role: 'tool', tool_call_id: 'own', content: 'of h' },
      { role: 'tool', content: 'the one left' },
    ]) as Fields[];
    expect(sent[1]).toMatchObject({
      content: '',
      reasoning_content: 'Hm.',
      tool_calls: [
        { id: 'call_1_0', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
        { id: 'call_1_1' },
        { id: 'call_1_2' },
        { id: 'own' },
      ],
    });
    expect(sent.slice(2).map(({ tool_call_id, content }) => [tool_call_id, content])).toEqual([
      ['call_1_1', 'of g'],
      ['call_1_0', 'first of f'],
      ['own', 'of h'],
      ['call_1_2', 'the one left'],
    ]);
  });

  it.each([
    ['json', { response_format: { type: 'json_object' } }],
    [
      { type: 'object' },
      {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'response', strict: true, schema: { type: 'object' } },
        },
      },
    ],
    ['', {}],
    [null, {}],
  ])('format %j', (format, expected) => {
    expect(chat({ messages: [], format })).toEqual({ model: 'served-model', messages: [], ...expected });
  });

  it.each([
    [false, { chat_template_kwargs: { enable_thinking: false } }],
    [true, { chat_template_kwargs: { enable_thinking: true } }],
    ['high', { chat_template_kwargs: { enable_thinking: true }, reasoning_effort: 'high' }],
    [undefined, {}],
  ])('think %j', (think, expected) => {
    const { model, messages: _, ...rest } = chat({ messages: [], think }, { engine: 'vllm' });
    expect(rest).toEqual(expected);
  });

  it('tools, log probabilities', () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }, { function: { name: 'g' } }];
    expect(chat({ messages: [], tools, logprobs: true, top_logprobs: 2 })).toMatchObject({
      tools: [
        { type: 'function', function: { name: 'f' } },
        { type: 'function', function: { name: 'g' } },
      ],
      logprobs: true,
      top_logprobs: 2,
    });
  });

  it('roles in any case, and a system that shows pictures', () => {
    const asked = [
      { role: 'System', content: 'S', images: ['iVBORw0K'] },
      { role: 'ASSISTANT', content: '', tool_calls: [{ function: { name: 'f', arguments: {} } }] },
      { role: 'Tool', content: 'rain' },
      { role: 'User', content: 'x' },
    ];
    expect(translation.request(askedFor('ollama_chat', { messages: asked })).messages).toMatchObject([
      { role: 'system', content: 'S' },
      { role: 'user', content: [{ type: 'image_url' }] },
      { role: 'assistant', tool_calls: [{ id: 'call_1_0' }] },
      { role: 'tool', tool_call_id: 'call_1_0', content: 'rain' },
      { role: 'user', content: 'x' },
    ]);
  });

  it('generate: a prompt, a system prompt, images', () => {
    const body = { prompt: 'Once', system: 'Brief.', images: ['iVBORw0K'] };
    expect(translation.request(askedFor('ollama_generate', body)).messages).toMatchObject([
      { role: 'system', content: 'Brief.' },
      { role: 'user', content: [{ type: 'text', text: 'Once' }, { type: 'image_url' }] },
    ]);
  });

  it.each([
    ['raw', { raw: true }],
    ['suffix', { suffix: 'x' }],
    ['template', { template: '{{ .Prompt }}' }],
    ['context', { context: [1, 2] }],
    ['format', { format: 7 }],
    ['messages', { messages: 'x' }],
    ['messages[0].images[1]', { messages: [{ role: 'user', images: ['iVBO', 7] }] }],
  ])('%s cannot be carried', (field, body) => {
    expect(() => chat(body)).toThrow(expect.objectContaining({ field }));
  });

  it('says nothing of fields that ask for nothing', () => {
    expect(() => chat({ messages: [], raw: false, suffix: '', template: '', context: [] })).not.toThrow();
  });

  it.each([
    ['ollama_generate', { model: 'm' }, 'load'],
    ['ollama_generate', { model: 'm', keep_alive: 0 }, 'unload'],
    ['ollama_chat', { model: 'm', messages: [] }, 'load'],
  ])('%s %j asks nobody for anything', (operation, body, done_reason) => {
    const own = translation.own?.(askedFor(operation, body));
    expect(linesIn(own ?? '')).toMatchObject([{ model: 'asked-model', done: true, done_reason }]);
    expect(translation.own?.(askedFor(operation, { prompt: 'x', messages: [{}] }))).toBeUndefined();
  });
});

describe('response', () => {
  it('text, thinking, calls, counts and durations', () => {
    const tool_calls = [
      { id: 'a', function: { name: 'f', arguments: '{"n":1}' } },
      { function: { name: 'g', arguments: '' } },
    ];
    const timings = { prompt_ms: 2, predicted_ms: 3.5 };
    expect(answer(completionOf({ content: 'x', reasoning: 'Hm.', tool_calls }, {}, { timings }))).toEqual({
      model: 'asked-model',
      created_at: '2025-10-09T08:53:20.250Z',
      message: {
        role: 'assistant',
        content: 'x',
        thinking: 'Hm.',
        tool_calls: [
          { id: 'a', function: { index: 0, name: 'f', arguments: { n: 1 } } },
          { id: 'call_chatcmpl-9_1', function: { index: 1, name: 'g', arguments: {} } },
        ],
      },
      done: true,
      done_reason: 'stop',
      total_duration: 250_000_000,
      load_duration: 0,
      prompt_eval_count: 7,
      prompt_eval_duration: 2_000_000,
      eval_count: 5,
      eval_duration: 3_500_000,
    });
  });

  it('of generate; cut short; without the thinking that nobody wants', () => {
    const completion = completionOf({ content: 'x', reasoning: 'Hm.' }, { finish_reason: 'length' });
    expect(answer(completion, { think: false }, 'ollama_generate')).toMatchObject({
      response: 'x',
      done_reason: 'length',
    });
    expect(answer(completion, { think: false }, 'ollama_generate')).not.toHaveProperty('thinking');
  });
});

describe('stream', () => {
  it('a line for every piece, and the last with counts', () => {
    const lines = stream([
      chunkOf({ role: 'assistant', content: '' }),
      chunkOf({ reasoning_content: 'Hm' }),
      chunkOf({ content: 'Yes' }),
      finish('stop'),
      usageChunk({ prompt_tokens: 7, completion_tokens: 5 }),
    ]);
    expect(lines).toMatchObject([
      { message: { role: 'assistant', content: '', thinking: 'Hm' }, done: false },
      { message: { role: 'assistant', content: 'Yes' }, done: false },
      {
        message: { role: 'assistant', content: '' },
        done: true,
        done_reason: 'stop',
        prompt_eval_count: 7,
        eval_count: 5,
      },
    ]);
  });

  it('a call is one line, once its arguments are complete', () => {
    const lines = stream([
      chunkOf(callPiece(0, { id: 'a', function: { name: 'f', arguments: '{"n"' } })),
      chunkOf(callPiece(0, { function: { arguments: ':1}' } })),
      chunkOf(callPiece(1, { id: 'b', function: { name: 'g', arguments: '{}' } })),
      finish('tool_calls'),
    ]);
    expect(lines.slice(0, -1).map(({ message }) => (message as Fields).tool_calls)).toEqual([
      [{ id: 'a', function: { index: 0, name: 'f', arguments: { n: 1 } } }],
      [{ id: 'b', function: { index: 1, name: 'g', arguments: {} } }],
    ]);
    expect(lines.at(-1)).toMatchObject({ done: true, done_reason: 'stop' });
  });

  it('of generate', () => {
    expect(stream([chunkOf({ content: 'x' })], {}, 'ollama_generate')).toMatchObject([
      { response: 'x', done: false },
      { response: '', done: true },
    ]);
  });

  it('log probabilities go with their tokens', () => {
    const logprobs = { content: [{ token: 'x', logprob: -1, bytes: [120], top_logprobs: [] }] };
    const [line] = stream([chunkOf({ content: 'x' }, { logprobs })]);
    expect(line).toMatchObject({ logprobs: logprobs.content });
  });

  it("the worker's own error is the last line", () => {
    const broken = translation.stream?.(askedFor('ollama_chat', {}));
    broken?.event(chunkOf({ content: 'x' }));
    expect(broken?.fail(500, 'CUDA')).toBe('{"error":"CUDA"}\n');
    expect(broken?.end(true)).toBe('');
  });
});

describe('embeddings', () => {
  const data = [
    { index: 1, embedding: [3, 4] },
    { index: 0, embedding: [1, 2] },
  ];
  const list = { object: 'list', data, usage: { prompt_tokens: 7, total_tokens: 7 } };

  it('embed', () => {
    const asked = askedFor('ollama_embed', { input: ['a', 'b'], dimensions: 2, truncate: true, keep_alive: 1 });
    expect(embeddings.request(asked)).toEqual({
      model: 'served-model',
      input: ['a', 'b'],
      dimensions: 2,
      encoding_format: 'float',
    });
    expect(embeddings.response(list, asked)).toEqual({
      model: 'asked-model',
      embeddings: [
        [1, 2],
        [3, 4],
      ],
      total_duration: 250_000_000,
      load_duration: 0,
      prompt_eval_count: 7,
    });
  });

  it('embeddings, the older one', () => {
    const asked = askedFor('ollama_embeddings', { prompt: 'a' });
    expect(embeddings.request(asked)).toMatchObject({ input: 'a' });
    expect(embeddings.response(list, asked)).toEqual({ embedding: [1, 2] });
  });

  it('vLLM is told to cut what is too long, as Ollama does by itself', () => {
    const request = (body: Fields) =>
      embeddings.request(askedFor('ollama_embed', { input: 'a', ...body }, { engine: 'vllm' }));
    expect(request({})).toMatchObject({ truncate_prompt_tokens: -1 });
    expect(request({ truncate: false })).not.toHaveProperty('truncate_prompt_tokens');
  });

  it('nothing to embed is nothing to ask a worker, as at Ollama', () => {
    const own = (operation: string, body: Fields) => embeddings.own?.(askedFor(operation, body));
    expect(JSON.parse(own('ollama_embed', { input: '' }) ?? '')).toEqual({ model: 'asked-model', embeddings: [] });
    expect(JSON.parse(own('ollama_embed', { input: [] }) ?? '')).toMatchObject({ embeddings: [] });
    expect(JSON.parse(own('ollama_embeddings', {}) ?? '')).toEqual({ embedding: [] });
    for (const input of ['a', ['a'], [1, 2]]) expect(own('ollama_embed', { input })).toBeUndefined();
  });

  it('what has no numbers is no answer', () => {
    const asked = askedFor('ollama_embed', { input: 'a' });
    expect(() => embeddings.response({}, asked)).toThrow(TypeError);
    expect(() => embeddings.response({ data: [{ embedding: 'AAAA' }] }, asked)).toThrow(TypeError);
  });
});
