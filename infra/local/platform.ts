import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readTarget } from '../../lib/http/request-target.ts';
import type { EnvironmentState } from './environment.ts';
import { createFunctionUrl, type FunctionUrl, type ToEvent, type TooLarge } from './function-url.ts';
import { createPool, type Limits, type Pool } from './pool.ts';
import { defaultRuntime, type Runtime } from './runtime.ts';
import { FunctionError } from './runtime-api.ts';
import type { LocalFunction } from './serverless-yml.ts';

export interface PlatformOptions {
  functions: readonly LocalFunction[];
  /** Which function serves a request to the common origin; undefined: 404 in the platform's words. */
  routeOf(method: string, path: string): string | undefined;
  /** Variables of every function. Nothing else of the runner's own environment reaches a function, but PATH. */
  env?: Readonly<Record<string, string>>;
  /** Of the common origin; 0, the default, takes a free one. */
  port?: number;
  host?: string;
  /** The real `aws-lambda-ric` by default, our own client where it is missing. */
  runtime?: Runtime;
  limits?: Partial<Limits>;
  /** How requests become invocations; default: payload 2.0. */
  toEvent?: ToEvent;
  /** Put around every listener: what may not come in at all. */
  guard?(listener: RequestListener): RequestListener;
  /** Put around the common origin's listener, as CloudFront is around the functions. */
  edge?(listener: RequestListener): RequestListener;
  /** How the common origin answers a body that turns out not to fit into an event; in Lambda's words otherwise. */
  tooLarge?: TooLarge;
  /** What functions print and what the platform has to say of them. */
  onLog?(functionName: string, line: string): void;
}

export interface Platform {
  /** Base URL of all families, without a trailing slash. */
  readonly origin: string;
  /** What new environments run on. */
  readonly runtime: Runtime;
  /** Has new environments run on another one; the present ones end with the request they serve. */
  useRuntime(runtime: Runtime): void;
  /** Base URL of one function's own URL. @throws {Error} for a function without one. */
  urlOf(functionName: string): string;
  environments(): { functionName: string; pid: number; state: EnvironmentState }[];
  /**
   * Invokes a function directly, as a schedule does, and waits for its result.
   * @throws {FunctionError} when it fails.
   */
  invoke(functionName: string, event: unknown): Promise<unknown>;
  /** Ends every environment and connection. */
  close(): Promise<void>;
}

const DEFAULT_LIMITS: Limits = { maxEnvironments: 64, queueSeconds: 60, idleKeepSeconds: 600, freeze: true };

const listen = async (host: string, port: number, listener: RequestListener): Promise<Server> => {
  // Time limits on slow uploads and idle connections are the functions' and clients' matter.
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 65_000 }, listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  });
  return server;
};

const baseUrl = (server: Server) => {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
};

/**
 * Lambda on this machine: bundles run by a Runtime API client, behind function URLs and one origin for all of them.
 *
 * @throws {Error} when the port is taken, or the runtime asked for is not installed.
 */
export const startPlatform = async (options: PlatformOptions): Promise<Platform> => {
  const { functions, env = {}, host = '127.0.0.1', port = 0, onLog = () => {} } = options;
  const { guard = (listener) => listener, edge = (listener) => listener } = options;
  let runtime = options.runtime ?? defaultRuntime();
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const pools = new Map<string, Pool>();
  const listeners = new Map<string, FunctionUrl>();
  for (const fn of functions) {
    const log = (line: string) => onLog(fn.name, line);
    const pool = createPool({ fn, runtimeOf: () => runtime, env, onLog: log }, limits);
    pools.set(fn.name, pool);
    if (fn.hasUrl) listeners.set(fn.name, createFunctionUrl(fn.name, pool, { onLog: log, toEvent: options.toEvent }));
  }

  const route: RequestListener = (request, response) => {
    const name = options.routeOf(request.method ?? 'GET', readTarget(request.url ?? '/').path);
    const listener = name === undefined ? undefined : listeners.get(name);
    if (listener) return listener(request, response, options.tooLarge);
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"Message":"Not Found"}');
  };
  const front = await listen(host, port, guard(edge(route)));
  const urls = new Map<string, Server>();
  for (const [name, listener] of listeners) urls.set(name, await listen(host, 0, guard(listener)));

  const gone = new FunctionError({ errorType: 'Runtime.ExitError', errorMessage: 'the platform exited' });
  const killAll = () => {
    for (const pool of pools.values()) for (const environment of pool.environments()) environment.kill(gone);
  };
  process.once('exit', killAll);

  return {
    origin: baseUrl(front),
    get runtime() {
      return runtime;
    },
    useRuntime(next) {
      runtime = next;
      for (const pool of pools.values()) pool.renew();
    },
    urlOf(functionName) {
      const server = urls.get(functionName);
      if (!server) throw new Error(`${functionName} has no function URL`);
      return baseUrl(server);
    },
    environments: () =>
      [...pools].flatMap(([functionName, pool]) =>
        pool.environments().map(({ pid, state }) => ({ functionName, pid, state })),
      ),
    async invoke(functionName, event) {
      const pool = pools.get(functionName);
      if (!pool) throw new Error(`there is no function ${functionName}`);
      const { signal } = new AbortController();
      const response = await pool.invoke(JSON.stringify(event), randomUUID(), '', signal);
      if (response.kind === 'stream') throw new Error(`${functionName} streams its answer: request its URL`);
      return JSON.parse(response.body.toString());
    },
    async close() {
      const servers = [front, ...urls.values()];
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)));
      await Promise.all([...pools.values()].map((pool) => pool.close()));
      for (const server of servers) server.closeAllConnections();
      await Promise.all(closed);
      process.removeListener('exit', killAll);
    },
  };
};
