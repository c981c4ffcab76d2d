import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ConfigError, parseConfig, startProblem } from '../../lib/config.ts';
import { functionFor } from '../../lib/endpoints/index.ts';
import { servesOperation } from '../../lib/engines/index.ts';
import { build } from '../build.js';
import { banner } from './banner.ts';
import { type DemoWorkers, startDemoWorkers } from './demo-worker/launch.ts';
import { createSizeLimit, isLoopback, loopbackOnly } from './front.ts';
import { awsVariables, functionEnv } from './function-env.ts';
import { type Platform, startPlatform } from './platform.ts';
import { type LocalFunction, readFunctions } from './serverless-yml.ts';
import { startProgress } from './setup/progress.js';
import { NOT_BUILT } from './setup/ric-packages.js';
import { createShutdown, stopWhenAsked } from './shutdown.ts';

/** `npm start`: builds the functions and serves them on this machine until it is told to stop. */

const REGISTRAR_PERIOD_MS = 5_000;
const READY_POLL_MS = 100;
/** The demo workers' models. */
const DEMO = { chat: 'ngram', embeddings: 'use-lite' };

/** What `bootstrap.js` has to tell of AWS's runtime client, which is built while this script runs. */
interface RicBuilt {
  isRicBuilt: boolean;
  /** Since `npm start`. */
  seconds: number;
}

const isRicComing = process.env.RIC_IS_COMING === 'true';

const ricBuilt = new Promise<RicBuilt>((resolve) => {
  if (isRicComing) process.on('message', (message) => resolve(message as RicBuilt));
});

const changeRuntime = async (platform: Platform) => {
  const { isRicBuilt, seconds } = await ricBuilt;
  if (shutdown.isUnderWay) return;
  if (!isRicBuilt) {
    console.log(`aws-lambda-ric could not be built: functions stay on our own small client. ${NOT_BUILT} says why.`);
    return;
  }
  platform.useRuntime('ric');
  console.log(
    `aws-lambda-ric, Lambda's own runtime client, is built, ${seconds} s after the start: functions run on it now.`,
  );
};

const shutdown = createShutdown();
const { closers, stop } = shutdown;

const portOf = ({ PORT = '' }: NodeJS.ProcessEnv): number => {
  if (!/^\d*$/.test(PORT) || Number(PORT) > 65_535) throw new ConfigError('PORT', 'must be a port number');
  return PORT === '' ? 8080 : Number(PORT);
};

/**
 * Demo workers explain what a model needs that this machine lacks. So that they are asked, they are said to have any model
 * (`*`, which no list shows), in the function that would serve it and nowhere else.
 */
const withMissing = (functions: readonly LocalFunction[], { workers, missing }: DemoWorkers) => {
  const family = functionFor('/v1/audio/transcriptions');
  const LOCALAI_WORKERS = JSON.stringify(workers.map((worker) => ({ ...worker, models: ['*'] })));
  return functions.map((fn) =>
    fn.name === family && missing.length > 0 ? { ...fn, environment: { ...fn.environment, LOCALAI_WORKERS } } : fn,
  );
};

/** What EventBridge does every minute on AWS: one run at a time, its failures logged and tried again. */
const runRegistrar = async (platform: Platform) => {
  while (!shutdown.isUnderWay) {
    const time = new Date().toISOString();
    const event = {
      version: '0',
      source: 'aws.events',
      'detail-type': 'Scheduled Event',
      time,
      resources: [],
      detail: {},
    };
    await platform.invoke('registrar', event).catch((error: Error) => console.error(`[registrar] ${error.message}`));
    await setTimeout(REGISTRAR_PERIOD_MS);
  }
};

const untilReady = async ({ origin }: Platform) => {
  let said = '';
  while (!shutdown.isUnderWay) {
    const response = await fetch(`${origin}/readyz`).catch((error: Error) => error);
    if (response instanceof Response && response.ok) return;
    const reason = response instanceof Response ? `${response.status} ${await response.text()}` : response.message;
    if (reason !== said) console.error(`not ready yet: ${reason}`);
    said = reason;
    await setTimeout(READY_POLL_MS);
  }
};

/** @returns the id of a model to show in the examples. */
const someModel = async (origin: string, apiKey: string | undefined): Promise<string> => {
  const headers = apiKey ? { authorization: `Bearer ${apiKey}` } : undefined;
  const response = await fetch(`${origin}/v1/models`, { headers });
  const { data = [] } = (await response.json()) as { data?: { id: string }[] };
  return data[0]?.id ?? 'your-model';
};

const start = async () => {
  const { env } = process;
  const config = parseConfig(env);
  const port = portOf(env);
  const demo = !env.LOCALAI_WORKERS && !config.ssmPrefix;
  const left = new Set(['bundling the functions', ...(demo ? ['starting the demo workers'] : []), 'first answer']);
  const without = async <T>(what: string, under: Promise<T>): Promise<T> => {
    const result = await under;
    left.delete(what);
    return result;
  };
  const done = startProgress(() => `Still to come: ${[...left].join(', ') || 'nothing'}`);
  const [workers, aws] = await Promise.all([
    demo ? without('starting the demo workers', startDemoWorkers()) : undefined,
    config.ssmPrefix || config.uploadBucket ? awsVariables(env) : {},
    without('bundling the functions', build()),
  ]);
  if (workers) closers.push(workers.close);

  const described = readFunctions(fileURLToPath(new URL('../../serverless.yml', import.meta.url)));
  const functions = workers ? withMissing(described, workers) : described;
  const host = env.HOST || '127.0.0.1';
  const variables = functionEnv(env);
  const isAnonymous = variables.GATEWAY_ALLOW_ANONYMOUS === 'true';
  const platform = await startPlatform({
    functions,
    routeOf: (_method, path) => functionFor(path),
    env: {
      ...variables,
      ...aws,
      ...(workers && { LOCALAI_WORKERS: JSON.stringify(workers.workers) }),
    },
    port,
    host,
    guard: (listener) => (isAnonymous && isLoopback(host) ? loopbackOnly(listener) : listener),
    ...createSizeLimit(config.uploadBucket !== undefined),
    onLog: (name, line) => shutdown.isUnderWay || console.log(`[${name}] ${line}`),
  });
  closers.push(platform.close);
  if (config.ssmPrefix) void runRegistrar(platform);
  void changeRuntime(platform);

  await without('first answer', untilReady(platform));
  done();
  if (shutdown.isUnderWay) return;
  const text = banner({
    platform,
    functions: functions.filter(({ hasUrl }) => hasUrl).map(({ name }) => name),
    demoWorkers: workers?.workers.map(({ id }) => id) ?? [],
    chatModel: demo ? DEMO.chat : await someModel(platform.origin, config.apiKeys[0]),
    embeddingsModel: demo ? DEMO.embeddings : undefined,
    // Without an engine a worker is asked which it is, and a fleet in SSM is not known here: they may serve it.
    serves: (operation) =>
      config.translate || !config.workers || config.workers.some((worker) => servesOperation(worker, operation)),
    needsKey: config.apiKeys.length > 0,
    exposesNode: config.exposeNodeHeader,
    isRicComing,
  });
  console.log(text);
  process.send?.('ready');
};

stopWhenAsked(shutdown);
start().catch((error: NodeJS.ErrnoException) => {
  console.error(startProblem(error));
  return stop(1);
});
