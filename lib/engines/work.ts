import type { Worker } from '../worker.ts';
import type { WorkSource } from './engine.ts';
import { haproxyWorkSources } from './haproxy.ts';
import { llamacppWork } from './llamacpp.ts';
import { ollamaWork } from './ollama.ts';
import { vllmWork } from './vllm.ts';

/** Apart from the engines themselves: of all functions only the registrar asks, and the others are to stay small. */
const sources: ReadonlyMap<string, readonly WorkSource[]> = new Map([
  ['vllm', [vllmWork]],
  ['llamacpp', [llamacppWork]],
  ['ollama', [ollamaWork]],
]);

/**
 * @returns where the worker's work is read, the first that tells it: its sidecar, else its engine. Empty: nowhere, since
 *   LocalAI's `api_call` counts requests that have ended, but not those that run, and of others nobody knows.
 */
export const workSourcesOf = ({ engine, load }: Pick<Worker, 'engine' | 'load'>): readonly WorkSource[] =>
  load === 'haproxy' ? haproxyWorkSources : (sources.get(engine ?? '') ?? []);
