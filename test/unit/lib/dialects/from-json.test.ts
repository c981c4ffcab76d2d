import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import { completionStream } from '../../../../lib/dialects/completion-stream.ts';
import type { StreamFormat } from '../../../../lib/dialects/dialect.ts';
import { messageStream } from '../../../../lib/dialects/message-stream.ts';
import { responseStream } from '../../../../lib/dialects/response-stream.ts';
import { transcriptStream } from '../../../../lib/dialects/transcript-stream.ts';

/** docs/contract.md 6: a JSON answer to a stream whose head is out becomes that dialect's events and terminal marker. */
const streamed = async ({ fromJson }: StreamFormat, answer: object) =>
  (await fromJson?.(answer as Record<string, unknown>)) ?? '';

/** An SDK's own transport, which finds these events. */
const finding = (events: string) => ({
  apiKey: 'x',
  maxRetries: 0,
  fetch: async () => new Response(events, { headers: { 'content-type': 'text/event-stream' } }),
});

const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":"Köln"}' } };
const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12 };

describe("as the SDKs' own readers put it together again", () => {
  test('chat, with tools, choices and usage', async () => {
    const answer = {
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'Grüß Gott' }, finish_reason: 'stop', logprobs: null },
        {
          index: 1,
          message: { role: 'assistant', content: null, tool_calls: [call] },
          finish_reason: 'tool_calls',
          logprobs: null,
        },
      ],
      usage,
    };
    const client = new OpenAI(finding(await streamed(completionStream, answer)));
    const stream = client.chat.completions.stream({ model: 'm', messages: [], n: 2 });
    expect(await stream.finalChatCompletion()).toMatchObject({
      id: 'c',
      choices: [
        { message: { content: 'Grüß Gott' }, finish_reason: 'stop' },
        { message: { tool_calls: [{ id: 'call_1', function: call.function }] }, finish_reason: 'tool_calls' },
      ],
      usage,
    });
  });

  test('text completions', async () => {
    const choice = { index: 0, text: 'Grüß Gott', finish_reason: 'length', logprobs: null };
    const base = { id: 'c', object: 'text_completion', created: 1, model: 'm' };
    const events = await streamed(completionStream, { ...base, choices: [choice], usage });
    const [first, second, ...rest] = events.split('\n\n');
    expect([first, second].map((event) => JSON.parse(event?.slice(6) ?? ''))).toEqual([
      { ...base, choices: [choice] },
      { ...base, choices: [], usage },
    ]);
    expect(rest).toEqual(['data: [DONE]', '']);
  });

  test('a response, with reasoning, a message and a call', async () => {
    const output = [
      { type: 'reasoning', id: 'rs', summary: [{ type: 'summary_text', text: 'Hm.' }] },
      {
        type: 'message',
        id: 'msg',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'Grüß Gott', annotations: [] }],
      },
      { type: 'function_call', id: 'fc', call_id: 'c1', name: 'look', arguments: '{"at":1}', status: 'completed' },
    ];
    const answer = { id: 'r', object: 'response', created_at: 1, model: 'm', status: 'completed', output, tools: [] };
    const events = await streamed(responseStream, answer);
    const numbers = [...events.matchAll(/"sequence_number":(\d+)/g)].map(([, number]) => Number(number));
    expect(numbers).toEqual(numbers.map((_, at) => at));
    const stream = new OpenAI(finding(events)).responses.stream({ model: 'm', input: '' });
    let said = '';
    stream.on('response.output_text.delta', ({ delta }) => {
      said += delta;
    });
    expect(await stream.finalResponse()).toMatchObject({ id: 'r', status: 'completed', output });
    expect(said).toBe('Grüß Gott');
  });

  test.each(['incomplete', 'failed'])('a response that is %s ends so', async (status) => {
    expect(await streamed(responseStream, { id: 'r', status, output: [] })).toMatch(
      new RegExp(`event: response\\.${status}\\n.*\\n\\n$`),
    );
  });

  test('a message, with thinking, text and a tool', async () => {
    const content = [
      { type: 'thinking', thinking: 'Hm.', signature: 's' },
      { type: 'text', text: 'Grüß Gott' },
      { type: 'tool_use', id: 't', name: 'look', input: { at: 'Köln' } },
    ];
    const answer = {
      id: 'msg',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content,
      stop_reason: 'tool_use',
      stop_sequence: null,
      usage: { input_tokens: 7, output_tokens: 5 },
    };
    const client = new Anthropic(finding(await streamed(messageStream, answer)));
    const stream = client.messages.stream({ model: 'm', max_tokens: 1, messages: [] });
    expect(await stream.finalMessage()).toMatchObject(answer);
  });

  test('a transcript', async () => {
    expect(await streamed(transcriptStream, { text: 'hello' })).toBe(
      'data: {"text":"hello","type":"transcript.text.done"}\n\n',
    );
  });
});

test.each([
  ['chat', completionStream],
  ['responses', responseStream],
  ['messages', messageStream],
  ['transcripts', transcriptStream],
])('what is no answer of %s becomes nothing', async (_, format) => {
  for (const value of [{}, { choices: [] }, { output: 'x' }, { content: 'x' }, { text: 1 }]) {
    expect(await format.fromJson?.(value)).toBeUndefined();
  }
});
