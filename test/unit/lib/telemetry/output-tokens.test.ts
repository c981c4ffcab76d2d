import { describe, expect, test } from '@jest/globals';
import { createOutputTokens } from '../../../../lib/telemetry/output-tokens.ts';

const count = (text: string, size: number) => {
  const tokens = createOutputTokens();
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) tokens.push(bytes.subarray(at, at + size));
  return tokens.count();
};
const long = 'data: {"choices":[{"delta":{"content":"wörd"}}]}\n\n'.repeat(400);
const answers = {
  'a chat stream that was asked for its usage': [
    `${long}data: {"usage":{"prompt_tokens":9,"completion_tokens":321,"total_tokens":330}}\n\ndata: [DONE]\n\n`,
    321,
  ],
  'a buffered chat': ['{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens": 7}}', 7],
  'Anthropic, whose last count is the whole one': [
    'event: message_start\ndata: {"message":{"usage":{"input_tokens":5,"output_tokens":1}}}\n\n' +
      'event: message_delta\ndata: {"usage":{"output_tokens":15}}\n\nevent: message_stop\ndata: {}\n\n',
    15,
  ],
  Ollama: ['{"response":"a","done":false}\n{"done":true,"prompt_eval_count":4,"eval_count":88}\n', 88],
  'a stream that does not say': [long, undefined],
  nothing: ['', undefined],
} as const;

describe('output tokens', () => {
  test.each(Object.entries(answers))('%s', (_, [text, expected]) => {
    for (const size of [1, 7, 1000, 1 << 20]) expect(count(text, size)).toBe(expected);
  });

  test('text and bytes alike', () => {
    const tokens = createOutputTokens();
    tokens.push('{"usage":{"completion_tok');
    tokens.push(Buffer.from('ens":12}}'));
    expect(tokens.count()).toBe(12);
  });

  test('keeps the last bytes only', () => {
    const tokens = createOutputTokens();
    tokens.push('{"completion_tokens":5}');
    for (let n = 0; n < 20; n += 1) tokens.push(Buffer.alloc(1000, 'x'));
    expect(tokens.count()).toBeUndefined();
  });
});
