import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** What a worker's process tells once it serves. */
interface Serving {
  readonly url: string;
  readonly missing: readonly string[];
}

/** A running demo worker, in the form the gateway's `LOCALAI_WORKERS` takes. */
export interface DemoWorker {
  readonly id: string;
  readonly url: string;
  readonly engine: 'localai';
}

export interface DemoWorkers {
  readonly workers: DemoWorker[];
  /** Models that each explains where this machine lacks what they need. */
  readonly missing: readonly string[];
  /** Ends the processes; resolves when they are gone. */
  close(): Promise<void>;
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

/** Node keeps compiled and type-stripped code here: the second start takes half the time and a third less memory. */
const compileCache = fileURLToPath(new URL('../../../node_modules/.cache/node-compile-cache', import.meta.url));

const start = (id: string, host: string, port: number): ChildProcess => {
  const { NODE_OPTIONS: _, ...inherited } = process.env;
  const env = { NODE_COMPILE_CACHE: compileCache, ...inherited };
  return fork(fileURLToPath(new URL('./worker.ts', import.meta.url)), [id, host, String(port)], {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
};

const whenServing = async (child: ChildProcess): Promise<Serving> => {
  const [event] = await Promise.race([
    once(child, 'message') as Promise<[Serving]>,
    once(child, 'exit').then(([code, signal]) => {
      throw new Error(`A demo worker ended at its start (${signal ?? `code ${code}`}).`);
    }),
  ]);
  return event;
};

const stop = async (child: ChildProcess): Promise<void> => {
  if (hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
};

/**
 * Starts demo workers as child processes, `demo-1`, `demo-2`, ..., each on a free port, if no port is given. They stay in this process's
 * group and end with it, however it ends: they exit when the channel to it closes.
 * @throws {Error} when a worker ends before it serves; the others are then ended too
 */
export const startDemoWorkers = async ({ count = 2, host = '127.0.0.1', port = 0 } = {}): Promise<DemoWorkers> => {
  const ids = Array.from({ length: count }, (_, index) => `demo-${index + 1}`);
  const children = ids.map((id) => start(id, host, port));
  const close = async () => {
    await Promise.all(children.map(stop));
  };
  try {
    const serving = await Promise.all(children.map(whenServing));
    const [{ missing = [] } = {}] = serving;
    const workers = serving.map(({ url }, index) => ({ id: ids[index] as string, url, engine: 'localai' as const }));
    return { workers, missing, close };
  } catch (error) {
    await close();
    throw error;
  }
};
