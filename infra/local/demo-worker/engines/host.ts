import { Worker } from 'node:worker_threads';
import { EngineInputError } from './engine.ts';
import { createInbox } from './inbox.ts';
import { createSlots } from './slots.ts';
import type { FromThread, ToThread } from './thread.ts';

/** An engine as the server sees it: in a thread of its own, loaded at its first use, a few pieces of work at a time. */
export interface EngineHost<Input, Output> {
  /**
   * Does one piece of work, after those that came before it. Leaving the loop or aborting the signal gives it up.
   * @throws {EngineInputError} for input the engine refuses
   */
  run(input: Input, signal: AbortSignal): AsyncGenerator<Output, void, void>;
  /** Loads the engine now rather than at its first use. */
  warm(): Promise<void>;
  isLoaded(): boolean;
  /** Pieces of work in the engine, and those that wait for a slot. */
  load(): { readonly running: number; readonly waiting: number };
  close(): Promise<void>;
}

/** What befalls a piece of work: what the thread says of it, or that the thread or the client is gone. */
type Event = Exclude<FromThread, { loaded: true }> | { readonly lost: Error };

/**
 * @param file the engine's module, whose default export is a `LoadEngine`
 * @param slots how many pieces of work the engine takes at once
 */
export const createEngineHost = <Input, Output>({
  file,
  slots,
}: {
  file: URL;
  slots: number;
}): EngineHost<Input, Output> => {
  const slot = createSlots(slots);
  const works = new Map<number, (event: Event) => void>();
  let thread: { worker: Worker; loaded: Promise<void> } | undefined;
  let isLoaded = false;
  let lastId = 0;

  const startThread = () => {
    const worker = new Worker(new URL('./thread.ts', import.meta.url), {
      workerData: { file: file.href },
      env: { ...process.env },
      resourceLimits: { maxYoungGenerationSizeMb: 16 },
    });
    const loaded = new Promise<void>((resolve, reject) => {
      const lose = (error: Error) => {
        if (thread?.worker !== worker) return;
        thread = undefined;
        isLoaded = false;
        for (const tell of works.values()) tell({ lost: error });
        reject(error);
      };
      worker.on('message', (message: FromThread) => {
        if ('loaded' in message) {
          isLoaded = true;
          resolve();
        } else works.get(message.id)?.(message);
      });
      worker.once('error', lose);
      worker.once('exit', (code) => lose(new Error(`The engine ended with code ${code}.`)));
    });
    loaded.catch(() => {});
    return { worker, loaded };
  };

  const getThread = () => {
    thread ??= startThread();
    return thread;
  };

  /** Hands work to the thread. Its slot is free again when the thread has ended it, even if nobody listens any more. */
  const begin = async (id: number, input: Input, signal: AbortSignal) => {
    const inbox = createInbox<Event>();
    await slot.acquire(signal);
    try {
      const { worker, loaded } = getThread();
      await loaded;
      signal.throwIfAborted();
      const cancel = () => worker.postMessage({ id, cancel: true } satisfies ToThread);
      const leave = () => {
        inbox.put({ lost: signal.reason });
        cancel();
      };
      works.set(id, (event) => {
        inbox.put(event);
        if ('output' in event) return;
        works.delete(id);
        signal.removeEventListener('abort', leave);
        slot.release();
      });
      signal.addEventListener('abort', leave, { once: true });
      worker.postMessage({ id, input } satisfies ToThread);
      return { inbox, cancel };
    } catch (error) {
      slot.release();
      throw error;
    }
  };

  return {
    async warm() {
      await getThread().loaded;
    },
    isLoaded: () => isLoaded,
    load: slot.load,
    async *run(input, signal) {
      const id = ++lastId;
      const { inbox, cancel } = await begin(id, input, signal);
      try {
        while (true) {
          const event = await inbox.take();
          if ('output' in event) yield event.output as Output;
          else if ('lost' in event) throw event.lost;
          else if ('error' in event) throw event.badInput ? new EngineInputError(event.error) : new Error(event.error);
          else return;
        }
      } finally {
        if (works.has(id)) cancel();
      }
    },
    async close() {
      await thread?.worker.terminate();
    },
  };
};
