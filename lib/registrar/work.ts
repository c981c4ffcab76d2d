import { type Answer, isOk, type Work } from '../engines/engine.ts';
import { engineOf } from '../engines/index.ts';
import { workSourcesOf } from '../engines/work.ts';
import type { Ask } from '../upstream/ask.ts';
import type { Worker } from '../worker.ts';

/** A worker in the middle of a long step answers late. */
const TIMEOUT_MS = 2_000;
/** vLLM answers once its weights are back on the GPU: seconds. */
const WAKE_MS = 60_000;

/** What a worker said of its work. */
export interface SeenWork extends Work {
  /** How much of `served` since the last look may be what the registrar itself asked of the worker. */
  readonly own: number;
}

type Asked = Pick<Worker, 'url' | 'apiKey' | 'engine' | 'load' | 'sleepsByItself'>;

export interface WorkReader {
  /** For every other question to workers: counted, since a proxy in front of a worker counts them too. */
  readonly ask: Ask;
  /**
   * Asks a worker what it does and has done. One that says it is asleep does nothing, and is asked no more.
   *
   * @param worker one that sleeps by itself and is awake is asked no more either, or it never would sleep: it counts as
   *   busy until it does.
   * @param options.lately what it said last, if that may do: an engine that may sleep by itself is then not asked again,
   *   which would keep it awake.
   * @returns `none`: its engine counts nothing, so nobody can tell when it is idle. `undefined`: it did not answer.
   */
  read(
    worker: Asked,
    options: { readonly signal: AbortSignal; readonly lately?: Work | undefined },
  ): Promise<SeenWork | 'none' | undefined>;
  /** Wakes an engine that sleeps and that a request would not wake. @returns whether it says that it is awake. */
  wake(worker: Asked, signal: AbortSignal): Promise<boolean>;
}

const idle: SeenWork = { running: 0, waiting: 0, served: 0, own: 0 };
const awake: SeenWork = { ...idle, running: 1 };

/** Whether it has answered that it has no such thing, which will not change by itself. */
const isAbsent = (answer: Answer | undefined) =>
  answer !== undefined && ([404, 405, 501].includes(answer.status) || isOk(answer));

/** What failed may not have reached the engine behind a proxy: better to take a question of ours for work than work for one. */
const isCounted = (answer: Answer | undefined) => answer !== undefined && answer.status < 500;

/** Asks workers about their work: what their engines count, or a proxy in front of them. */
export const createWorkReader = (ask: Ask): WorkReader => {
  /** Questions that each worker has answered since its work was read last. */
  const answered = new Map<string, number>();
  const counted: Ask = async (worker, path, options) => {
    const answer = await ask(worker, path, options);
    if (isCounted(answer)) answered.set(worker.url, (answered.get(worker.url) ?? 0) + 1);
    return answer;
  };

  return {
    ask: counted,

    async read(worker, { signal, lately }) {
      const question = (path: string) => counted(worker, path, { timeoutMs: TIMEOUT_MS, signal });
      const { sleep } = engineOf(worker.engine);
      if (sleep) {
        const answer = await question(sleep.path);
        const sleeps = isOk(answer) ? sleep.read(answer.body) : undefined;
        if (sleeps) return idle;
        if (sleep.wakesItself && worker.load !== 'haproxy') {
          if (worker.sleepsByItself) return answer && awake;
          if (lately && sleeps === false) return { ...lately, own: 0 };
        }
      }
      let isNone = true;
      for (const source of workSourcesOf(worker)) {
        const own = answered.get(worker.url) ?? 0;
        const answers = new Map<string, Answer>();
        for (const path of source.paths) {
          const answer = await question(path);
          if (answer) answers.set(path, answer);
        }
        const work = source.read(answers);
        if (work) {
          answered.delete(worker.url);
          return { ...work, own: source.countsQuestions?.(answers) ? own : 0 };
        }
        isNone &&= source.paths.every((path) => isAbsent(answers.get(path)));
      }
      return isNone ? 'none' : undefined;
    },

    async wake(worker, signal) {
      const path = engineOf(worker.engine).sleep?.wakePath;
      if (path === undefined) return false;
      return isOk(await counted(worker, path, { method: 'POST', timeoutMs: WAKE_MS, signal }));
    },
  };
};
