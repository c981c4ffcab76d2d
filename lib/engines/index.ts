import type { Worker } from '../worker.ts';
import { type Answer, bodyOf, type Engine, type LoadSource, type Operation } from './engine.ts';
import { haproxyLoadSources } from './haproxy.ts';
import { llamacpp } from './llamacpp.ts';
import { localai } from './localai.ts';
import { ollama } from './ollama.ts';
import { openai } from './openai.ts';
import { vllm } from './vllm.ts';

/** In the order in which signs count: LocalAI also answers in Ollama's words, so it comes first. */
const engines: readonly Engine[] = [localai, vllm, llamacpp, ollama, openai];

const byName: ReadonlyMap<string, Engine> = new Map(engines.map((engine) => [engine.name, engine]));

/** What `engine` may say in a setting or a parameter. */
export const engineNames: readonly string[] = engines.map(({ name }) => name);

/** @returns the engine of that name; no name, or one that is not known, counts as LocalAI. */
export const engineOf = (name: string | undefined): Engine => byName.get(name ?? localai.name) ?? localai;

/** @returns whether the worker serves the operation: its engine does, or its record says so. */
export const servesOperation = ({ engine, serves }: Pick<Worker, 'engine' | 'serves'>, operation: Operation): boolean =>
  engineOf(engine).serves(operation) || (serves?.includes(operation) ?? false);

/**
 * @param path the gateway's canonical path, with the query.
 * @returns the path the operation has on the worker.
 */
export const pathOn = ({ engine }: Pick<Worker, 'engine'>, operation: Operation, path: string): string => {
  const own = engineOf(engine).paths?.[operation];
  return own === undefined ? path : own + path.slice(path.split('?', 1)[0]?.length);
};

/** @returns where the worker's load is read, the cheapest first: its sidecar, else its engine. Empty: nowhere. */
export const loadSourcesOf = (worker: Pick<Worker, 'engine' | 'load'>): readonly LoadSource[] =>
  worker.load === 'haproxy' ? haproxyLoadSources : engineOf(worker.engine).loadSources;

/** GET on a worker; `undefined` when there is no answer in time. Must not throw. */
export type AskPath = (path: string) => Promise<Answer | undefined>;

/** The one path that all engines have. A list with an owner often says enough. */
export const LIST_PATH = '/v1/models';

const signPaths: readonly string[] = [
  ...new Set([...engines.flatMap(({ signs }) => signs.flatMap(({ paths }) => paths)), LIST_PATH]),
];

/**
 * Finds out which engine a worker runs: all questions at once, no path twice.
 * @param list what it answered at `LIST_PATH`, where that was asked before: it may make the other questions needless.
 * @returns a name of this registry: whose sign it shows, else `openai` for what lists models as OpenAI does; `undefined`
 *   when it did not say enough.
 */
export const recognise = async (ask: AskPath, list?: Answer): Promise<string | undefined> => {
  const answers = new Map<string, Answer>(list && [[LIST_PATH, list]]);
  const shown = () => engines.find(({ signs }) => signs.some((sign) => sign.matches(answers)))?.name;
  const early = list && shown();
  if (early !== undefined) return early;
  await Promise.all(
    signPaths.map(async (path) => {
      const answer = answers.get(path) ?? (await ask(path));
      if (answer) answers.set(path, answer);
    }),
  );
  const name = shown();
  if (name !== undefined) return name;
  const body = bodyOf(answers, LIST_PATH);
  return body !== undefined && openai.readModels(body) ? openai.name : undefined;
};
