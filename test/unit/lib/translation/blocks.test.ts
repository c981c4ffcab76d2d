import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Block, createBlocks } from '../../../../lib/translation/blocks.ts';
import type { CallPiece, Said } from '../../../../lib/translation/chat.ts';

const nothing: Said = { reasoning: '', content: '', refusal: '', calls: [] };
const piece = (given: Partial<CallPiece>): Said => ({
  ...nothing,
  calls: [{ index: undefined, id: undefined, name: undefined, arguments: '', ...given }],
});

const run = (said: readonly Said[]) => {
  const told: string[] = [];
  const done: Block[] = [];
  const blocks = createBlocks(
    {
      start: ({ index, kind, id, name }) => void told.push(`start ${index} ${kind} ${id}${name && ` ${name}`}`.trim()),
      delta: ({ index }, text) => void told.push(`${index} ${text}`),
      stop: (block) => {
        told.push(`stop ${block.index}`);
        done.push({ ...block });
      },
    },
    'made_',
  );
  for (const one of said) blocks.push(one);
  blocks.close();
  return { told, done, blocks };
};

describe('blocks', () => {
  it('follow each other: thinking, text, calls', () => {
    const { told } = run([
      { ...nothing, reasoning: 'Hm' },
      { ...nothing, reasoning: '.', content: 'Well' },
      piece({ index: 0, id: 'a', name: 'f' }),
      piece({ index: 0, arguments: '{}' }),
      piece({ index: 1, id: 'b', name: 'g', arguments: '{"x":1}' }),
    ]);
    expect(told).toEqual([
      'start 0 reasoning',
      '0 Hm',
      '0 .',
      'stop 0',
      'start 1 text',
      '1 Well',
      'stop 1',
      'start 2 call a f',
      '2 {}',
      'stop 2',
      'start 3 call b g',
      '3 {"x":1}',
      'stop 3',
    ]);
  });

  it('pieces of two calls in turns are two calls, one after the other', () => {
    const { told } = run([
      piece({ index: 0, id: 'a', name: 'f', arguments: '{"x"' }),
      piece({ index: 1, id: 'b', name: 'g', arguments: '{"y"' }),
      piece({ index: 0, arguments: ':1}' }),
      piece({ index: 1, arguments: ':2}' }),
    ]);
    expect(told).toEqual([
      'start 0 call a f',
      '0 {"x"',
      '0 :1}',
      'stop 0',
      'start 1 call b g',
      '1 {"y"',
      '1 :2}',
      'stop 1',
    ]);
  });

  it.each([
    ['all numbered 0, told apart by id', 0, 0],
    ['without a number', undefined, undefined],
  ])('calls %s', (_, first, second) => {
    const { done } = run([
      piece({ index: first, id: 'a', name: 'f', arguments: '{' }),
      piece({ index: first, arguments: '}' }),
      piece({ index: second, id: 'b', name: 'g', arguments: '{' }),
      piece({ index: second, arguments: '}' }),
    ]);
    expect(done.map(({ id, name, text }) => [id, name, text])).toEqual([
      ['a', 'f', '{}'],
      ['b', 'g', '{}'],
    ]);
  });

  it('a call without an id gets one; a name that is repeated, or comes late, is one name', () => {
    const { done } = run([
      piece({ index: 0, arguments: '{' }),
      piece({ index: 0, name: 'f' }),
      piece({ index: 0, name: 'f', arguments: '}' }),
    ]);
    expect(done).toMatchObject([{ id: 'made_0', name: 'f', text: '{}' }]);
  });

  it('a call without arguments holds up the next until the end, and loses nothing', () => {
    const { done } = run([
      piece({ index: 0, id: 'a', name: 'f' }),
      piece({ index: 1, id: 'b', name: 'g', arguments: '{}' }),
    ]);
    expect(done.map(({ id, text }) => [id, text])).toEqual([
      ['a', ''],
      ['b', '{}'],
    ]);
  });

  it('whatever the order of pieces: every block starts once, stops once, none overlaps, and nothing is lost', () => {
    const call = fc.record({ key: fc.nat(3), cut: fc.nat(6) });
    const text = fc.record({
      kind: fc.constantFrom('reasoning', 'content', 'refusal'),
      text: fc.string({ maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(call, text), { maxLength: 40 }), (steps) => {
        const wanted = ['{"a":"}"}', '{}', '{"b":[1,{"c":"x"}]}', '{"d":""}'];
        const sent = ['', '', '', ''];
        const expected = { reasoning: '', content: '', refusal: '' };
        const said: Said[] = [];
        for (const step of steps) {
          if ('kind' in step) {
            const kind = step.kind as keyof typeof expected;
            expected[kind] += step.text;
            said.push({ ...nothing, [kind]: step.text });
            continue;
          }
          const so = sent[step.key] ?? '';
          const next = wanted[step.key]?.slice(so.length, so.length + step.cut) ?? '';
          const isFirst = !said.some(({ calls }) => calls[0]?.index === step.key);
          sent[step.key] = so + next;
          said.push(
            piece({ index: step.key, ...(isFirst && { id: `id${step.key}`, name: `n${step.key}` }), arguments: next }),
          );
        }
        const { told, done, blocks } = run(said);
        const frame = told
          .filter((one) => /^(?:start|stop) /.test(one))
          .map((one) => one.split(' ').slice(0, 2).join(' '));
        expect(frame).toEqual(done.flatMap(({ index }) => [`start ${index}`, `stop ${index}`]));
        expect(done.map(({ index }) => index)).toEqual(done.map((_, at) => at));
        expect(blocks.count).toBe(done.length);
        const all = (kind: Block['kind']) =>
          done
            .filter((block) => block.kind === kind)
            .map((block) => block.text)
            .join('');
        expect([all('reasoning'), all('text'), all('refusal')]).toEqual([
          expected.reasoning,
          expected.content,
          expected.refusal,
        ]);
        for (const { name, text } of done.filter(({ kind }) => kind === 'call'))
          expect(text).toBe(sent[Number(name.slice(1))]);
      }),
    );
  });
});
