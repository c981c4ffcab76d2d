import { describe, expect, it } from '@jest/globals';
import { translation } from '../../../../lib/translation/anthropic-chat.ts';
import { translation as tokenize } from '../../../../lib/translation/anthropic-tokenize.ts';
import type { Asked, Fields } from '../../../../lib/translation/translation.ts';
import { askedFor, callPiece, chunkOf, completionOf, eventsIn, finish, usageChunk } from './asked.ts';

const request = (body: Fields, more: Partial<Asked> = {}) =>
  translation.request(askedFor('messages', { max_tokens: 64, messages: [], ...body }, more));
const messages = (list: unknown, more: Fields = {}) => request({ messages: list, ...more }).messages;
const answer = (completion: Fields, body: Fields = {}) => translation.response(completion, askedFor('messages', body));
const stream = (chunks: readonly Fields[], body: Fields = {}) => {
  const translated = translation.stream?.(askedFor('messages', { ...body, stream: true }));
  const text = chunks.map((chunk) => translated?.event(chunk) ?? '').join('') + translated?.end(true);
  return eventsIn(text);
};

describe('request', () => {
  it('system, text with cache_control, sampling, stop sequences', () => {
    const body = request({
      system: [
        { type: 'text', text: 'One.', cache_control: { type: 'ephemeral' } },
        { type: 'text', text: 'Two.' },
      ],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi', cache_control: { type: 'ephemeral' } }] }],
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      stop_sequences: ['END'],
      metadata: { user_id: 'u' },
    });
    expect(body).toEqual({
      model: 'served-model',
      messages: [
        { role: 'system', content: 'One.\n\nTwo.' },
        { role: 'user', content: 'Hi' },
      ],
      max_tokens: 64,
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      stop: ['END'],
    });
  });

  it('asks for usage when it streams', () => {
    const body = translation.request(askedFor('messages', { messages: [], stream: true }));
    expect(body).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    const told = translation.request(askedFor('messages', { messages: [], stream: true }, { engine: 'vllm' }));
    expect(told.stream_options).toEqual({ include_usage: true, continuous_usage_stats: true });
  });

  it("leaves out Claude Code's billing line, which would be another prefix each time", () => {
    const system = [
      { type: 'text', text: 'x-anthropic-billing-header: cch=12345;' },
      { type: 'text', text: 'Be.' },
    ];
    expect(messages([], { system })).toEqual([{ role: 'system', content: 'Be.' }]);
  });

  it('tool calls and their results: ids kept, results first, pictures behind the last', () => {
    const source = { type: 'base64', media_type: 'image/png', data: 'AAAA' };
    const list = [
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'Two.', signature: 'x' },
          { type: 'redacted_thinking', data: 'x' },
          { type: 'text', text: 'I look.' },
          { type: 'tool_use', id: 'toolu_1', name: 'f', input: { city: 'Köln' } },
          { type: 'tool_use', id: 'toolu_2', name: 'f', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Here:' },
          {
            type: 'tool_result',
            tool_use_id: 'toolu_1',
            content: [
              { type: 'image', source },
              { type: 'text', text: 'rain' },
            ],
          },
          { type: 'tool_result', tool_use_id: 'toolu_2', content: 'no such city', is_error: true },
          { type: 'text', text: '' },
        ],
      },
    ];
    expect(messages(list)).toEqual([
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: 'I look.',
        reasoning: 'Two.',
        reasoning_content: 'Two.',
        tool_calls: [
          { id: 'toolu_1', type: 'function', function: { name: 'f', arguments: '{"city":"Köln"}' } },
          { id: 'toolu_2', type: 'function', function: { name: 'f', arguments: '{}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'toolu_1', content: 'rain' },
      { role: 'tool', tool_call_id: 'toolu_2', content: 'Error: no such city' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Returned by tool call toolu_1:' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          { type: 'text', text: 'Here:' },
        ],
      },
    ]);
  });

  it('calls without text have an empty text, which every template can print', () => {
    const content = [{ type: 'tool_use', id: 'a', name: 'f', input: { n: 1 } }];
    expect(messages([{ role: 'assistant', content }])).toMatchObject([{ content: '', tool_calls: [{ id: 'a' }] }]);
  });

  it('documents and search results that are text', () => {
    const content = [
      { type: 'document', title: 'Plan', source: { type: 'text', media_type: 'text/plain', data: 'First.' } },
      { type: 'search_result', title: 'T', source: 'http://s', content: [{ type: 'text', text: 'found' }] },
    ];
    expect(messages([{ role: 'user', content }])).toEqual([
      { role: 'user', content: 'Plan\nFirst.\nT\nhttp://s\nfound' },
    ]);
  });

  it('a system message in the middle stays there, and is the user’s: templates take one, at the beginning', () => {
    const list = [
      { role: 'system', content: 'A' },
      { role: 'user', content: 'x' },
      { role: 'system', content: 'B' },
    ];
    expect(messages(list, { system: 'S' })).toEqual([
      { role: 'system', content: 'S\n\nA' },
      { role: 'user', content: 'x\n\n<system-reminder>\nB\n</system-reminder>' },
    ]);
  });

  it('what the same one says in two messages is one', () => {
    const image = { type: 'image', source: { type: 'url', url: 'http://p' } };
    const list = ['a', '', 'b', [image]].map((content) => ({ role: 'user', content }));
    expect(messages(list)).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a\n\nb' },
          { type: 'image_url', image_url: { url: 'http://p' } },
        ],
      },
    ]);
  });

  it.each([
    [{ type: 'auto' }, { tool_choice: 'auto' }],
    [{ type: 'any' }, { tool_choice: 'required' }],
    [{ type: 'none' }, { tool_choice: 'none' }],
    [{ type: 'tool', name: 'f' }, { tool_choice: { type: 'function', function: { name: 'f' } } }],
    [
      { type: 'auto', disable_parallel_tool_use: true },
      { tool_choice: 'auto', parallel_tool_calls: false },
    ],
  ])('tools and the choice %j', (tool_choice, expected) => {
    const input_schema = { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false };
    const tools = [{ name: 'f', description: 'd', input_schema, strict: true, cache_control: { type: 'ephemeral' } }];
    const body = request({ tools, tool_choice });
    expect(body).toMatchObject(expected);
    expect(body.tools).toEqual([
      { type: 'function', function: { name: 'f', description: 'd', parameters: input_schema, strict: true } },
    ]);
  });

  it('structured output, in the present field and the beta one', () => {
    const format = { type: 'json_schema', schema: { type: 'object' } };
    const response_format = {
      type: 'json_schema',
      json_schema: { name: 'response', strict: true, schema: { type: 'object' } },
    };
    expect(request({ output_config: { format } })).toMatchObject({ response_format });
    expect(request({ output_format: format })).toMatchObject({ response_format });
  });

  it.each([
    ['openai', { type: 'enabled', budget_tokens: 9 }, {}],
    ['vllm', { type: 'enabled', budget_tokens: 9 }, { chat_template_kwargs: { enable_thinking: true } }],
    [
      'llamacpp',
      { type: 'enabled', budget_tokens: 9 },
      { chat_template_kwargs: { enable_thinking: true }, thinking_budget_tokens: 9 },
    ],
    ['vllm', { type: 'disabled' }, { chat_template_kwargs: { enable_thinking: false } }],
    ['vllm', { type: 'adaptive' }, {}],
  ])('thinking on %s: %j', (engine, thinking, expected) => {
    const { model, messages: _, max_tokens, ...rest } = request({ thinking }, { engine });
    expect(rest).toEqual(expected);
  });

  it('effort', () => {
    expect(request({ output_config: { effort: 'xhigh' } })).toMatchObject({ reasoning_effort: 'high' });
  });

  it('a beginning of the answer is one for vLLM too', () => {
    const list = [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: '{' },
    ];
    expect(request({ messages: list }, { engine: 'vllm' })).toMatchObject({
      continue_final_message: true,
      add_generation_prompt: false,
    });
  });

  it.each([
    [
      'tools[1].type',
      {
        tools: [
          { name: 'f', input_schema: {} },
          { type: 'bash_20250124', name: 'bash' },
        ],
      },
    ],
    [
      'messages[0].content[1].source',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'x' },
              { type: 'image', source: { type: 'file', file_id: 'f' } },
            ],
          },
        ],
      },
    ],
    [
      'messages[0].content[0].source',
      { messages: [{ role: 'user', content: [{ type: 'document', source: { type: 'base64', data: 'x' } }] }] },
    ],
    ['messages[0].content[0]', { messages: [{ role: 'user', content: [{ type: 'container_upload', file_id: 'x' }] }] }],
    ['messages[0].content', { messages: [{ role: 'user', content: 7 }] }],
    ['tool_choice.type', { tools: [{ name: 'f', input_schema: {} }], tool_choice: { type: 'some' } }],
    ['mcp_servers', { mcp_servers: [{ url: 'x' }] }],
    ['container', { container: 'c' }],
  ])('%s cannot be carried', (field, body) => {
    expect(() => request(body)).toThrow(
      expect.objectContaining({ field, message: expect.stringContaining(`'${field}'`) }),
    );
  });
});

