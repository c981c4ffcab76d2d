import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, buildServer } from '../../infra/build.js';
import { startContainer } from '../support/container.ts';
import { lambdaFlags } from './lambda-flags.ts';
import { type Peer, startNginx, startPortkey } from './peers.ts';
import type { Pids, Started } from './platform.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/**
 * Which of a path's functions a workload goes to: `text` has one environment, `pool` as many as there are requests at
 * once, `media` takes uploads and sends bytes.
 */
export type Target = 'text' | 'pool' | 'media';

/** One way from the driver to the worker. */
export interface Path {
  readonly name: string;
  readonly urls: Readonly<Partial<Record<Target, string>>>;
  readonly headers: Readonly<Record<string, string>>;
  /** The processes of the gateway itself, without the platform around it. */
  pids(target: Target): Promise<readonly number[]>;
}

export interface Paths extends AsyncDisposable {
  readonly all: readonly Path[];
  /** What could not be measured, and why. */
  readonly notes: readonly string[];
  readonly runtime: string;
  /** The process that stands for AWS. */
  readonly platformPid: number;
  readonly workerUrls: readonly string[];
  /** Folders of the bundles under test, by name. */
  readonly bundles: Readonly<Record<'bare' | 'openai' | 'audio', string>>;
  readonly bytes: Readonly<Record<string, number>>;
}

/** Runs a module of this folder as a process. @returns it, and the first thing it said. */
export const forked = async <T>(module: string, args: readonly string[] = [], message?: object) => {
  const child = fork(here(module), args);
  if (message) child.send(message);
  const [answer] = await Promise.race([
    once(child, 'message') as Promise<[T]>,
    once(child, 'exit').then(() => Promise.reject(new Error(`${module} did not start`))),
  ]);
  return { child, answer };
};

/** What the gateway is told of its workers. */
export const workerSetting = (urls: readonly string[], engine: 'localai' | 'vllm' | 'openai') =>
  JSON.stringify(urls.map((url, n) => ({ id: `bench-${n}`, url, engine, models: ['bench'] })));

const WORKERS = 8;
/** As in serverless.yml. */
const MEMORY_MB = 512;
export const AS_DEPLOYED = { MALLOC_ARENA_MAX: '1' };

/** Bundles what is measured, and starts every path. @param outdir folder for the bundles. */
export const startPaths = async (outdir: string): Promise<Paths> => {
  const built = [
    ...(await build({ source: here('functions'), outdir: join(outdir, 'bare') })),
    ...(await build({ outdir: join(outdir, 'gateway') })),
  ];
  await buildServer();
  const bundles = {
    bare: join(outdir, 'bare', 'bare'),
    openai: join(outdir, 'gateway', 'openai'),
    audio: join(outdir, 'gateway', 'audio'),
  };
  const worker = await forked<number[]>('worker.ts', [String(WORKERS)]);
  const workerUrls = worker.answer.map((port) => `http://127.0.0.1:${port}`);
  const first = workerUrls.slice(0, 1);

  const fn = (name: string, bundle: keyof typeof bundles, environment: Readonly<Record<string, string>>) => ({
    name,
    bundleDir: bundles[bundle],
    handler: 'index.handler',
    timeoutSeconds: 900,
    memory: MEMORY_MB,
    environment: { ...lambdaFlags(MEMORY_MB), ...environment },
    hasUrl: true,
  });
  const bare = { BENCH_WORKER: first[0] ?? '' };
  const gateway = (urls: readonly string[], engine: 'localai' | 'vllm', header: boolean) => ({
    LOCALAI_WORKERS: workerSetting(urls, engine),
    ...AS_DEPLOYED,
    GATEWAY_ALLOW_ANONYMOUS: 'true',
    LOCALAI_EXPOSE_NODE_HEADER: String(header),
  });
  const functions = [
    fn('bare', 'bare', bare),
    fn('bare-again', 'bare', bare),
    fn('bare-pool', 'bare', bare),
    fn('gateway', 'openai', gateway(first, 'localai', false)),
    fn('gateway-on', 'openai', gateway(first, 'localai', true)),
    fn('gateway-8', 'openai', gateway(workerUrls, 'localai', true)),
    fn('gateway-probes', 'openai', gateway(workerUrls, 'vllm', true)),
    fn('gateway-pool', 'openai', gateway(first, 'localai', false)),
    fn('gateway-media', 'audio', gateway(first, 'localai', false)),
  ];
  const platform = await forked<Started>('platform.ts', [], { functions });
  const { urls, runtime } = platform.answer;

  const pidsOf = async (name: string | undefined): Promise<readonly number[]> => {
    platform.child.send('pids');
    const [all] = (await once(platform.child, 'message')) as [Pids];
    return all.filter(({ functionName }) => functionName === name).map(({ pid }) => pid);
  };
  const lambda = (name: string, targets: Readonly<Partial<Record<Target, string>>>): Path => ({
    name,
    urls: Object.fromEntries(Object.entries(targets).map(([target, used]) => [target, urls[used]])),
    headers: {},
    pids: (target) => pidsOf(targets[target]),
  });
  const everywhere = (url = '') => ({ text: url, pool: url, media: url });
  const peerPath = ({ name, url, headers, pids }: Peer): Path => ({
    name,
    urls: everywhere(url),
    headers,
    pids: async () => pids(),
  });

  const notes: string[] = [];
  const peers: Peer[] = [];
  const nginx = await startNginx(first[0] ?? '');
  if (nginx) peers.push(nginx);
  else notes.push('nginx: not found, so not measured (apt-get install nginx).');
  try {
    peers.push(await startPortkey(first[0] ?? ''));
  } catch (error) {
    notes.push(
      `portkey: could not be fetched or started, so not measured (${(error as Error).message.split('\n')[0]}).`,
    );
  }

  const container = await startContainer({
    env: { LOCALAI_WORKERS: workerSetting(first, 'localai'), GATEWAY_ALLOW_ANONYMOUS: 'true' },
  });

  const children: ChildProcess[] = [worker.child, platform.child];
  return {
    all: [
      { name: 'direct', urls: everywhere(first[0]), headers: {}, pids: async () => [] },
      lambda('bare', { text: 'bare', media: 'bare', pool: 'bare-pool' }),
      lambda('bare-again', { text: 'bare-again', media: 'bare-again' }),
      lambda('gateway', { text: 'gateway', media: 'gateway-media', pool: 'gateway-pool' }),
      lambda('gateway-on', { text: 'gateway-on' }),
      lambda('gateway-8', { text: 'gateway-8' }),
      lambda('gateway-probes', { text: 'gateway-probes' }),
      {
        name: 'container',
        urls: everywhere(container.origin),
        headers: {},
        pids: async () => [container.child.pid ?? 0],
      },
      ...peers.map(peerPath),
    ],
    notes,
    runtime,
    platformPid: platform.child.pid ?? 0,
    workerUrls,
    bundles,
    bytes: Object.fromEntries(built.map(({ name, bytes }) => [name, bytes])),
    async [Symbol.asyncDispose]() {
      for (const peer of peers) peer.close();
      await container.close();
      await Promise.all(
        children.map((child) => {
          const exited = once(child, 'exit');
          child.disconnect();
          return exited;
        }),
      );
    },
  };
};
