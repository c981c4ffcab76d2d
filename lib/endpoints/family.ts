import { anthropic } from '../dialects/anthropic.ts';
import type { Dialect } from '../dialects/dialect.ts';
import { ollama } from '../dialects/ollama.ts';
import { openai } from '../dialects/openai.ts';

/** What is true of a function that serves endpoints. */
interface FamilyFacts {
  /** What most of its clients speak: the words for whatever no endpoint of its own answers. */
  readonly dialect: Dialect;
  /** Whether its endpoints reach workers. */
  readonly isInference: boolean;
}

/** Every family: one deployed function each, of the same name. Who needs a list of them takes it from here. */
export const families = {
  openai: { dialect: openai, isInference: true },
  anthropic: { dialect: anthropic, isInference: true },
  ollama: { dialect: ollama, isInference: true },
  audio: { dialect: openai, isInference: true },
  images: { dialect: openai, isInference: true },
  rerank: { dialect: openai, isInference: true },
  vad: { dialect: openai, isInference: true },
  nodes: { dialect: openai, isInference: false },
} as const satisfies Record<string, FamilyFacts>;

/** A deployed function that serves endpoints. */
export type Family = keyof typeof families;

export const EVERY = Object.keys(families) as readonly Family[];
/** The families that reach workers. */
export const INFERENCE: readonly Family[] = EVERY.filter((family) => families[family].isInference);
