import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Platform, type PlatformOptions, startPlatform } from '../../infra/local/platform.ts';
import { fetchAll, type Received, type Reply, type SendOptions, send } from './http.ts';

const bundleDir = fileURLToPath(new URL('../fixtures/runtime', import.meta.url));

export interface Fixture extends AsyncDisposable {
  readonly platform: Platform;
  /** `function: line` of all that functions and platform said. */
  readonly logs: string[];
  readonly send: (path: string, options?: SendOptions) => Promise<Reply>;
  readonly fetch: (path: string, options?: SendOptions) => Promise<Received>;
}

export interface FixtureOptions extends Pick<PlatformOptions, 'runtime' | 'limits' | 'env'> {
  /** Default 30. */
  readonly timeoutSeconds?: number;
}

/** The local platform with handlers of `test/fixtures/runtime/platform.cjs`: `/name/...` goes to the export `name`. */
export const startFixture = async (names: readonly string[], options: FixtureOptions = {}): Promise<Fixture> => {
  const { timeoutSeconds = 30, ...rest } = options;
  const logs: string[] = [];
  const platform = await startPlatform({
    ...rest,
    functions: names.map((name) => ({
      name,
      bundleDir,
      handler: name === 'broken' ? 'broken.handler' : `platform.${name}`,
      timeoutSeconds,
      memory: 256,
      environment: { OF_THIS_FUNCTION: name },
      hasUrl: true,
    })),
    routeOf: (_method, path) => path.split('/')[1],
    onLog: (name, line) => logs.push(`${name}: ${line}`),
  });
  return {
    platform,
    logs,
    send: (path, sent) => send(platform.origin + path, sent),
    fetch: (path, sent) => fetchAll(platform.origin + path, sent),
    [Symbol.asyncDispose]: () => platform.close(),
  };
};

/** A server whose answers the test gives itself, later. */
export interface Gate extends AsyncDisposable {
  readonly url: string;
  /** Requests that wait for their answer. */
  readonly waiting: ServerResponse[];
  /** How many connections are open. */
  readonly connections: () => Promise<number>;
  /** Answers all that wait. */
  readonly open: () => void;
}

export const startGate = async (): Promise<Gate> => {
  const waiting: ServerResponse[] = [];
  const server: Server = createServer((_request, response) => {
    response.writeHead(200).flushHeaders();
    waiting.push(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    waiting,
    connections: () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count))),
    open: () => {
      for (const response of waiting.splice(0)) response.end();
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
