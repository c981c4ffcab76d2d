import { availableParallelism } from 'node:os';
import type { LoadEngine } from './engine.ts';
import type { TextInput, TextOutput } from './text-engine.ts';

/** A token id of the model's vocabulary. */
type Token = number;

type HistoryItem = { type: 'system' | 'user'; text: string } | { type: 'model'; response: string[] };

interface Sequence {
  evaluate(tokens: Token[], options: { temperature: number; seed?: number }): AsyncIterable<Token>;
  clearHistory(): Promise<void>;
}

interface Model {
  readonly tokenizer: unknown;
  readonly tokens: { readonly bos: Token | null; readonly shouldPrependBosToken: boolean };
  createContext(options: {
    threads: number;
    contextSize: { max: number };
    sequences: number;
  }): Promise<{ getSequence(): Sequence }>;
  tokenize(text: string): Token[];
  detokenize(tokens: readonly Token[], specialTokens: boolean, lastTokens: readonly Token[]): string;
  isEogToken(token: Token): boolean;
}

/** What is used of `node-llama-cpp` 3; the package is the user's to install, so its own types are not here. */
interface LlamaModule {
  getLlama(options: { gpu: false; build: 'never'; maxThreads: number }): Promise<{
    loadModel(options: { modelPath: string }): Promise<Model>;
  }>;
  resolveChatWrapper(model: Model): {
    generateContextState(options: { chatHistory: HistoryItem[] }): {
      readonly contextText: { tokenize(tokenizer: unknown): Token[] };
    };
  };
}

const MAX_CONTEXT = 4096;
/** Texts made at once. */
export const GGUF_SLOTS = 2;
/** What a byte sequence that is not yet a whole character decodes to. */
const BROKEN = '\ufffd';

const toHistory = ({ role, content }: NonNullable<TextInput['messages']>[number]): HistoryItem =>
  role === 'assistant' ? { type: 'model', response: [content] } : { type: role, text: content };

const importLlama = async (): Promise<LlamaModule> => {
  const name: string = 'node-llama-cpp';
  try {
    return await import(name);
  } catch (cause) {
    throw new Error('DEMO_GGUF needs llama.cpp: npm install --no-save node-llama-cpp', { cause });
  }
};

/** The user's own language model, from the GGUF file that `DEMO_GGUF` names, on llama.cpp. */
const load: LoadEngine<TextInput, TextOutput> = async () => {
  const { getLlama, resolveChatWrapper } = await importLlama();
  const threads = Math.max(1, Math.floor(availableParallelism() / 2));
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads });
  const model = await llama.loadModel({ modelPath: process.env.DEMO_GGUF ?? '' });
  const context = await model.createContext({ threads, contextSize: { max: MAX_CONTEXT }, sequences: GGUF_SLOTS });
  const free = Array.from({ length: GGUF_SLOTS }, () => context.getSequence());
  const chat = resolveChatWrapper(model);

  const tokenize = ({ messages, prompt = '' }: TextInput): Token[] => {
    const { bos, shouldPrependBosToken } = model.tokens;
    if (!messages) return [...(shouldPrependBosToken && bos !== null ? [bos] : []), ...model.tokenize(prompt)];
    const chatHistory: HistoryItem[] = [...messages.map(toHistory), { type: 'model', response: [] }];
    return chat.generateContextState({ chatHistory }).contextText.tokenize(model.tokenizer);
  };

  return async function* (input, signal) {
    const prompt = tokenize(input);
    yield { promptTokens: prompt.length };
    if (input.maxTokens === 0) return;
    const sequence = free.pop();
    if (!sequence) throw new Error('The host asked for more texts at once than the engine has room for.');
    try {
      const shown: Token[] = prompt.slice(-4);
      let pending: Token[] = [];
      let count = 0;
      for await (const token of sequence.evaluate(prompt, { temperature: input.temperature, seed: input.seed })) {
        signal.throwIfAborted();
        if (model.isEogToken(token) && !input.ignoreEnd) return;
        pending.push(token);
        count += 1;
        const text = model.detokenize(pending, false, shown.slice(-4));
        const isWhole = !text.endsWith(BROKEN) || pending.length > 3;
        yield { text: isWhole ? text : '' };
        if (isWhole) shown.push(...pending);
        if (isWhole) pending = [];
        if (count >= input.maxTokens) break;
      }
      yield { length: true };
    } finally {
      await sequence.clearHistory();
      free.push(sequence);
    }
  };
};

export default load;
