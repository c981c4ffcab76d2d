import type { Worker } from '../worker.ts';
import type { Answer, Engine, LoadSource } from './engine.ts';
import { haproxyLoadSources } from './haproxy.ts';
import { llamacpp } from './llamacpp.ts';
import { localai } from './localai.ts';
import { ollama } from './ollama.ts';
import { openai } from './openai.ts';
import { vllm } from './vllm.ts';

/** In the order in which a worker is asked: LocalAI also answers in Ollama's words, so it comes first. */
const engines: readonly Engine[] = [localai, vllm, llamacpp, ollama, openai];

const byName: ReadonlyMap<string, Engine> = new Map(engines.map((engine) => [engine.name, engine]));

/** What `engine` may say in a setting or a parameter. */
export const engineNames: readonly string[] = engines.map(({ name }) => name);

/** @returns the engine of that name; no name, or one that is not known, counts as LocalAI. */
export const engineOf = (name: string | undefined): Engine => byName.get(name ?? localai.name) ?? localai;

/** @returns where the worker's load is read, the cheapest first: its sidecar, else its engine. Empty: nowhere. */
export const loadSourcesOf = (worker: Pick<Worker, 'engine' | 'load'>): readonly LoadSource[] =>
  worker.load === 'haproxy' ? haproxyLoadSources : engineOf(worker.engine).loadSources;

/**
 * Finds out which engine a worker runs. No path is asked twice.
 *
 * @param ask GET on the worker's origin; `undefined` when there is no answer. Must not throw.
 * @returns a key of this registry, `undefined` when the worker is none of them
 */
export const recognise = async (ask: (path: string) => Promise<Answer | undefined>): Promise<string | undefined> => {
  const answers = new Map<string, Answer | undefined>();
  for (const { name, signs } of engines) {
    for (const { path, matches } of signs) {
      if (!answers.has(path)) answers.set(path, await ask(path));
      const answer = answers.get(path);
      if (answer && answer.status >= 200 && answer.status < 300 && matches(answer)) return name;
    }
  }
  return undefined;
};
