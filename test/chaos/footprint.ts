import { lambdaFlags } from '../bench/lambda-flags.ts';
import { startGateway } from '../support/gateway.ts';
import { canMeasureMemory, forgetPeak, memoryOf } from '../support/memory.ts';
import { operation, pathOf } from '../support/operations.ts';
import { startWorker } from '../support/stand-in-worker.ts';
import { bigBody } from '../support/worker/behaviours.ts';

const model = 'footprint';
/** As deployed. */
const functionMB = 512;
const requests = 2000;

/** Memory of one environment over many requests and over large streams, in words; Linux only. */
export const measureFootprint = async (): Promise<readonly string[]> => {
  if (!canMeasureMemory) return ['not measured: this is not Linux'];
  const worker = await startWorker({ name: 'alpha', models: [model] });
  const gateway = await startGateway({
    workers: [worker],
    functions: ['openai', 'audio'],
    env: lambdaFlags(functionMB),
    limits: { maxEnvironments: 1, freeze: false },
  });
  const chat = operation('chat');
  const speech = operation('speech');
  const pidOf = (family: string) => gateway.environments(family)[0]?.pid ?? 0;
  const lines: string[] = [];
  try {
    const resident: string[] = [];
    for (let turn = 0; turn <= 2 * requests; turn += 1) {
      await gateway.fetch(pathOf(chat, model), { body: chat.body(model, turn % 2 === 0) });
      if (turn % (requests / 4) === 0) resident.push(`${turn}: ${memoryOf(pidOf('openai'), 'VmRSS').toFixed(0)} MB`);
      if (turn % 100 === 0) worker.reset();
    }
    lines.push(`resident after so many requests  ${resident.join(', ')}`);
    await gateway.fetch(pathOf(speech, model), { body: speech.body(model) });
    for (const megabytes of [15, 50, 150, 450]) {
      const pid = pidOf('audio');
      forgetPeak(pid);
      const before = memoryOf(pid, 'VmRSS');
      worker.reset();
      worker.next(bigBody(megabytes * 1e6, 'audio/wav'));
      const reply = await gateway.send(pathOf(speech, model), { body: speech.body(model) });
      while (await reply.next());
      const peak = memoryOf(pid, 'VmHWM').toFixed(0);
      lines.push(`a stream of ${megabytes} MB  before ${before.toFixed(0)} MB, peak ${peak} MB`);
    }
    return lines;
  } finally {
    await gateway.close();
    await worker.close();
  }
};
