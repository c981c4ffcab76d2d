import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { functionFor } from '../../lib/endpoints/index.ts';
import { build } from '../build.js';
import { createContainerService } from './cloud/container-service.ts';
import { serveJsonApi } from './cloud/json-api.ts';
import { createParameterStore } from './cloud/parameter-store.ts';
import { startDemoWorkers } from './demo-worker/launch.ts';
import { freePort } from './free-port.ts';
import { type Platform, startPlatform } from './platform.ts';
import { readFunctions } from './serverless-yml.ts';
import { createShutdown, stopWhenAsked } from './shutdown.ts';

/**
 * `npm run demo:sleep`: a GPU service that sleeps, on this machine. The deployed functions, the registrar among them, run
 * as `npm start` runs them; SSM, ECS and EventBridge are stood in for, and an ECS task is a demo worker's process. One
 * request is sent while everything sleeps, and what becomes of it is told; then the service goes to sleep again.
 *
 * `--once` ends it there. `DEMO_IDLE_SECONDS` (20) without work put the worker to sleep, `DEMO_START_SECONDS` (5) is how
 * long its instance takes to come.
 */

const PREFIX = '/demo';
const CLUSTER = 'demo';
const SERVICE = 'storyteller';
const MODEL = 'ngram';
/** As on AWS, only that a minute is two seconds here. */
const SCHEDULE_MS = 2_000;
const LOOK_MS = 250;

const secondsOf = (name: string, otherwise: number): number => {
  const seconds = Number(process.env[name] || otherwise);
  if (!(seconds > 0)) throw new Error(`${name} must be a number of seconds`);
  return seconds;
};

const startedAt = Date.now();
const say = (line: string) => console.log(`${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${line}`);

const shutdown = createShutdown();
const { closers, stop } = shutdown;

/** EventBridge in front of the registrar: one run at a time; an event that comes meanwhile is lost, as on AWS. */
const createEvents = (platform: () => Platform | undefined) => {
  let isRunning = false;
  return async (event: object) => {
    if (isRunning || shutdown.isUnderWay) return;
    isRunning = true;
    await platform()
      ?.invoke('registrar', event)
      .catch((error: Error) => shutdown.isUnderWay || say(`the registrar failed: ${error.message}`));
    isRunning = false;
  };
};

/** @returns variables that lead the functions to it. */
const startCloud = async (onEvent: (event: object) => void): Promise<Readonly<Record<string, string>>> => {
  const port = await freePort();
  const containers = createContainerService({
    cluster: CLUSTER,
    service: SERVICE,
    onLog: (line) => shutdown.isUnderWay || say(`ECS: ${line}`),
    startMs: secondsOf('DEMO_START_SECONDS', 5) * 1000,
    async start() {
      const { close } = await startDemoWorkers({ count: 1, port });
      return { address: '127.0.0.1', stop: close };
    },
  });
  closers.push(containers.close);
  const parameters = createParameterStore((name, operation) => {
    if (name.startsWith(`${PREFIX}/runtime/wake/`)) {
      say(`SSM: ${name} says that the service is wanted`);
      onEvent({ source: 'aws.ssm', 'detail-type': 'Parameter Store Change', detail: { name, operation } });
    }
  });
  const scale = { min: 0, max: 1, idleMinutes: secondsOf('DEMO_IDLE_SECONDS', 20) / 60, wakeMinutes: 5 };
  const service = { cluster: CLUSTER, service: SERVICE, port, engine: 'localai', load: 'haproxy', models: [MODEL] };
  parameters.put(`${PREFIX}/services/${SERVICE}`, JSON.stringify({ ...service, scale }));
  const api = await serveJsonApi({
    AmazonSSM: parameters.operations,
    AmazonEC2ContainerServiceV20141113: containers.operations,
  });
  closers.push(api.close);
  return {
    AWS_ENDPOINT_URL_SSM: api.url,
    AWS_ENDPOINT_URL_ECS: api.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'demo',
    AWS_SECRET_ACCESS_KEY: 'demo',
    GATEWAY_SSM_PREFIX: PREFIX,
    GATEWAY_CONFIG_TTL_SECONDS: '1',
    GATEWAY_KEEPALIVE_SECONDS: '3',
    GATEWAY_ALLOW_ANONYMOUS: 'true',
  };
};

