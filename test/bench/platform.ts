import { type PlatformOptions, startPlatform } from '../../infra/local/platform.ts';

/**
 * Lambda on this machine as a process of its own, so that what it costs is told from the gateway's cost and from the
 * driver's. Told by message which functions to run; says where they are; answers `pids` with their processes.
 */
export type Started = { readonly urls: Readonly<Record<string, string>>; readonly runtime: string };
export type Pids = readonly { readonly functionName: string; readonly pid: number }[];

process.once('message', async (options: Pick<PlatformOptions, 'functions' | 'env'>) => {
  const platform = await startPlatform({
    ...options,
    routeOf: () => undefined,
    // Freezing is the platform's work; its signals would only add their own noise.
    limits: { freeze: false },
    // A line a request would be the terminal's cost, not the gateway's.
    onLog: (name, line) => {
      if (!line.includes('"event":"request"')) console.error(`${name}: ${line}`);
    },
  });
  process.on('message', () => {
    process.send?.(platform.environments().map(({ functionName, pid }) => ({ functionName, pid })) satisfies Pids);
  });
  process.once('disconnect', () => platform.close().then(() => process.exit()));
  const urls = Object.fromEntries(options.functions.map(({ name }) => [name, platform.urlOf(name)]));
  process.send?.({ urls, runtime: platform.runtime } satisfies Started);
});
