import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, get, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../../infra/local/free-port.ts';
import type { FetchText } from '../../lib/router/ask-load.ts';
import type { Seen } from '../../lib/router/policies/policy.ts';
import { createProber } from '../../lib/router/probe.ts';
import type { Worker } from '../../lib/worker.ts';
import { needs } from '../support/needs.ts';
import { until } from '../support/until.ts';

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

const fetchText: FetchText = (url, { signal, headers }) =>
  new Promise((resolve, reject) => {
    get(url, { signal, headers, agent: false }, async (response) => {
      let body = '';
      response.setEncoding('utf8');
      try {
        for await (const chunk of response) body += chunk;
        resolve({ status: response.statusCode ?? 0, body });
      } catch (error) {
        reject(error);
      }
    }).on('error', reject);
  });

/** A worker that answers POST when it is told to, and has nothing else. */
const createHeldWorker = () => {
  const held: ServerResponse[] = [];
  let isOpen = false;
  const server = createServer(({ method }, response) => {
    if (method !== 'POST') response.writeHead(404).end();
    else if (isOpen) response.end();
    else held.push(response);
  });
  return {
    server,
    close: () => {
      isOpen = false;
    },
    release: (count: number) => {
      for (const response of held.splice(0, count)) response.end();
    },
    open: () => {
      isOpen = true;
      for (const response of held.splice(0)) response.end();
    },
  };
};

const sources = {
  'its Prometheus service': 'http-request use-service prometheus-exporter if { path /metrics }',
  'its statistics at their default address': 'stats enable',
};

needs('haproxy')('load of a worker behind HAProxy', () => {
  describe.each(Object.entries(sources))('from %s', (_, directive) => {
    const held = createHeldWorker();
    let folder: string;
    let haproxy: ChildProcess;
    let worker: Worker;

    beforeAll(async () => {
      const [engine, proxy] = [await listen(held.server), await freePort()];
      folder = await mkdtemp(join(tmpdir(), 'haproxy-load-'));
      const file = join(folder, 'haproxy.cfg');
      await writeFile(
        file,
        `global
  nbthread 1
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  timeout queue 60s
frontend gateway
  bind 127.0.0.1:${proxy}
  ${directive}
  default_backend worker
backend worker
  server engine 127.0.0.1:${engine} maxconn 2
`,
      );
      const env = { ...process.env, PATH: `${process.env.PATH}${delimiter}/usr/sbin` };
      haproxy = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore', env });
      worker = {
        id: 'w',
        name: 'w',
        url: `http://127.0.0.1:${proxy}`,
        status: 'healthy',
        engine: 'localai',
        load: 'haproxy',
      };
      expect(await until(async () => (await look()) !== 'busy')).toBe(true);
    });

    afterAll(async () => {
      held.open();
      const gone = once(haproxy, 'exit');
      haproxy.kill('SIGKILL');
      await gone;
      held.server.closeAllConnections();
      held.server.close();
      await rm(folder, { recursive: true });
    });

    // The limit of 50 ms is tried elsewhere; two test files share two cores here. No reuse: each look is a new one.
    const prober = createProber({ fetchText, timeoutMs: 2000, reuseMs: -1 });
    const look = (): Promise<Seen> => prober.load(worker);
    const shows = (running: number, waiting: number) =>
      until(async () => {
        const seen = await look();
        return typeof seen === 'object' && seen.running === running && seen.waiting === waiting;
      });
    const ask = () =>
      new Promise<void>((resolve, reject) => {
        request(`${worker.url}/v1/anything`, { method: 'POST', agent: false }, (response) =>
          response.resume().on('end', resolve),
        )
          .on('error', reject)
          .end();
      });

    test('idle, as many as the worker takes, a queue, and idle again', async () => {
      expect(await shows(0, 0)).toBe(true);
      const answers = [ask()];
      expect(await shows(1, 0)).toBe(true);
      answers.push(ask(), ask(), ask(), ask());
      expect(await shows(2, 3)).toBe(true);
      held.release(1);
      expect(await shows(2, 2)).toBe(true);
      held.open();
      await Promise.all(answers);
      expect(await shows(0, 0)).toBe(true);
    });

    test('a gateway that comes to a full worker learns it too', async () => {
      held.close();
      const answers = [ask(), ask(), ask(), ask()];
      expect(await shows(2, 2)).toBe(true);
      const seen = await createProber({ fetchText, timeoutMs: 2000 }).load(worker);
      // A path that is not HAProxy's own waits in the queue that it asks about.
      expect(seen).toMatchObject({ running: 2, waiting: expect.any(Number) });
      held.open();
      await Promise.all(answers);
    });
  });
});