interface State {
  readonly name: string;
  readonly state: string;
  readonly reason?: string;
}

const stateOf = async (origin: string): Promise<State | undefined> => {
  const response = await fetch(`${origin}/api/services`).catch(() => undefined);
  const services = response?.ok ? ((await response.json()) as State[]) : [];
  return services.find(({ name }) => name === SERVICE);
};

/** Tells each state as it comes. @returns a wait for one of them. */
const watchStates = (origin: string) => {
  let now: State | undefined;
  void (async () => {
    while (!shutdown.isUnderWay) {
      const next = await stateOf(origin);
      if (next && next.state !== now?.state)
        say(`GET /api/services: ${SERVICE} is ${next.state}${next.reason ? `, ${next.reason}` : ''}`);
      now = next ?? now;
      await setTimeout(LOOK_MS);
    }
  })();
  return async (state: string) => {
    while (!shutdown.isUnderWay && now?.state !== state) await setTimeout(LOOK_MS);
  };
};

/** One streamed request, and what comes of it. */
const request = async (origin: string) => {
  say(`POST /v1/chat/completions: {"model":"${MODEL}","stream":true}, though nothing runs that could answer`);
  const since = Date.now();
  const response = await fetch(`${origin}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, stream: true, max_tokens: 24, messages: [{ role: 'user', content: 'Once' }] }),
  });
  let rest = '';
  let words = '';
  const decoder = new TextDecoder();
  const take = (line: string) => {
    if (line.startsWith(':')) return say('the stream hears: still waiting');
    const { choices, error } = line.startsWith('data: {') ? JSON.parse(line.slice(6)) : {};
    if (error) throw new Error(error.message);
    const said: string = choices?.[0]?.delta?.content ?? '';
    if (said && !words) say(`the first token, ${((Date.now() - since) / 1000).toFixed(1)} s after the request`);
    words += said;
  };
  for await (const chunk of response.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  }
  if (!response.ok || !words) throw new Error(`${response.status} ${rest}`);
  say(`and the answer: "${words.trim()}"`);
};

const demo = async () => {
  let platform: Platform | undefined;
  const onEvent = createEvents(() => platform);
  const [env] = await Promise.all([startCloud((event) => void onEvent(event)), build()]);
  platform = await startPlatform({
    functions: readFunctions(fileURLToPath(new URL('../../serverless.yml', import.meta.url))),
    routeOf: (_method, path) => functionFor(path),
    env,
    port: Number(process.env.PORT ?? 8080),
  });
  closers.push(platform.close);
  void (async () => {
    while (!shutdown.isUnderWay) {
      await onEvent({ source: 'aws.events', 'detail-type': 'Scheduled Event', detail: {} });
      await setTimeout(SCHEDULE_MS);
    }
  })();

  const { origin } = platform;
  const reached = watchStates(origin);
  await reached('asleep');
  await request(origin);
  say(`nobody asks any more: after ${secondsOf('DEMO_IDLE_SECONDS', 20)} s without work it goes to sleep`);
  await reached('asleep');
  if (shutdown.isUnderWay) return;
  if (process.argv.includes('--once')) return stop(0);
  say('Your turn; ask while it sleeps, and while it is awake:');
  console.log(
    [
      '',
      `  curl -N ${origin}/v1/chat/completions -H 'content-type: application/json' -d '{"model":"${MODEL}","stream":true,"messages":[{"role":"user","content":"Once upon a time"}]}'`,
      `  curl -s ${origin}/api/services`,
      `  curl -X POST ${origin}/api/services/${SERVICE}/wake`,
      '',
      'Ctrl-C ends it.',
    ].join('\n'),
  );
};

stopWhenAsked(shutdown);
demo().catch((error: Error) => {
  if (!shutdown.isUnderWay) console.error(error.message);
  return stop(1);
});
