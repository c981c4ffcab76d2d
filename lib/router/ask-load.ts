import type { Load, LoadSource } from '../engines/engine.ts';
import { loadSourcesOf } from '../engines/index.ts';
import { timeLimit } from '../time/time-limit.ts';
import { keyHeader, type Worker } from '../worker.ts';

/** GET. Resolves with any status; rejects when there is no answer, or once `signal` aborts. */
export type FetchText = (
  url: string,
  options: { signal: AbortSignal; headers: Record<string, string> },
) => Promise<{ status: number; body: string }>;

/** What one question to a worker brought. */
export interface LoadAnswer {
  readonly load: Load | undefined;
  /** Index of the source to ask next time; `undefined` while none has told for sure. */
  readonly source: number | undefined;
  /** The worker has answered that it has none of the sources, which will not change by itself. */
  readonly isAbsent: boolean;
}

interface Finding {
  readonly index: number;
  readonly load: Load | undefined;
  /** The worker has no such thing; unlike 503 (it starts) or 401 (an old key), which may pass. */
  readonly isAbsent: boolean;
}

const isZero = ({ running, waiting }: Load): boolean => running === 0 && waiting === 0;

/** Waits until `promise` settles, but not longer than `ms`. */
export const settledWithin = (promise: Promise<unknown>, ms: number): Promise<void> =>
  new Promise((resolve) => {
    const release = timeLimit(ms, resolve);
    const done = () => {
      release();
      resolve();
    };
    promise.then(done, done);
  });

/**
 * Asks a worker for its load: the source that told last time. Where there is none yet, or it tells no more, the sources
 * in turn: the next one when the one before has answered without a load, or keeps silent (behind a full HAProxy a path
 * that is not its own waits in the worker's queue). The first load counts; a zero that may mean "not counting" only if
 * no other source knows better.
 *
 * @param told index of the source that told last time
 * @param patienceMs how long one source may keep silent before the next is asked too
 * @throws what `fetchText` throws, when no source told the load
 */
export const askLoad = async (
  worker: Worker,
  told: number | undefined,
  { fetchText, patienceMs, signal }: { fetchText: FetchText; patienceMs: number; signal: AbortSignal },
): Promise<LoadAnswer> => {
  const sources = loadSourcesOf(worker);
  const headers = keyHeader(worker);
  const askSource = async ({ path, read }: LoadSource, index: number): Promise<Finding> => {
    const { status, body } = await fetchText(worker.url + path, { signal, headers });
    const load = status >= 200 && status < 300 ? read(body) : undefined;
    return { index, load, isAbsent: !load && (status < 300 || [404, 405, 501].includes(status)) };
  };

  const last = told === undefined ? undefined : sources[told];
  if (last && told !== undefined) {
    const { load } = await askSource(last, told);
    if (load) return { load, source: told, isAbsent: false };
  }

  const findings: Finding[] = [];
  const isDoubtful = ({ index, load }: Finding) => load && isZero(load) && sources[index]?.zeroIsDoubtful;
  const sure = () => findings.find((finding) => finding.load && !isDoubtful(finding));
  let conclude = () => {};
  const concluded = new Promise<void>((resolve) => {
    conclude = resolve;
  });
  const questions: Promise<void>[] = [];
  for (const [index, source] of sources.entries()) {
    const question = askSource(source, index).then((finding) => {
      findings.push(finding);
      if (sure()) conclude();
    });
    questions.push(question);
    await settledWithin(Promise.race([question, concluded]), patienceMs);
    if (sure()) break;
  }
  await Promise.race([concluded, Promise.all(questions)]);

  const found = sure();
  const doubtful = findings.find(isDoubtful);
  // Two zeros settle nothing; a load where the first source saw none shows that the first does not count.
  const isSettled = found?.load && !(doubtful && isZero(found.load));
  return {
    load: (found ?? doubtful)?.load,
    source: isSettled ? found.index : undefined,
    isAbsent: findings.every(({ isAbsent }) => isAbsent),
  };
};
