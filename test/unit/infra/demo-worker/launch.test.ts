import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { startDemoWorkers } from '../../../../infra/local/demo-worker/launch.ts';
import { createWorkReader } from '../../../../lib/registrar/work.ts';
import { createAsk } from '../../../../lib/upstream/ask.ts';
import { createUpstream } from '../../../../lib/upstream/client.ts';
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

  test('count what they do as a HAProxy in front of them would', async () => {
    const { workers, close } = await startDemoWorkers({ count: 1 });
    const [{ url } = { url: '' }] = workers;
    const { read } = createWorkReader(createAsk(createUpstream({ connectTimeoutMs: 1000 })));
    const work = () => read({ url, engine: 'localai', load: 'haproxy' }, { signal: new AbortController().signal });
    try {
      expect(await work()).toEqual({ running: 0, waiting: 0, served: 0, own: 0 });
      const body = JSON.stringify({ model: 'ngram', prompt: 'Once', max_tokens: 2 });
      await (await fetch(`${url}/v1/completions`, { method: 'POST', body })).text();
      await fetch(`${url}/readyz`);
      expect(await work()).toEqual({ running: 0, waiting: 0, served: 1, own: 0 });
    } finally {
      await close();
    }
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
