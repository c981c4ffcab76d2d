import { describe, expect, it } from '@jest/globals';
import { translation } from '../../../../lib/translation/responses-chat.ts';
import type { Asked, Fields } from '../../../../lib/translation/translation.ts';
import { askedFor, callPiece, chunkOf, completionOf, eventsIn, finish, usageChunk } from './asked.ts';

const request = (body: Fields, more: Partial<Asked> = {}) =>
  translation.request(askedFor('responses', { input: 'x', ...body }, more));
const messages = (input: unknown) => request({ input }).messages;
const answer = (completion: Fields, body: Fields = {}) => translation.response(completion, askedFor('responses', body));
const stream = (chunks: readonly Fields[], body: Fields = {}) => {
  const translated = translation.stream?.(askedFor('responses', { ...body, stream: true }));
  return eventsIn(chunks.map((chunk) => translated?.event(chunk) ?? '').join('') + translated?.end(true));
};
const weather = { type: 'function', name: 'f', description: 'd', parameters: { type: 'object' }, strict: true };
const patch = {
  type: 'custom',
  name: 'patch',
  description: 'Patches.',
  format: { type: 'grammar', syntax: 'lark', definition: 'start: x' },
};

describe('request', () => {
  it('instructions, roles, limits', () => {
    const input = [
      { role: 'developer', content: 'D' },
      {
        type: 'message',
        role: 'user',
        content: [
          { type: 'input_text', text: 'a' },
          { type: 'input_text', text: 'b' },
        ],
      },
    ];
    expect(
      request({ input, instructions: 'I', max_output_tokens: 9, temperature: 0.5, store: false, user: 'u' }),
    ).toEqual({
      model: 'served-model',
      messages: [
        { role: 'system', content: 'I\n\nD' },
        { role: 'user', content: 'a\nb' },
      ],
      max_tokens: 9,
      temperature: 0.5,
    });
  });

  it('what the assistant did in one turn is one message', () => {
    const input = [
      { role: 'user', content: 'x' },
      { type: 'reasoning', id: 'rs', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }] },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'I look.' }] },
      { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
      { type: 'function_call', call_id: 'b', name: 'g', namespace: 'ns', arguments: '{"n":1}' },
      { type: 'function_call_output', call_id: 'a', output: 'one' },
      {
        type: 'function_call_output',
        call_id: 'b',
        output: [
          { type: 'input_text', text: 'two' },
          { type: 'input_image', image_url: 'data:x' },
        ],
      },
      { type: 'message', role: 'assistant', content: 'Done.' },
      { type: 'web_search_call', id: 'ws' },
    ];
    expect(messages(input)).toEqual([
      { role: 'user', content: 'x' },
      {
        role: 'assistant',
        content: 'I look.',
        reasoning: 'Hm.',
        reasoning_content: 'Hm.',
        tool_calls: [
          { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } },
          { id: 'b', type: 'function', function: { name: 'ns__g', arguments: '{"n":1}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'a', content: 'one' },
      { role: 'tool', tool_call_id: 'b', content: 'two' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Returned by tool call b:' },
          { type: 'image_url', image_url: { url: 'data:x' } },
        ],
      },
      { role: 'assistant', content: 'Done.' },
    ]);
  });

  it('reasoning comes back sealed, or as a summary', () => {
    const [item] = answer(completionOf({ reasoning: 'Hüm.' }), { include: ['reasoning.encrypted_content'] }).output as [
      Fields,
    ];
    const back = (reasoning: Fields) =>
      messages([
        { type: 'reasoning', ...reasoning },
        { type: 'message', role: 'assistant', content: 'x' },
      ]);
    expect(back({ encrypted_content: item.encrypted_content, summary: [] })).toMatchObject([
      { reasoning_content: 'Hüm.' },
    ]);
    expect(back({ summary: [{ type: 'summary_text', text: 'S' }] })).toMatchObject([{ reasoning_content: 'S' }]);
    expect(back({ encrypted_content: 'somebody else’s', summary: [] })).toEqual([{ role: 'assistant', content: 'x' }]);
  });

  it('tools: functions, free text as a function of one string, namespaces; those of the servers that agents offer are left out', () => {
    const tools = [weather, patch, { type: 'namespace', name: 'ns', tools: [weather] }, { type: 'web_search' }];
    const { tools: sent } = request({ tools }) as { tools: { function: Fields }[] };
    expect(sent.map(({ function: { name } }) => name)).toEqual(['f', 'patch', 'ns__f']);
    expect(sent[0]).toEqual({
      type: 'function',
      function: { name: 'f', description: 'd', strict: true, parameters: { type: 'object' } },
    });
    expect(sent[1]?.function).toMatchObject({
      description: expect.stringContaining('start: x'),
      parameters: { properties: { input: { type: 'string' } }, required: ['input'] },
    });
  });

  it.each([
    ['auto', 'auto'],
    ['required', 'required'],
    [
      { type: 'function', name: 'f' },
      { type: 'function', function: { name: 'f' } },
    ],
    [
      { type: 'custom', name: 'patch' },
      { type: 'function', function: { name: 'patch' } },
    ],
    [{ type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'f' }] }, 'required'],
  ])('tool choice %j', (choice, expected) => {
    const body = request({ tools: [weather, patch], tool_choice: choice, parallel_tool_calls: false });
    expect(body).toMatchObject({ tool_choice: expected, parallel_tool_calls: false });
    if (typeof choice === 'object' && 'mode' in choice) expect(body.tools).toHaveLength(1);
  });

  it('structured output and verbosity', () => {
    const schema = { type: 'object' };
    expect(
      request({ text: { format: { type: 'json_schema', name: 'n', schema, description: 'd' }, verbosity: 'low' } }),
    ).toMatchObject({
      verbosity: 'low',
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema, description: 'd', strict: false } },
    });
    expect(request({ text: { format: { type: 'json_object' } } })).toMatchObject({
      response_format: { type: 'json_object' },
    });
    expect(request({ text: { format: { type: 'text' } } })).not.toHaveProperty('response_format');
  });

  it.each([
    [{ effort: 'minimal' }, { reasoning_effort: 'low' }],
    [{ effort: 'none' }, { chat_template_kwargs: { enable_thinking: false } }],
    [{ summary: 'auto' }, {}],
  ])('reasoning %j', (reasoning, expected) => {
    const { model, messages: _, ...rest } = request({ reasoning }, { engine: 'vllm' });
    expect(rest).toEqual(expected);
  });

  it.each([
    ['input[0].content[0].image_url', { input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'f' }] }] }],
    ['input[0].content[0]', { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'f' }] }] }],
    ['input[0].role', { input: [{ role: 'tool', content: 'x' }] }],
    [
      'input[1]',
      {
        input: [
          { role: 'user', content: 'x' },
          { type: 'item_reference', id: 'x' },
        ],
      },
    ],
    ['input', { input: 7 }],
    ['tools[0].type', { tools: [{ type: 'code_interpreter' }] }],
    ['tool_choice', { tools: [weather], tool_choice: { type: 'file_search' } }],
    ['prompt', { prompt: { id: 'p' } }],
  ])('%s cannot be carried', (field, body) => {
    expect(() => request(body)).toThrow(expect.objectContaining({ field }));
  });
});

