import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from '../bench/statistics.ts';
import { startContainer } from '../support/container.ts';
import { settingOf } from '../support/gateway.ts';
import { fetchAll } from '../support/http.ts';
import { canMeasureMemory, forgetPeak, memoryOf } from '../support/memory.ts';
import { operation, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';

/** What a crowd of clients that misbehave came to. */
export interface Report {
  readonly title: string;
  readonly lines: readonly string[];
  /** What should not have been. */
  readonly problems: readonly string[];
}

/** The container door with one worker, and clients that behave. */
export interface House extends AsyncDisposable {
  readonly port: number;
  readonly origin: string;
  readonly worker: StandIn;
  /** Resident now, in MB; 0 where that cannot be told. */
  readonly residentMB: () => number;
  /** Keeps others busy with `crowd`. @returns what that came to, how requests fared meanwhile, and the peak of memory. */
  readonly beside: <T>(crowd: () => Promise<T>) => Promise<{ readonly came: T; readonly others: Others }>;
}

/** Clients that behave, meanwhile. */
export interface Others {
  readonly failed: readonly string[];
  /** How many, how long they took, and what the process needed, in words. */
  readonly line: string;
  readonly peakMB: number;
}

const model = 'test-model';
const chat = operation('chat');
/** So many at a time, each with a pause behind it. */
const LANES = 4;
const PAUSE_MS = 20;

/** @param env beside anonymous access. */
export const startHouse = async (env: Readonly<Record<string, string>> = {}): Promise<House> => {
  const worker = await startWorker({ name: 'alpha', models: [model] });
  const container = await startContainer({
    env: { GATEWAY_ALLOW_ANONYMOUS: 'true', LOCALAI_WORKERS: JSON.stringify([settingOf(worker)]), ...env },
  });
  const { origin } = container;
  const pid = container.child.pid ?? 0;
  const ask = () => fetchAll(origin + pathOf(chat, model), { body: chat.body(model) });
  for (let turn = 0; turn < 50; turn += 1) await ask();

  return {
    origin,
    port: Number(new URL(origin).port),
    worker,
    residentMB: () => (canMeasureMemory ? memoryOf(pid, 'VmRSS') : 0),
    async beside(crowd) {
      let isOver = false;
      const took: number[] = [];
      const failed: string[] = [];
      if (canMeasureMemory) forgetPeak(pid);
      const lanes = Array.from({ length: LANES }, async () => {
        while (!isOver) {
          const since = performance.now();
          const status = await ask().then(
            (received) => received.status,
            (error: Error) => error.message,
          );
          took.push(performance.now() - since);
          if (status !== 200) failed.push(String(status));
          await pause(PAUSE_MS);
        }
      });
      const came = await crowd();
      isOver = true;
      await Promise.all(lanes);
      const peakMB = canMeasureMemory ? memoryOf(pid, 'VmHWM') : 0;
      const [p50 = 0, p99 = 0] = [0.5, 0.99].map((share) => percentile(took, share));
      const line = `others: ${took.length} requests, ${failed.length} failed; p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, longest ${Math.max(...took).toFixed(0)} ms`;
      return { came, others: { failed, line, peakMB } };
    },
    async [Symbol.asyncDispose]() {
      await container.close();
      await worker.close();
    },
  };
};

/** The process's memory, before and at its peak, in words. */
export const resident = (beforeMB: number, { peakMB }: Others): string =>
  `resident: ${beforeMB.toFixed(0)} MB before, ${peakMB.toFixed(0)} MB at the peak`;

/** @returns what there is against how the others fared. */
export const unharmed = ({ failed }: Others): readonly string[] =>
  failed.length === 0 ? [] : [`${failed.length} requests of others failed: ${[...new Set(failed)].join(', ')}`];
