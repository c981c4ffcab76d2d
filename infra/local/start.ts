import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ConfigError, parseConfig } from '../../lib/config.ts';
import { functionFor } from '../../lib/endpoints/index.ts';
import { build } from '../build.js';
import { banner } from './banner.ts';
import { startDemoWorkers } from './demo-worker/launch.ts';
import { awsVariables, functionEnv } from './function-env.ts';
import { type Platform, startPlatform } from './platform.ts';
import { readFunctions } from './serverless-yml.ts';

/** `npm start`: builds the functions and serves them on this machine until it is told to stop. */

const REGISTRAR_PERIOD_MS = 5_000;
const READY_POLL_MS = 100;
/** The demo workers' models. */
const DEMO = { chat: 'ngram', embeddings: 'use-lite' };

/** On the way out, in the order of opening reversed. */
const closers: (() => Promise<void>)[] = [];
let stopping = false;

const stop = async (exitCode: number) => {
  // A terminal's Ctrl-C arrives twice: from the terminal itself and passed on by npm.
  if (stopping) return;
  stopping = true;
  for (const close of closers.reverse()) await close().catch((error: Error) => console.error(error.message));
  process.exit(exitCode);
};

const portOf = ({ PORT = '' }: NodeJS.ProcessEnv): number => {
  if (!/^\d*$/.test(PORT) || Number(PORT) > 65_535) throw new ConfigError('PORT', 'must be a port number');
  return PORT === '' ? 8080 : Number(PORT);
};

/** What EventBridge does every minute on AWS: one run at a time, its failures logged and tried again. */
const runRegistrar = async (platform: Platform) => {
  while (!stopping) {
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
  while (!stopping) {
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
  const [workers, aws] = await Promise.all([
    demo ? startDemoWorkers() : undefined,
    config.ssmPrefix || config.uploadBucket ? awsVariables(env) : {},
    build(),
  ]);
  if (workers) closers.push(workers.close);

  const functions = readFunctions(fileURLToPath(new URL('../../serverless.yml', import.meta.url)));
  const platform = await startPlatform({
    functions,
    routeOf: (_method, path) => functionFor(path),
    env: {
      ...functionEnv(env),
      ...aws,
      ...(workers && { LOCALAI_WORKERS: JSON.stringify(workers.workers) }),
    },
    port,
    host: env.HOST || '127.0.0.1',
    onLog: (name, line) => stopping || console.log(`[${name}] ${line}`),
  });
  closers.push(platform.close);
  if (config.ssmPrefix) void runRegistrar(platform);

  await untilReady(platform);
  if (stopping) return;
  const text = banner({
    platform,
    functions: functions.filter(({ hasUrl }) => hasUrl).map(({ name }) => name),
    demoWorkers: workers?.workers.map(({ id }) => id) ?? [],
    chatModel: demo ? DEMO.chat : await someModel(platform.origin, config.apiKeys[0]),
    embeddingsModel: demo ? DEMO.embeddings : undefined,
    needsKey: config.apiKeys.length > 0,
    exposesNode: config.exposeNodeHeader,
  });
  console.log(text);
};

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop(0));
process.once('disconnect', () => stop(1));
start().catch((error: NodeJS.ErrnoException) => {
  const taken = error.code === 'EADDRINUSE' ? `PORT: ${error.message}; choose another with PORT=...` : undefined;
  console.error(taken ?? (error instanceof ConfigError ? error.message : error));
  return stop(1);
});
