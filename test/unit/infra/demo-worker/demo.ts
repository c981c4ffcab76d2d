import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createEngines } from '../../../../infra/local/demo-worker/engines/index.ts';
import { createDemoServer } from '../../../../infra/local/demo-worker/server.ts';

/** A demo worker in this process, its engines in their threads, at a free port. */
export const startDemo = async () => {
  const engines = createEngines();
  const server = createDemoServer({ id: 'demo-under-test', engines });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const post = (path: string, body: unknown, init: RequestInit = {}) =>
    fetch(url + path, { method: 'POST', body: body instanceof FormData ? body : JSON.stringify(body), ...init });
  return {
    url,
    post,
    /** The JSON answer of a request that succeeds. */
    // biome-ignore lint/suspicious/noExplicitAny: the answers' shapes are what the tests are about
    async json(path: string, body: unknown): Promise<any> {
      const response = await post(path, body);
      const text = await response.text();
      if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
      return JSON.parse(text);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await engines.close();
    },
  };
};

export type Demo = Awaited<ReturnType<typeof startDemo>>;
