import { engineOf } from '../engines/index.ts';
import { keyHeader, type Worker } from '../worker.ts';
import type { FetchText } from './ask-load.ts';

/** Whether a worker sleeps; `never`: it has answered that it has no such thing, which will not change by itself. */
export type Sleep = 'asleep' | 'awake' | 'never' | 'unknown';

/**
 * Asks a worker whether its engine sleeps, where the engine can. The question neither wakes it nor keeps it awake.
 * Never rejects.
 */
export const askSleep = async (
  worker: Worker,
  { fetchText, signal }: { fetchText: FetchText; signal: AbortSignal },
): Promise<Sleep> => {
  const { sleep } = engineOf(worker.engine);
  if (!sleep) return 'never';
  try {
    const { status, body } = await fetchText(worker.url + sleep.path, { signal, headers: keyHeader(worker) });
    if (status < 200 || status >= 300) return [404, 405, 501].includes(status) ? 'never' : 'unknown';
    const sleeps = sleep.read(body);
    if (sleeps === undefined) return 'never';
    return sleeps ? 'asleep' : 'awake';
  } catch {
    return 'unknown';
  }
};
