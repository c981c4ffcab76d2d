import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { sectionsOf } from './page/snippets.ts';

/** docs/clients.md as `npm run clients` takes it apart: what it does not find, it would not run. */
test('every client of the page that is on npm is found, with its packages and something to run', () => {
  const page = readFileSync(new URL('../../docs/clients.md', import.meta.url), 'utf8');
  const sections = sectionsOf(page);
  expect(sections.map(({ title, packages }) => [title, ...packages])).toEqual([
    ['Claude Code', '@anthropic-ai/claude-code'],
    ['Codex', '@openai/codex'],
    ['opencode', 'opencode-ai'],
    ['Continue', '@continuedev/cli'],
    ['Vercel AI SDK', 'ai', '@ai-sdk/openai-compatible'],
    ['LangChain', '@langchain/openai', '@langchain/core'],
  ]);
  for (const { blocks } of sections) {
    const code = blocks.map((block) => block.code).join('\n');
    expect([code.includes('http://127.0.0.1:8080'), code.replaceAll(/^npm install .*$/gm, '').trim() !== '']).toEqual([
      true,
      true,
    ]);
  }
});
