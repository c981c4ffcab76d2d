import { encodeFleet, POINTER_NAME } from '../../lib/discovery/fleet.ts';
import { type Aws, startAws } from '../support/aws.ts';
import { type BenchEnvironmentOptions, startEnvironment } from './environment.ts';
import { AS_DEPLOYED, type Paths, workerSetting } from './paths.ts';
import type { Figures } from './workloads.ts';
import { buffered } from './workloads.ts';

type Kind = Omit<BenchEnvironmentOptions, 'first' | 'memoryMb'> & { readonly name: string };

const PREFIX = '/localai-gateway/bench';

/** A fleet of one worker and the header's switch, as registrar and operator would have left them. */
const seed = ({ ssm }: Aws, url: string) => {
  const worker = {
    id: 'bench-0',
    name: 'bench-0',
    url,
    status: 'healthy',
    engine: 'localai',
    service: 'bench',
  } as const;
  const { pointer, shards } = encodeFleet([{ ...worker, models: ['bench'] }], 1);
  for (const [name, value] of shards) ssm.put(`${PREFIX}/${name}`, value);
  ssm.put(`${PREFIX}/${POINTER_NAME}`, JSON.stringify({ ...pointer, seenAt: new Date().toISOString() }));
  ssm.put(`${PREFIX}/runtime/expose-node-header`, 'true');
};

/**
 * Starts processes in turn, each with a request already waiting: bare, the gateway with its workers in a variable, and
 * the gateway that reads its configuration from SSM.
 * @returns by path, one set of figures a round.
 */
export const measureColdStarts = async (paths: Paths, rounds: number): Promise<Record<string, Figures[]>> => {
  await using aws = await startAws({ region: 'us-east-1' });
  const [worker = ''] = paths.workerUrls;
  seed(aws, worker);
  const common = { ...AS_DEPLOYED, GATEWAY_ALLOW_ANONYMOUS: 'true' };
  const kinds: readonly Kind[] = [
    { name: 'bare', bundleDir: paths.bundles.bare, env: { BENCH_WORKER: worker } },
    { name: 'bare-again', bundleDir: paths.bundles.bare, env: { BENCH_WORKER: worker } },
    {
      name: 'gateway',
      bundleDir: paths.bundles.openai,
      env: { ...common, LOCALAI_WORKERS: workerSetting([worker], 'localai') },
    },
    {
      name: 'gateway-ssm',
      bundleDir: paths.bundles.openai,
      env: { ...common, ...aws.env, GATEWAY_SSM_PREFIX: PREFIX },
    },
  ];
  const figures: Record<string, Figures[]> = Object.fromEntries(kinds.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round += 1) {
    for (let n = 0; n < kinds.length; n += 1) {
      const { name, bundleDir, env } = kinds[(n + round + 1) % kinds.length] as Kind;
      const environment = await startEnvironment({ bundleDir, env, memoryMb: 512, first: buffered });
      await environment.stop();
      const { nextMs, firstByteMs } = environment;
      if (round >= 0) figures[name]?.push({ nextMs, firstByteMs });
    }
  }
  return figures;
};
