import { expect, test } from '@jest/globals';
import { freePort } from '../../infra/local/free-port.ts';
import { startRunner } from '../support/runner.ts';
import { until } from '../support/until.ts';

test('npm run demo:sleep: a request wakes a worker and is answered by it, and the worker goes to sleep again', async () => {
  const env = { PORT: String(await freePort()), DEMO_IDLE_SECONDS: '1', DEMO_START_SECONDS: '0.5' };
  await using runner = startRunner(['infra/local/demo-sleep.ts', '--once'], env);
  expect([await runner.exited, runner.output()]).toEqual([0, expect.any(String)]);
  const lines = runner.output().split('\n');
  const at = (text: string) => lines.findIndex((line) => line.includes(text));
  const order = [
    'is asleep',
    'POST /v1/chat/completions',
    'says that the service is wanted',
    'an instance is being started',
    'the first token',
    'and the answer',
    'the worker has stopped',
  ].map(at);
  expect(order).not.toContain(-1);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  const states = lines.flatMap((line) => /is (asleep|waking|awake|draining|failed)\b/.exec(line)?.[1] ?? []);
  expect(states.join()).toMatch(/^asleep,waking,awake,(draining,)?asleep$/);
  expect(await until(() => !runner.leftBehind(), 3000)).toBe(true);
}, 120_000);
