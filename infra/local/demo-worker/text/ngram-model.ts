import type { Random } from '../random.ts';
import { PARAGRAPH, tokenize } from './tokenizer.ts';

const ORDER = 4;
const MAX_VOCABULARY = 0x10000;
/** How much likelier a word becomes when the prompt has it. */
const TOPIC_WEIGHT = 6;

/** Token ids, most recent last. */
type Context = readonly number[];

export interface NgramModel {
  readonly vocabularySize: number;
  encode(text: string): number[];
  decode(id: number): string;
  /** Draws the token that follows. A temperature of 0 takes the likeliest. */
  next(context: Context, random: Random, temperature: number, topic: ReadonlySet<number>): number;
  /** The ids of the prompt's rarer words that the model knows. */
  topicOf(text: string): Set<number>;
  /** A context to begin a reply with: as the text begins a sentence that has a word of the topic, else a paragraph. */
  opening(random: Random, topic: ReadonlySet<number>): number[];
}

/** An element of which the algorithm knows that it is there. */
const at = (array: ArrayLike<number>, index: number) => array[index] as number;

/** Positions of the corpus sorted by the tokens before them, the nearest first: equal contexts lie side by side. */
const sortByContext = (corpus: Uint16Array): Uint32Array => {
  let order = Uint32Array.from({ length: corpus.length - ORDER }, (_, i) => i + ORDER);
  for (let back = ORDER - 1; back >= 1; back--) {
    const starts = new Uint32Array(MAX_VOCABULARY + 1);
    for (const position of order)
      starts[at(corpus, position - back) + 1] = at(starts, at(corpus, position - back) + 1) + 1;
    for (let i = 1; i <= MAX_VOCABULARY; i++) starts[i] = at(starts, i) + at(starts, i - 1);
    const sorted = new Uint32Array(order.length);
    for (const position of order) {
      const token = at(corpus, position - back);
      const place = at(starts, token);
      sorted[place] = position;
      starts[token] = place + 1;
    }
    order = sorted;
  }
  return order;
};

/**
 * Trains a word 4-gram language model, interpolated by Witten-Bell (1991). Instead of a table of n-grams it keeps
 * the text as 2 bytes a token and one sorted index of 4 bytes a token: the counts of a context are a range of it.
 */
export const trainNgramModel = (text: string): NgramModel => {
  const ids = new Map<string, number>();
  const words: string[] = [];
  const tokens = tokenize(text);
  const corpus = new Uint16Array(tokens.length);
  for (const [i, token] of tokens.entries()) {
    let id = ids.get(token);
    if (id === undefined) {
      id = words.push(token) - 1;
      if (id >= MAX_VOCABULARY) throw new RangeError('The text has more different words than two bytes can number.');
      ids.set(token, id);
    }
    corpus[i] = id;
  }
  const order = sortByContext(corpus);
  const paragraph = ids.get(PARAGRAPH) ?? 0;

  const compare = (position: number, context: Context, length: number) => {
    for (let back = 1; back <= length; back++) {
      const difference = at(corpus, position - back) - at(context, context.length - back);
      if (difference !== 0) return difference;
    }
    return 0;
  };
  const bound = (context: Context, length: number, after: boolean) => {
    let low = 0;
    let high = order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const difference = compare(at(order, middle), context, length);
      if (difference < 0 || (after && difference === 0)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const range = (context: Context, length: number) => ({
    from: bound(context, length, false),
    to: bound(context, length, true),
  });
  const countFollowers = ({ from, to }: { from: number; to: number }) => {
    const counts = new Map<number, number>();
    for (let i = from; i < to; i++) {
      const token = at(corpus, at(order, i));
      counts.set(token, (counts.get(token) ?? 0) + 1);
    }
    return counts;
  };
  const draw = (counts: Map<number, number>, random: Random, temperature: number, topic: ReadonlySet<number>) => {
    const weights = [...counts].map(([token, count]): [number, number] => [
      token,
      count * (topic.has(token) ? TOPIC_WEIGHT : 1),
    ]);
    if (temperature === 0) return weights.reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
    const scaled = weights.map(([token, weight]): [number, number] => [token, weight ** (1 / temperature)]);
    let left = random() * scaled.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [token, weight] of scaled) {
      left -= weight;
      if (left < 0) return token;
    }
    return scaled.at(-1)?.[0] ?? paragraph;
  };
  const idOf = (word: string) =>
    ids.get(word) ?? ids.get(` ${word.trim()}`) ?? ids.get(` ${word.trim().toLowerCase()}`);

  return {
    vocabularySize: words.length,
    encode: (text) => tokenize(text).flatMap((token) => idOf(token) ?? []),
    decode: (id) => words[id] ?? '',
    next(context, random, temperature, topic) {
      for (let length = Math.min(ORDER - 1, context.length); length > 0; length--) {
        const followers = range(context, length);
        const count = followers.to - followers.from;
        if (count === 0) continue;
        const counts = countFollowers(followers);
        const trust = count / (count + counts.size);
        if (length === 1 || temperature === 0 || random() < trust) return draw(counts, random, temperature, topic);
      }
      return at(corpus, Math.floor(random() * corpus.length));
    },
    topicOf(text) {
      const known = tokenize(text).flatMap((token) => (token.trim().length > 3 ? (idOf(token) ?? []) : []));
      return new Set(
        known.filter((id) => {
          const { from, to } = range([id], 1);
          return to > from && to - from < corpus.length / 2000;
        }),
      );
    },
    opening(random, topic) {
      const word = [...topic][Math.floor(random() * topic.size)];
      if (word === undefined) return [paragraph];
      const { from, to } = range([word], 1);
      let position = at(order, from + Math.floor(random() * (to - from))) - 1;
      const start = position;
      const endsBefore = () => /^[.!?]$|^\n/.test(words[at(corpus, position - 1)] ?? '');
      while (position > 0 && start - position < 60 && !endsBefore()) position -= 1;
      return [...corpus.subarray(Math.max(0, position - 1), position + 3)];
    },
  };
};
