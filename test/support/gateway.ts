import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startPlatform } from '../../infra/local/platform.ts';
import type { Limits } from '../../infra/local/pool.ts';
import type { Runtime } from '../../infra/local/runtime.ts';
import { readFunctions } from '../../infra/local/serverless-yml.ts';
import { functionFor } from '../../lib/endpoints/index.ts';
import { fetchAll, type Received, type Reply, type SendOptions, send } from './http.ts';
import type { StandIn } from './stand-in-worker.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** A worker as `LOCALAI_WORKERS` describes it. */
export interface WorkerSetting {
  readonly id: string;
  readonly url: string;
  readonly models?: readonly string[];
  readonly engine?: string;
  readonly serves?: readonly string[];
  readonly load?: string;
  readonly apiKey?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** The node id under which a stand-in is given to the gateway. Its content says its name only, so the two never mix. */
export const nodeIdOf = ({ name }: { readonly name: string }): string => `node-${name}`;

/** What stand-ins answer, whatever engine they stand for, and no engine has all of. */
export const standInServes = ['count_tokens', 'translation', 'image_edit', 'image_variation', 'input_tokens'];

/** A stand-in as a setting, with its models (`models: undefined` makes the gateway ask for the list); it answers all. */
export const settingOf = (worker: StandIn, more: Partial<WorkerSetting> = {}): WorkerSetting => ({
  id: nodeIdOf(worker),
  url: worker.url,
  models: worker.models(),
  engine: worker.engine,
  serves: standInServes,
  ...more,
});

export interface GatewayOptions {
  /** Left out: no `LOCALAI_WORKERS` (a fleet from SSM). */
  readonly workers?: readonly (StandIn | WorkerSetting)[];
  /** Added to the defaults: header on, anonymous access. `undefined` takes a default away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Only these functions; default all. */
  readonly functions?: readonly string[];
  /** Seconds until the platform ends an invocation; default: as in `serverless.yml`. */
  readonly timeoutSeconds?: number;
  readonly runtime?: Runtime;
  readonly limits?: Partial<Limits>;
}

export interface Gateway extends AsyncDisposable {
  /** Base URL of all families. */
  readonly origin: string;
  /** Base URL of one function's own URL. */
  readonly urlOf: (functionName: string) => string;
  /** Sends to the common origin and waits for the head. */
  readonly send: (path: string, options?: SendOptions) => Promise<Reply>;
  /** Sends to the common origin and reads the whole reply. */
  readonly fetch: (path: string, options?: SendOptions) => Promise<Received>;
  /** `function: line` of everything that functions and platform had to say. */
  readonly logs: readonly string[];
  readonly environments: (functionName?: string) => { functionName: string; pid: number; state: string }[];
  /** Invokes a function as a schedule does. */
  readonly invoke: (functionName: string, event: unknown) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

let built: Promise<unknown> | undefined;
/** Bundles once per test file; files that did not change are left alone, so parallel test files do not disturb. */
const build = () => {
  built ??= promisify(execFile)(process.execPath, [join(root, 'infra', 'build.js')]);
  return built;
};

const isStandIn = (worker: StandIn | WorkerSetting): worker is StandIn => 'requests' in worker;

/** Starts the built functions behind their URLs on the real runtime client, as `npm start` does. */
export const startGateway = async (options: GatewayOptions = {}): Promise<Gateway> => {
  await build();
  const logs: string[] = [];
  const workers = options.workers?.map((worker) => (isStandIn(worker) ? settingOf(worker) : worker));
  const env: Record<string, string | undefined> = {
    LOCALAI_EXPOSE_NODE_HEADER: 'true',
    GATEWAY_ALLOW_ANONYMOUS: 'true',
    ...(workers && { LOCALAI_WORKERS: JSON.stringify(workers) }),
    ...options.env,
  };
  const given = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const functions = readFunctions(join(root, 'serverless.yml'))
    .filter(({ name }) => options.functions?.includes(name) ?? true)
    .map((fn) => ({ ...fn, timeoutSeconds: options.timeoutSeconds ?? fn.timeoutSeconds }));
  const platform = await startPlatform({
    functions,
    routeOf: (_, path) => functionFor(path),
    env: Object.fromEntries(given),
    ...(options.runtime && { runtime: options.runtime }),
    ...(options.limits && { limits: options.limits }),
    onLog: (name, line) => logs.push(`${name}: ${line}`),
  });
  const { origin } = platform;
  return {
    origin,
    urlOf: (functionName) => platform.urlOf(functionName),
    send: (path, sent) => send(origin + path, sent),
    fetch: (path, sent) => fetchAll(origin + path, sent),
    logs,
    environments: (wanted) =>
      platform.environments().filter(({ functionName }) => wanted === undefined || functionName === wanted),
    invoke: (functionName, event) => platform.invoke(functionName, event),
    close: () => platform.close(),
    [Symbol.asyncDispose]: () => platform.close(),
  };
};
