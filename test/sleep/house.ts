import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Aws, startAws } from '../support/aws.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import {
  type Launched,
  type SleepingService,
  type SleepingServiceOptions,
  scheduleRegistrar,
  startSleepingService,
} from '../support/sleeping-service.ts';
import { startWorker } from '../support/stand-in-worker.ts';

export const PREFIX = '/localai-gateway/sleep';

const workerFile = fileURLToPath(new URL('worker-process.ts', import.meta.url));

export interface Service {
  readonly model: string;
  readonly ecs: SleepingService;
  /** Workers that were told to stop while they worked. */
  readonly stoppedBusy: () => number;
}

export interface House extends AsyncDisposable {
  readonly aws: Aws;
  readonly gateway: Gateway;
  readonly services: readonly Service[];
  /** State of a service, as `GET /api/services` tells it. */
  readonly stateOf: (model: string) => Promise<string | undefined>;
}

export interface HouseOptions {
  readonly names: readonly string[];
  readonly scale?: object;
  readonly serves?: readonly string[];
  readonly launchMs?: number;
  readonly launch?: SleepingServiceOptions['launch'];
  readonly functions?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** At most so many environments a function. */
  readonly environments?: number;
}

/** Gateway, registrar and AWS's stand-ins, with services whose tasks are processes. */
export const openHouse = async (options: HouseOptions): Promise<House> => {
  const { names, scale = { min: 0, idleMinutes: 0.02 }, serves, launchMs = 1_500, environments } = options;
  const aws = await startAws();
  const { port, close } = await startWorker({ name: 'port', host: '127.0.0.200' });
  const services = names.map((model, n): Service => {
    let busy = 0;
    const launch = (task: number) =>
      new Promise<Launched>((resolve, reject) => {
        const child = fork(workerFile, [`127.0.${1 + n}.${1 + (task % 200)}`, String(port), model]);
        const exited = new Promise<void>((done) => child.once('exit', () => done()));
        child.once('error', reject);
        child.on('message', (message: { url?: string; busy?: number }) => {
          const stop = () => {
            child.send('stop');
            return exited;
          };
          if (message.url) resolve({ url: message.url, stop });
          if (message.busy) busy += 1;
        });
      });
    const ecs = startSleepingService({
      aws,
      cluster: 'gpu',
      service: model,
      launch: options.launch ?? launch,
      launchMs,
    });
    const described = { cluster: 'gpu', service: model, port, engine: 'vllm', models: [model], scale };
    aws.ssm.put(`${PREFIX}/services/${model}`, JSON.stringify({ ...described, ...(serves && { serves }) }));
    return { model, ecs, stoppedBusy: () => busy };
  });
  const gateway = await startGateway({
    functions: [...(options.functions ?? ['openai']), 'nodes', 'registrar'],
    env: { ...aws.env, GATEWAY_SSM_PREFIX: PREFIX, GATEWAY_CONFIG_TTL_SECONDS: '1', ...options.env },
    ...(environments && { limits: { maxEnvironments: environments } }),
  });
  await gateway.invoke('registrar', { 'detail-type': 'Scheduled Event', detail: {} });
  const end = scheduleRegistrar(aws, gateway, 2_000);
  return {
    aws,
    gateway,
    services,
    async stateOf(model) {
      const list = (await gateway.fetch('/api/services')).json() as { name: string; state: string }[];
      return list.find(({ name }) => name === model)?.state;
    },
    async [Symbol.asyncDispose]() {
      end();
      await gateway.close();
      for (const { ecs } of services) await ecs[Symbol.asyncDispose]();
      await close();
      await aws.close();
    },
  };
};