describe('response', () => {
  it('items in their order, usage, what the request said', () => {
    const tool_calls = [{ id: 'a', function: { name: 'f', arguments: '{}' } }];
    const usage = {
      prompt_tokens: 7,
      completion_tokens: 5,
      prompt_tokens_details: { cached_tokens: 3 },
      completion_tokens_details: { reasoning_tokens: 2 },
    };
    const body = { tools: [weather], temperature: 0.5, metadata: { a: 'b' }, max_output_tokens: 9 };
    expect(answer(completionOf({ reasoning: 'Hm.', content: 'Yes.', tool_calls }, {}, { usage }), body)).toMatchObject({
      id: 'resp_9',
      object: 'response',
      status: 'completed',
      error: null,
      incomplete_details: null,
      model: 'asked-model',
      output: [
        { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }], status: 'completed' },
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Yes.', annotations: [] }] },
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}', status: 'completed' },
      ],
      usage: {
        input_tokens: 7,
        input_tokens_details: { cached_tokens: 3 },
        output_tokens: 5,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 12,
      },
      ...body,
    });
  });

  it.each([
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
  ])('cut short by %s', (finish_reason, reason) => {
    expect(answer(completionOf({ content: 'x' }, { finish_reason }))).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason },
    });
  });

  it('a refusal; free text for a custom tool; a tool of a namespace', () => {
    const tool_calls = [
      { id: 'a', function: { name: 'patch', arguments: '{"input":"*** Begin"}' } },
      { id: 'b', function: { name: 'ns__f', arguments: '{}' } },
    ];
    const tools = [patch, { type: 'namespace', name: 'ns', tools: [weather] }];
    const { output } = answer(completionOf({ content: null, refusal: 'No.', tool_calls }), { tools });
    expect(output).toMatchObject([
      { type: 'message', content: [{ type: 'refusal', refusal: 'No.' }] },
      { type: 'custom_tool_call', call_id: 'a', name: 'patch', input: '*** Begin' },
      { type: 'function_call', call_id: 'b', name: 'f', namespace: 'ns' },
    ]);
  });
});

