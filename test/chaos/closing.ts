import { startGateway } from '../support/gateway.ts';
import { type Operation, operation, pathOf } from '../support/operations.ts';
import { startWorker } from '../support/stand-in-worker.ts';
import { stallAfter } from '../support/worker/behaviours.ts';

/** How long a worker's connection lives on after nobody wants its answer any more, in milliseconds. */
export interface Closing {
  readonly family: Operation['family'];
  /** From the client's leaving. */
  readonly clientMs: number;
  /** From the moment `GATEWAY_DEADLINE_MARGIN_MS` before Lambda's deadline. */
  readonly deadlineMs: number;
}

const model = 'closing';
const timeoutSeconds = 3;
const marginMs = 2500;
const one = (family: Operation['family'], name: string) => ({ family, asked: operation(name) });
const asked = [
  one('openai', 'chat'),
  one('anthropic', 'messages'),
  one('ollama', 'ollama chat'),
  one('audio', 'speech'),
  one('images', 'image generation'),
  one('rerank', 'rerank'),
  one('vad', 'vad'),
];

/** One request a family to a worker that does not answer, given up in both ways; environments are warm. */
export const measureClosing = async (): Promise<readonly Closing[]> => {
  const worker = await startWorker({ name: 'alpha', models: [model] });
  const env = { GATEWAY_DEADLINE_MARGIN_MS: String(marginMs) };
  const gateway = await startGateway({ workers: [worker], env, timeoutSeconds });
  const send = (op: Operation, signal?: AbortSignal) =>
    gateway.fetch(pathOf(op, model), { body: op.body(model, true), ...(signal && { signal }) }).catch(() => undefined);
  const closings: Closing[] = [];
  try {
    for (const { family, asked: op } of asked) {
      const waitForIt = async (leave: (startedAt: number) => number, signal?: AbortSignal) => {
        worker.reset();
        worker.next(stallAfter(-1));
        const startedAt = performance.now();
        const reply = send(op, signal);
        const seen = await worker.arrival();
        const leftAt = leave(startedAt);
        const closedMs = (await seen.closed) - leftAt;
        await reply;
        return closedMs;
      };
      await send(op);
      const deadlineMs = await waitForIt((startedAt) => startedAt + timeoutSeconds * 1000 - marginMs);
      const abort = new AbortController();
      const leave = () => {
        abort.abort();
        return performance.now();
      };
      closings.push({ family, deadlineMs, clientMs: await waitForIt(leave, abort.signal) });
    }
    return closings;
  } finally {
    await gateway.close();
    await worker.close();
  }
};