describe('response', () => {
  it('thinking, text and calls in their order, with the ids of the worker', () => {
    const tool_calls = [
      { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"n":12345678901234567890}' } },
      { type: 'function', function: { name: 'g', arguments: '' } },
    ];
    const message = answer(
      completionOf({ reasoning_content: 'Hm.', content: 'Yes.', tool_calls }, { finish_reason: 'tool_calls' }),
    );
    expect(JSON.parse(JSON.stringify(message))).toMatchObject({
      id: 'msg_9',
      type: 'message',
      model: 'asked-model',
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: expect.stringMatching(/./) },
        { type: 'text', text: 'Yes.' },
        { type: 'tool_use', id: 'call_1', name: 'f' },
        { type: 'tool_use', id: 'toolu_msg_9_1', name: 'g', input: {} },
      ],
      stop_reason: 'tool_use',
      usage: { input_tokens: 7, output_tokens: 5 },
    });
    expect(JSON.stringify(message)).toContain('{"n":12345678901234567890}');
  });

  it('arguments that are no JSON come under the key that the documentation names', () => {
    const tool_calls = [{ id: 'a', function: { name: 'f', arguments: '{"n":' } }];
    expect(answer(completionOf({ content: null, tool_calls }))).toMatchObject({
      content: [{ type: 'tool_use', input: { INVALID_JSON: '{"n":' } }],
    });
  });

  it.each([
    [{ finish_reason: 'stop' }, 'end_turn', null],
    [{ finish_reason: 'length' }, 'max_tokens', null],
    [{ finish_reason: 'content_filter' }, 'refusal', null],
    [{ finish_reason: 'stop', stop_reason: 'END' }, 'stop_sequence', 'END'],
    [{ finish_reason: 'stop', stop_reason: 151645 }, 'end_turn', null],
  ])('%j', (ending, stop_reason, stop_sequence) => {
    const message = answer(completionOf({ content: 'x' }, ending), { stop_sequences: ['END'] });
    expect(message).toMatchObject({ stop_reason, stop_sequence });
  });

  it('what was cached is counted apart; a refusal is text; no thinking where none was wanted', () => {
    const usage = { prompt_tokens: 10, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 8 } };
    const message = answer(completionOf({ reasoning: 'Hm.', content: null, refusal: 'No.' }, {}, { usage }), {
      thinking: { type: 'disabled' },
    });
    expect(message).toMatchObject({
      content: [{ type: 'text', text: 'No.' }],
      usage: { input_tokens: 2, cache_read_input_tokens: 8, output_tokens: 2 },
    });
  });

  it('a refusal is one, whatever the worker calls the end; thinking that is not to be shown is not', () => {
    const said = { reasoning: 'Hm.', content: null, refusal: 'No.' };
    const thinking = { type: 'adaptive', display: 'omitted' };
    expect(answer(completionOf(said), { thinking })).toMatchObject({
      content: [{ type: 'text', text: 'No.' }],
      stop_reason: 'refusal',
    });
    const events = stream([chunkOf({ reasoning: 'Hm.' }), chunkOf({ refusal: 'No.' }), finish('stop')], { thinking });
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'refusal' } });
    expect(JSON.stringify(events)).not.toContain('Hm.');
  });

  it('no choice is no answer', () => {
    expect(() => answer({ choices: [] })).toThrow(TypeError);
  });
});

