import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ToEvent } from '../../infra/local/function-url.ts';
import { startPlatform } from '../../infra/local/platform.ts';
import type { Limits } from '../../infra/local/pool.ts';
import { toRestEvent } from '../../infra/local/rest-event.ts';
import type { Runtime } from '../../infra/local/runtime.ts';
import { readFunctions } from '../../infra/local/serverless-yml.ts';
import { functionFor } from '../../lib/endpoints/index.ts';
import { startContainer } from './container.ts';
import { fetchAll, type Received, type Reply, type SendOptions, send } from './http.ts';
import type { StandIn } from './stand-in-worker.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** The ways in of docs/contract.md 12 that run here. */
export type Door = 'url' | 'rest' | 'container';
const DOORS: readonly Door[] = ['url', 'rest', 'container'];

/**
 * The door that suites are run over: `DOOR=container npm test -- test/integration/errors.test.ts`. `npm test` runs all
 * of them over function URLs, and those of `test/run.ts` once more over the container.
 */
export const door: Door = DOORS.find((one) => one === process.env.DOOR) ?? 'url';

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
  /** Default: `DOOR`. */
  readonly door?: Door;
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

/** What stands behind one origin, whichever door it is. */
type Behind = Pick<Gateway, 'origin' | 'urlOf' | 'environments' | 'invoke' | 'close'>;

type Start = (
  env: Readonly<Record<string, string>>,
  onLog: (name: string, line: string) => void,
  options: GatewayOptions,
) => Promise<Behind>;

const startFunctions = async (
  env: Parameters<Start>[0],
  onLog: Parameters<Start>[1],
  { functions: wanted, timeoutSeconds, runtime, limits }: GatewayOptions,
  toEvent?: ToEvent,
): Promise<Behind> => {
  const functions = readFunctions(join(root, 'serverless.yml'))
    .filter(({ name }) => wanted?.includes(name) ?? true)
    .map((fn) => ({ ...fn, timeoutSeconds: timeoutSeconds ?? fn.timeoutSeconds }));
  const platform = await startPlatform({
    functions,
    routeOf: (_, path) => functionFor(path),
    env,
    ...(runtime && { runtime }),
    ...(limits && { limits }),
    ...(toEvent && { toEvent }),
    onLog,
  });
  return {
    ...platform,
    environments: (name) =>
      platform.environments().filter(({ functionName }) => name === undefined || functionName === name),
  };
};

/** One process for all families; what it does not have, the registrar, is a function beside it, started when asked. */
const startProcess: Start = async (env, onLog, { timeoutSeconds }) => {
  const container = await startContainer({
    env: { ...(timeoutSeconds !== undefined && { GATEWAY_REQUEST_SECONDS: String(timeoutSeconds) }), ...env },
    onLog: (line) => onLog('container', line),
  });
  let beside: Promise<Behind> | undefined;
  return {
    origin: container.origin,
    urlOf: () => container.origin,
    environments: () => [{ functionName: 'container', pid: container.child.pid ?? 0, state: 'idle' }],
    invoke: async (name, event) => {
      beside ??= startFunctions(env, onLog, { functions: ['registrar'] });
      return (await beside).invoke(name, event);
    },
    close: async () => {
      await Promise.all([container.close(), beside?.then(({ close }) => close())]);
    },
  };
};

/** The same functions behind API Gateway: payload 1.0 is all that differs on this machine. */
const startBehindRest: Start = (env, onLog, options) => startFunctions(env, onLog, options, toRestEvent);

const starts: Readonly<Record<Door, Start>> = { url: startFunctions, rest: startBehindRest, container: startProcess };

/** Starts what was built: functions behind their URLs on the real runtime client, or the container's process. */
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
  const behind = await starts[options.door ?? door](
    Object.fromEntries(given),
    (name, line) => logs.push(`${name}: ${line}`),
    options,
  );
  const { origin } = behind;
  return {
    ...behind,
    send: (path, sent) => send(origin + path, sent),
    fetch: (path, sent) => fetchAll(origin + path, sent),
    logs,
    [Symbol.asyncDispose]: behind.close,
  };
};
