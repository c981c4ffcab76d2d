import type { Operation } from '../engines/engine.ts';
import type { Translation } from './translation.ts';

/** A pair of dialects: which of a client's operations are carried to which of a worker's. */
export interface Pair {
  /** What the access log says. */
  readonly name: string;
  /** The client's operations. */
  readonly from: readonly Operation[];
  /** The worker's. */
  readonly to: Operation;
  /** Its path on the worker. */
  readonly path: string;
  /** Left out: every engine that serves it, under this path and in this form. */
  readonly engines?: readonly string[];
  load(): Promise<{ readonly translation: Translation }>;
}

const CHAT = '/v1/chat/completions';

/**
 * The registry, by the function that needs it: a pair is one line here, and one file (docs/contract.md 13). Written out in
 * full, for bundles: what spreads another object stays in those of the other functions.
 */
export const openaiPairs: readonly Pair[] = [
  { name: 'responses-chat', from: ['responses'], to: 'chat', path: CHAT, load: () => import('./responses-chat.ts') },
];

export const anthropicPairs: readonly Pair[] = [
  { name: 'anthropic-chat', from: ['messages'], to: 'chat', path: CHAT, load: () => import('./anthropic-chat.ts') },
  {
    name: 'anthropic-tokenize',
    from: ['count_tokens'],
    to: 'tokenize',
    path: '/tokenize',
    // The others' takes text: it knows no chat template.
    engines: ['vllm'],
    load: () => import('./anthropic-tokenize.ts'),
  },
];

export const ollamaPairs: readonly Pair[] = [
  {
    name: 'ollama-chat',
    from: ['ollama_chat', 'ollama_generate'],
    to: 'chat',
    path: CHAT,
    load: () => import('./ollama-chat.ts'),
  },
  {
    name: 'ollama-embeddings',
    from: ['ollama_embed', 'ollama_embeddings'],
    to: 'embeddings',
    path: '/v1/embeddings',
    load: () => import('./ollama-embeddings.ts'),
  },
];
