import { Worker } from 'node:worker_threads';
import { EngineInputError } from './engine.ts';
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

interface Inbox {
  put(message: FromThread | { readonly lost: Error }): void;
  take(): Promise<FromThread | { readonly lost: Error }>;
}

const createInbox = (): Inbox => {
  const messages: Array<FromThread | { lost: Error }> = [];
  let wake = () => {};
  return {
    put(message) {
      messages.push(message);
      wake();
    },
    async take() {
      while (messages.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return messages.shift() as FromThread;
    },
  };
};

const createSlots = (count: number) => {
  const queue: Array<() => void> = [];
  let running = 0;
  return {
    load: () => ({ running, waiting: queue.length }),
    async acquire(signal: AbortSignal): Promise<void> {
      signal.throwIfAborted();
      if (running < count) {
        running += 1;
        return;
      }
      await new Promise<void>((resolve, reject) => {
        const leave = () => {
          queue.splice(queue.indexOf(enter), 1);
          reject(signal.reason);
        };
        const enter = () => {
          signal.removeEventListener('abort', leave);
          resolve();
        };
        signal.addEventListener('abort', leave, { once: true });
        queue.push(enter);
      });
    },
    release(): void {
      const next = queue.shift();
      if (next) next();
      else running -= 1;
    },
  };
};

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
  const inboxes = new Map<number, Inbox>();
  let thread: { worker: Worker; loaded: Promise<void> } | undefined;
  let isLoaded = false;
  let lastId = 0;

  const startThread = () => {
    const worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: { file: file.href } });
    const loaded = new Promise<void>((resolve, reject) => {
      const lose = (error: Error) => {
        if (thread?.worker !== worker) return;
        thread = undefined;
        isLoaded = false;
        for (const inbox of inboxes.values()) inbox.put({ lost: error });
        reject(error);
      };
      worker.on('message', (message: FromThread) => {
        if ('loaded' in message) {
          isLoaded = true;
          resolve();
        } else inboxes.get(message.id)?.put(message);
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

  return {
    async warm() {
      await getThread().loaded;
    },
    isLoaded: () => isLoaded,
    load: slot.load,
    async *run(input, signal) {
      await slot.acquire(signal);
      const id = ++lastId;
      const inbox = createInbox();
      let worker: Worker | undefined;
      let finished = false;
      const leave = () => inbox.put({ lost: signal.reason });
      try {
        const { worker: own, loaded } = getThread();
        await loaded;
        signal.throwIfAborted();
        worker = own;
        inboxes.set(id, inbox);
        signal.addEventListener('abort', leave, { once: true });
        worker.postMessage({ id, input } satisfies ToThread);
        while (true) {
          const message = await inbox.take();
          if ('output' in message) {
            yield message.output as Output;
            continue;
          }
          finished = 'done' in message || 'error' in message;
          if ('lost' in message) throw message.lost;
          if ('error' in message)
            throw message.badInput ? new EngineInputError(message.error) : new Error(message.error);
          return;
        }
      } finally {
        signal.removeEventListener('abort', leave);
        inboxes.delete(id);
        if (!finished) worker?.postMessage({ id, cancel: true } satisfies ToThread);
        slot.release();
      }
    },
    async close() {
      await thread?.worker.terminate();
    },
  };
};
