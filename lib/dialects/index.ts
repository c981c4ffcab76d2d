import { anthropic } from './anthropic.ts';
import type { Dialect } from './dialect.ts';
import { ollama } from './ollama.ts';
import { openai } from './openai.ts';

/** The registry, in the order in which a request is shown to them. */
const dialects: readonly Dialect[] = [anthropic, ollama, openai];

/**
 * @param headers lower-case names.
 * @returns the dialect a client says it speaks, `undefined` where its headers tell nothing.
 */
export const dialectOfHeaders = (headers: Readonly<Record<string, string>>): Dialect | undefined =>
  dialects.find(({ header }) => header !== undefined && headers[header] !== undefined);

/** @returns the dialect a path looks like, `undefined` where it looks like any. */
export const dialectOfPath = (path: string): Dialect | undefined => dialects.find(({ paths }) => paths?.test(path));
