import { accessSync, constants, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FunctionError } from '../../infra/local/runtime-api.ts';
import type { Asked } from './client.ts';
import { startEnvironment } from './environment.ts';
import { AS_DEPLOYED, type Paths, workerSetting } from './paths.ts';
import { peakRssMb } from './process-figures.ts';
import { buffered, burst, bytes, type Figures, images, upload } from './workloads.ts';

const MEGABYTE = 1024 * 1024;

const times = (count: number, asked: Asked): Asked[] => Array.from({ length: count }, () => asked);

/** The same work for every process; large bodies twice, so that what the first leaves behind shows. */
const work = (media: boolean): Asked[] =>
  media
    ? [...times(3, bytes), ...times(3, upload), ...times(3, bytes)]
    : [...times(400, buffered), ...times(20, burst), ...times(3, images), ...times(200, buffered)];

interface Kind {
  readonly name: string;
  readonly bundleDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly media: boolean;
}

const kindsOf = (paths: Paths): readonly Kind[] => {
  const [worker = ''] = paths.workerUrls;
  const gateway = {
    ...AS_DEPLOYED,
    GATEWAY_ALLOW_ANONYMOUS: 'true',
    LOCALAI_WORKERS: workerSetting([worker], 'localai'),
  };
  return [
    { name: 'bare', bundleDir: paths.bundles.bare, env: { BENCH_WORKER: worker }, media: false },
    { name: 'gateway', bundleDir: paths.bundles.openai, env: gateway, media: false },
    { name: 'bare-media', bundleDir: paths.bundles.bare, env: { BENCH_WORKER: worker }, media: true },
    { name: 'gateway-media', bundleDir: paths.bundles.audio, env: gateway, media: true },
  ];
};

/** Where Linux's first kind of control groups is, and may be written. */
const GROUPS = '/sys/fs/cgroup/memory';

/** Runs the work in a fresh process. @returns its peak, undefined when it did not survive. */
const peakAfterWork = async (
  { name, bundleDir, env, media }: Kind,
  memoryMb: number,
  isLimited: boolean,
): Promise<number | undefined> => {
  const [first, ...rest] = work(media) as [Asked, ...Asked[]];
  const group = join(GROUPS, `localai-gateway-bench-${process.pid}-${name}`);
  if (isLimited) {
    mkdirSync(group);
    writeFileSync(join(group, 'memory.limit_in_bytes'), String(memoryMb * MEGABYTE));
  }
  const memoryGroup = isLimited ? join(group, 'cgroup.procs') : undefined;
  try {
    const environment = await startEnvironment({ bundleDir, env, memoryMb, first, memoryGroup });
    try {
      for (const asked of rest) await environment.invoke(asked);
      return peakRssMb(environment.pid);
    } finally {
      await environment.stop();
    }
  } catch (error) {
    if (error instanceof FunctionError) return undefined;
    throw error;
  } finally {
    if (isLimited) rmdirSync(group);
  }
};

/** @returns by path, the peak of a fresh process of the deployed size that did the same work, one a round. */
export const measureMemory = async (paths: Paths, rounds: number): Promise<Record<string, Figures[]>> => {
  const kinds = kindsOf(paths);
  const figures: Record<string, Figures[]> = Object.fromEntries(kinds.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of kinds) {
      const peak = await peakAfterWork(kind, kind.media ? MEDIA_MB : TEXT_MB, false);
      if (peak === undefined) throw new Error(`${kind.name} did not survive its work`);
      figures[kind.name]?.push({ peakRssMb: peak });
    }
  }
  return figures;
};

/** As in serverless.yml. */
const TEXT_MB = 512;
const MEDIA_MB = 1024;
/** Lambda's sizes that are tried, MB. */
const SIZES = [128, 160, 192, 256, 384, 512, 768, 1024];

/**
 * Runs the same work in control groups of Lambda's sizes; there is no swap.
 * @returns by path, the smallest size that served everything; undefined where there are no control groups to make.
 */
export const smallestMemory = async (paths: Paths): Promise<Record<string, number> | undefined> => {
  try {
    accessSync(GROUPS, constants.W_OK);
  } catch {
    return undefined;
  }
  const smallest: Record<string, number> = {};
  for (const kind of kindsOf(paths)) {
    for (const size of SIZES) {
      if ((await peakAfterWork(kind, size, true)) === undefined) continue;
      smallest[kind.name] = size;
      break;
    }
  }
  return smallest;
};