describe('stream', () => {
  it('the whole life of a message', () => {
    const events = stream([
      chunkOf({ role: 'assistant', content: '' }),
      chunkOf({ reasoning: 'Hm' }),
      chunkOf({ content: 'Yes' }),
      chunkOf({ content: '.' }),
      finish('stop'),
      usageChunk({ prompt_tokens: 7, completion_tokens: 5 }),
    ]);
    expect(events.map(({ type, index }) => (index === undefined ? type : `${type} ${index}`))).toEqual([
      'message_start',
      'ping',
      'content_block_start 0',
      'content_block_delta 0',
      'content_block_delta 0',
      'content_block_stop 0',
      'content_block_start 1',
      'content_block_delta 1',
      'content_block_delta 1',
      'content_block_stop 1',
      'message_delta',
      'message_stop',
    ]);
    expect(events[0]).toMatchObject({ message: { id: 'msg_9', role: 'assistant', content: [], stop_reason: null } });
    expect(events[4]).toMatchObject({ delta: { type: 'signature_delta', signature: expect.stringMatching(/./) } });
    expect(events[10]).toMatchObject({
      delta: { stop_reason: 'end_turn' },
      usage: { input_tokens: 7, output_tokens: 5 },
    });
  });

  it('two calls, their arguments in pieces', () => {
    const events = stream([
      chunkOf(callPiece(0, { id: 'a', type: 'function', function: { name: 'f', arguments: '' } })),
      chunkOf(callPiece(0, { function: { arguments: '{"n":' } })),
      chunkOf(callPiece(0, { function: { arguments: '1}' } })),
      chunkOf(callPiece(1, { id: 'b', type: 'function', function: { name: 'g', arguments: '{}' } })),
      finish('tool_calls'),
    ]);
    expect(events.filter(({ type }) => type === 'content_block_start')).toMatchObject([
      { index: 0, content_block: { type: 'tool_use', id: 'a', name: 'f', input: {} } },
      { index: 1, content_block: { type: 'tool_use', id: 'b', name: 'g', input: {} } },
    ]);
    const pieces = events.filter(({ type }) => type === 'content_block_delta');
    expect(pieces.map(({ delta }) => (delta as Fields).partial_json)).toEqual(['{"n":', '1}', '{}']);
    expect(events.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' } });
  });

  it('usage that is there from the first chunk stands in message_start', () => {
    const [start] = stream([{ ...chunkOf({ content: 'x' }), usage: { prompt_tokens: 9, completion_tokens: 1 } }]);
    expect(start).toMatchObject({ message: { usage: { input_tokens: 9, output_tokens: 0 } } });
  });

  it('zeros beside the last choice do not hide the usage behind it', () => {
    const zeros = { prompt_tokens: 0, completion_tokens: 0 };
    const events = stream([
      chunkOf({ content: 'x' }),
      { ...finish('stop'), usage: zeros },
      usageChunk({ prompt_tokens: 3, completion_tokens: 2 }),
    ]);
    expect(events.at(-2)).toMatchObject({ usage: { input_tokens: 3, output_tokens: 2 } });
  });

  it('ends where the worker ended behind its finish_reason, and not before it', () => {
    const half = translation.stream?.(askedFor('messages', {}));
    half?.event(chunkOf({ content: 'x' }));
    expect(half?.end(false)).toBe('');
    const whole = translation.stream?.(askedFor('messages', {}));
    whole?.event(finish('length'));
    expect(eventsIn(whole?.end(false) ?? '').at(-1)).toMatchObject({ type: 'message_stop' });
    expect(whole?.end(true)).toBe('');
  });

  it("the worker's own error is the last event", () => {
    const broken = translation.stream?.(askedFor('messages', {}));
    broken?.event(chunkOf({ content: 'x' }));
    expect(broken?.fail(500, 'CUDA')).toBe(
      'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"CUDA"},"request_id":"request-1"}\n\n',
    );
    expect(broken?.event(chunkOf({ content: 'y' }))).toBe('');
    expect(broken?.end(true)).toBe('');
  });
});

describe('token counting on /tokenize', () => {
  it('sends what the chat template is rendered of', () => {
    const body = {
      system: 'S',
      messages: [{ role: 'user', content: 'x' }],
      tools: [{ name: 'f', input_schema: { type: 'object' } }],
      thinking: { type: 'disabled' },
    };
    expect(tokenize.request(askedFor('count_tokens', body, { engine: 'vllm' }))).toEqual({
      model: 'served-model',
      messages: [
        { role: 'system', content: 'S' },
        { role: 'user', content: 'x' },
      ],
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
      chat_template_kwargs: { enable_thinking: false },
    });
  });

  it('answers the count', () => {
    const asked = askedFor('count_tokens', {});
    expect(tokenize.response({ count: 9, max_model_len: 10, tokens: [1] }, asked)).toEqual({ input_tokens: 9 });
    expect(tokenize.response({ tokens: [1, 2] }, asked)).toEqual({ input_tokens: 2 });
    expect(() => tokenize.response({}, asked)).toThrow(TypeError);
  });
});