describe('stream', () => {
  it('the whole life of an answer, every event numbered', () => {
    const events = stream([
      chunkOf({ role: 'assistant', content: '' }),
      chunkOf({ reasoning: 'Hm' }),
      chunkOf({ content: 'Yes' }),
      chunkOf(callPiece(0, { id: 'a', function: { name: 'f', arguments: '{"n"' } })),
      chunkOf(callPiece(0, { function: { arguments: ':1}' } })),
      finish('tool_calls'),
      usageChunk({ prompt_tokens: 7, completion_tokens: 5 }),
    ]);
    expect(events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.reasoning_text.delta',
      'response.reasoning_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.output_item.added',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, at) => at));
    const added = events.filter(({ type }) => type === 'response.output_item.added');
    expect(added.map(({ output_index }) => output_index)).toEqual([0, 1, 2]);
    const done = events.filter(({ type }) => type === 'response.output_item.done').map(({ item }) => item);
    expect(events.at(-1)).toMatchObject({
      response: { status: 'completed', output: done, usage: { total_tokens: 12 } },
    });
    const ids = added.map(({ item }) => (item as Fields).id);
    expect(
      events
        .filter(({ item_id }) => item_id)
        .every(({ item_id, output_index }) => item_id === ids[Number(output_index)]),
    ).toBe(true);
  });

  it('is what the whole answer would be', () => {
    const tool_calls = [{ id: 'a', type: 'function', function: { name: 'patch', arguments: '{"input":"x"}' } }];
    const said = { reasoning_content: 'Hm.', content: 'Yes.', tool_calls };
    const body = { tools: [patch], reasoning: { summary: 'auto' }, include: ['reasoning.encrypted_content'] };
    const whole = answer(completionOf(said, { finish_reason: 'tool_calls' }), body);
    const delta = { ...said, tool_calls: tool_calls.map((call, index) => ({ index, ...call })) };
    const events = stream(
      [chunkOf(delta), finish('tool_calls'), usageChunk({ prompt_tokens: 7, completion_tokens: 5 })],
      body,
    );
    expect(events.at(-1)?.response).toEqual(whole);
  });

  it('a summary where one was asked for', () => {
    const events = stream([chunkOf({ reasoning: 'Hm' })], { reasoning: { summary: 'auto' } });
    expect(events.map(({ type }) => type)).toEqual(
      expect.arrayContaining(['response.reasoning_summary_part.added', 'response.reasoning_summary_text.delta']),
    );
  });

  it('free text for a custom tool, once it is complete', () => {
    const events = stream(
      [
        chunkOf(callPiece(0, { id: 'a', function: { name: 'patch', arguments: '{"inp' } })),
        chunkOf(callPiece(0, { function: { arguments: 'ut":"x"}' } })),
      ],
      { tools: [patch] },
    );
    const delta = events.filter(({ type }) => type === 'response.custom_tool_call_input.delta');
    expect(delta).toMatchObject([{ delta: 'x' }]);
  });

  it('cut short', () => {
    expect(stream([chunkOf({ content: 'x' }), finish('length')]).at(-1)).toMatchObject({
      type: 'response.incomplete',
      response: { incomplete_details: { reason: 'max_output_tokens' } },
    });
  });

  it("the worker's own error: what there is, failed, then the error", () => {
    const broken = translation.stream?.(askedFor('responses', {}));
    broken?.event(chunkOf({ reasoning: 'Hm' }));
    broken?.event(chunkOf({ content: 'Ye' }));
    const [failed, error] = eventsIn(broken?.fail(500, 'CUDA') ?? '');
    expect(failed).toMatchObject({
      type: 'response.failed',
      response: {
        status: 'failed',
        error: { code: 'server_error', message: 'CUDA' },
        output: [{ type: 'reasoning' }, { type: 'message', status: 'incomplete', content: [{ text: 'Ye' }] }],
      },
    });
    expect(error).toMatchObject({ type: 'error', message: 'CUDA', error: { message: 'CUDA' } });
    expect(broken?.end(true)).toBe('');
  });
});
