import { parentPort, workerData } from 'node:worker_threads';
import { EngineInputError, type LoadEngine } from './engine.ts';

/** From the host: start a piece of work, or give it up; given up, it still says when it has ended. */
export type ToThread =
  | { readonly id: number; readonly input: unknown }
  | { readonly id: number; readonly cancel: true };

/** To the host: the engine is loaded; or one output, the end, or the failure of the work `id`. */
export type FromThread =
  | { readonly loaded: true }
  | { readonly id: number; readonly output: unknown }
  | { readonly id: number; readonly done: true }
  | { readonly id: number; readonly error: string; readonly badInput: boolean };

const port = parentPort;
if (!port) throw new Error('An engine runs in a worker thread.');
const post = (message: FromThread) => port.postMessage(message);

const { default: load } = (await import(workerData.file)) as { default: LoadEngine<unknown, unknown> };
const run = await load();
const running = new Map<number, AbortController>();

const start = async (id: number, input: unknown) => {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    for await (const output of run(input, controller.signal)) {
      if (controller.signal.aborted) break;
      post({ id, output });
    }
    post({ id, done: true });
  } catch (error) {
    post({
      id,
      error: error instanceof Error ? error.message : String(error),
      badInput: error instanceof EngineInputError,
    });
  } finally {
    running.delete(id);
  }
};

port.on('message', (message: ToThread) => {
  if ('cancel' in message) running.get(message.id)?.abort();
  else void start(message.id, message.input);
});
post({ loaded: true });
