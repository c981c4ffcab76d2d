import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { startDemoWorkers } from '../../../../infra/local/demo-worker/launch.ts';
import { until } from '../../../support/until.ts';

const answers = (url: string) =>
  fetch(`${url}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );

describe('demo workers as processes', () => {
  test('serve the same models under ids of their own, and close', async () => {
    const { workers, close } = await startDemoWorkers({ count: 2 });
    try {
      expect(workers.map(({ id }) => id)).toEqual(['demo-1', 'demo-2']);
      for (const { url } of workers) {
        const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
        expect(data.map(({ id }) => id)).toEqual(
          expect.arrayContaining(['ngram', 'use-lite', 'flite', 'ten-vad', 'procedural-image']),
        );
      }
    } finally {
      await close();
    }
    expect(await Promise.all(workers.map(({ url }) => answers(url)))).toEqual([false, false]);
  });

  test('end with their parent, even when it is killed', async () => {
    const launch = new URL('../../../../infra/local/demo-worker/launch.ts', import.meta.url).href;
    const program = `
      const { startDemoWorkers } = await import(${JSON.stringify(launch)});
      const { workers } = await startDemoWorkers({ count: 1 });
      console.log(workers[0].url);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(parent.stdout, 'data');
    const url = String(line).trim();
    expect(await answers(url)).toBe(true);
    parent.kill('SIGKILL');
    expect(await until(async () => !(await answers(url)))).toBe(true);
  });
});
