import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { endingOf } from '../support/endings.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { canMeasureMemory, forgetPeak, memoryOf } from '../support/memory.ts';
import { operation, pathOf } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { bigBody } from '../support/worker/behaviours.ts';

/** docs/contract.md section 6: a client that reads slowly slows the worker, and the environment's memory stays flat. */
const model = 'test-model';
const size = 150_000_000;
const speech = operation('speech');
const chat = operation('chat');
/** What three pairs of sockets, grown by the kernel as it likes, hold between a worker and a client. */
const underway = 80_000_000;

let worker: StandIn;
let gateway: Gateway;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
  gateway = await startGateway({
    workers: [worker],
    functions: ['openai', 'audio'],
    // A small young generation: V8 fills what it has before it looks for garbage, and that is not what is measured.
    env: { NODE_OPTIONS: '--max-semi-space-size=2' },
    limits: { maxEnvironments: 1, freeze: false },
  });
  for (const one of [chat, speech]) await gateway.fetch(pathOf(one, model), { body: one.body(model) });
});
beforeEach(() => worker.reset());
afterAll(() => Promise.all([gateway?.close(), worker?.close()]));

const pidOf = (family: string) => gateway.environments(family)[0]?.pid ?? 0;
const sent = () => worker.requests[0]?.sentBytes() ?? 0;
/** @returns what the worker has sent once it has sent nothing for 300 ms; all of it, when nothing holds it back. */
const standstill = async (): Promise<number> => {
  for (let before = -1; ; ) {
    const now = sent();
    if (now === before) return now;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
};

test('2,000 requests leave an environment no larger than 1,000 did', async () => {
  const pid = pidOf('openai');
  const run = async (count: number) => {
    for (let turn = 0; turn < count; turn += 1) {
      const received = await gateway.fetch(pathOf(chat, model), { body: chat.body(model, turn % 2 === 0) });
      expect(received.status).toBe(200);
      if (turn % 2 === 0) expect(endingOf(chat, received)).toBe('whole');
      if (turn % 100 === 0) worker.reset();
    }
  };
  await run(1000);
  const half = canMeasureMemory ? memoryOf(pid, 'VmRSS') : 0;
  await run(1000);
  if (canMeasureMemory) expect(memoryOf(pid, 'VmRSS') - half).toBeLessThan(16);
  expect(pidOf('openai')).toBe(pid);
});

describe.each([
  ['bytes', speech, 'audio/wav'],
  ['an event stream', chat, 'text/event-stream'],
] as const)('150 MB of %s', (_, one, contentType) => {
  test('at the pace of the client, in flat memory', async () => {
    const pid = pidOf(one.family);
    if (canMeasureMemory) forgetPeak(pid);
    const before = canMeasureMemory ? memoryOf(pid, 'VmRSS') : 0;
    worker.next(bigBody(size, contentType));
    const reply = await gateway.send(pathOf(one, model), { body: one.body(model, true) });
    let received = 0;
    let ahead = 0;
    for (const stop of [0, 30_000_000, 90_000_000]) {
      while (received < stop) received += (await reply.next())?.bytes.length ?? 0;
      // The client does not read: the worker comes to a standstill.
      ahead = Math.max(ahead, (await standstill()) - received);
    }
    expect(ahead).toBeLessThan(underway);
    for (let chunk = await reply.next(); chunk; chunk = await reply.next()) received += chunk.bytes.length;
    // An event stream without its marker gets the dialect's error ending behind it.
    expect(received).toBeGreaterThanOrEqual(size);
    expect(received).toBeLessThan(size + 1000);
    expect(sent()).toBe(size);
    // What the kernel and V8 keep for a while; a body that is collected would be all of it.
    if (canMeasureMemory) expect(memoryOf(pid, 'VmHWM') - before).toBeLessThan(100);
    expect(pidOf(one.family)).toBe(pid);
  });
});
