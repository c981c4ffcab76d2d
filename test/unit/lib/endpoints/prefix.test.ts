import { expect, test } from '@jest/globals';
import { anthropicPrefix } from '../../../../lib/endpoints/prefix.ts';

test("Claude Code's billing line, another one each time, is no part of what a conversation is known by", () => {
  const prefix = (line: string) =>
    anthropicPrefix({
      system: [
        { type: 'text', text: line },
        { type: 'text', text: 'You are a coding agent.' },
      ],
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi' }] }],
    });
  expect(prefix('x-anthropic-billing-header: cc_version=2.1.245.b31; cch=5f1a2;')).toEqual({
    system: 'You are a coding agent.',
    firstUser: 'Hi',
  });
  expect(prefix('You are somebody else. ').system).toContain('somebody else');
});
