import { describe, expect, test } from '@jest/globals';
import { createRandom } from '../../../../infra/local/demo-worker/random.ts';
import { trainNgramModel } from '../../../../infra/local/demo-worker/text/ngram-model.ts';
import { tokenize } from '../../../../infra/local/demo-worker/text/tokenizer.ts';

const text =
  `The cat sat on the mat. The cat sat on the hat. The dog ran to the cat.\n\nThe dog sat on the cat. `.repeat(3);

describe('the n-gram model', () => {
  test('cuts text into tokens that join to the same text', () => {
    const sample = "“Call me Ishmael,” he said—don't!\n\nSome years-ago 42.";
    expect(tokenize(sample).join('')).toBe(sample);
  });

  test('only ever continues a known context with what followed it in the text', () => {
    const model = trainNgramModel(text);
    const followers = new Set(['at', ' mat', ' hat', ' cat']);
    const context = model.encode(' on the');
    const random = createRandom(1);
    for (let i = 0; i < 200; i++) {
      const word = model.decode(model.next(context, random, 1, new Set()));
      expect(followers.has(word) || word === ' dog').toBe(true);
    }
  });

  test('draws as often as the text does', () => {
    const model = trainNgramModel(text);
    const random = createRandom(7);
    const context = model.encode('. The');
    const draws = Array.from({ length: 2000 }, () => model.decode(model.next(context, random, 1, new Set())));
    const cats = draws.filter((word) => word === ' cat').length;
    expect(new Set(draws)).toEqual(new Set([' cat', ' dog']));
    expect(cats / draws.length).toBeGreaterThan(0.45);
    expect(cats / draws.length).toBeLessThan(0.75);
  });

  test('takes the likeliest at temperature 0', () => {
    const model = trainNgramModel(text);
    const context = model.encode(' sat on');
    expect(model.decode(model.next(context, createRandom(5), 0, new Set()))).toBe(' the');
  });

  test('falls back to any word after one it never saw followed', () => {
    const model = trainNgramModel(text);
    expect(model.decode(model.next([], createRandom(5), 1, new Set()))).not.toBe('');
  });

  test('gives the same text for the same seed, another for another', () => {
    const model = trainNgramModel(text);
    const write = (seed: number) => {
      const random = createRandom(seed);
      const context = model.encode('The');
      for (let i = 0; i < 40; i++) context.push(model.next(context, random, 1, new Set()));
      return context.map(model.decode).join('');
    };
    expect(write(3)).toBe(write(3));
    expect(write(3)).not.toBe(write(4));
  });
});
