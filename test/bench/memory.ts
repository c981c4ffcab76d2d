import { mkdirSync, rmdirSync } from 'node:fs';
import type { Asked } from './client.ts';
import { startEnvironment } from './environment.ts';
import { type Paths, workerSetting } from './paths.ts';
import { memoryGroup, peakRssMb } from './process-figures.ts';
import { buffered, burst, bytes, type Figures, images, upload } from './workloads.ts';

const MEGABYTE = 1024 * 1024;

const times = (count: number, asked: Asked): Asked[] => Array.from({ length: count }, () => asked);

/** The same work for every process; large bodies twice, so that what the first leaves behind shows. */
const work = (media: boolean): Asked[] =>
  media
    ? [...times(3, bytes), ...times(3, upload), ...times(3, bytes)]
    : [...times(400, buffered), ...times(20, burst), ...times(3, images), ...times(200, buffered)];

const kindsOf = (paths: Paths) => {
  const [worker = ''] = paths.workerUrls;
  const gateway = { GATEWAY_ALLOW_ANONYMOUS: 'true', LOCALAI_WORKERS: workerSetting([worker], 'localai') };
  return [
    { name: 'bare', bundleDir: paths.bundles.bare, env: { BENCH_WORKER: worker }, media: false },
    { name: 'gateway', bundleDir: paths.bundles.openai, env: gateway, media: false },
    { name: 'bare-media', bundleDir: paths.bundles.bare, env: { BENCH_WORKER: worker }, media: true },
    { name: 'gateway-media', bundleDir: paths.bundles.audio, env: gateway, media: true },
  ];
};

/** @returns by path, the peak of a fresh process that did the same work, one a round. */
export const measureMemory = async (paths: Paths, rounds: number): Promise<Record<string, Figures[]>> => {
  const kinds = kindsOf(paths);
  const figures: Record<string, Figures[]> = Object.fromEntries(kinds.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, bundleDir, env, media } of kinds) {
      const [first, ...rest] = work(media) as [Asked, ...Asked[]];
      const environment = await startEnvironment({ bundleDir, env, first });
      try {
        for (const asked of rest) await environment.invoke(asked);
        figures[name]?.push({ peakRssMb: peakRssMb(environment.pid) });
      } finally {
        await environment.stop();
      }
    }
  }
  return figures;
};

/** Lambda's sizes that are tried, MB. */
const SIZES = [128, 192, 256, 384, 512, 768, 1024];

/**
 * Runs the same work in control groups of Lambda's sizes, swap off, with the heap limit that Lambda's runtime sets.
 * @returns by path, the smallest size that served everything; undefined where the kernel gives no control groups.
 */
export const smallestMemory = async (paths: Paths): Promise<Record<string, number> | undefined> => {
  const smallest: Record<string, number> = {};
  for (const { name, bundleDir, env, media } of kindsOf(paths)) {
    const [first, ...rest] = work(media) as [Asked, ...Asked[]];
    for (const size of SIZES) {
      const group = `localai-gateway-bench-${process.pid}-${name}-${size}`;
      const folder = `/sys/fs/cgroup/memory/${group}`;
      try {
        mkdirSync(folder);
      } catch {
        return undefined;
      }
      const file = memoryGroup(group, size * MEGABYTE);
      const isEnough = await startEnvironment({
        bundleDir,
        // As the start script in AWS's Node base images does.
        env: {
          ...env,
          NODE_OPTIONS: `--max-old-space-size=${Math.floor(size * 0.9)} --max-semi-space-size=${Math.ceil(size * 0.05)}`,
        },
        first,
        memoryGroup: file,
      })
        .then(async (environment) => {
          try {
            for (const asked of rest) await environment.invoke(asked);
            return true;
          } finally {
            await environment.stop();
          }
        })
        .catch(() => false);
      rmdirSync(folder);
      if (isEnough) {
        smallest[name] = size;
        break;
      }
    }
  }
  return smallest;
};
