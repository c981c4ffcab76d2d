import { UnavailableError } from '../errors.ts';
import { log } from '../telemetry/log.ts';
import type { Worker } from '../worker.ts';
import { digestEntry, noKey } from './keys.ts';
import type { AskWorker } from './look.ts';
import type { Snapshot, Source } from './source.ts';
import { createSsmSource, type SsmSourceOptions } from './ssm.ts';
import { createStaticWorkers } from './static.ts';

const isBroken = async (): Promise<never> => {
  throw new UnavailableError('The gateway is not configured correctly; its log names the setting.', { retryAfter: 30 });
};

/** Answers 503 to everything until somebody mends the settings; their names are in the log. */
export const brokenSource: Source = { current: isBroken, refreshed: isBroken, settled: async () => {} };

/** Settings of the same names (`lib/config.ts`). */
export interface SourceSettings
  extends Pick<SsmSourceOptions, 'exposeNodeHeader' | 'apiKeys' | 'adminKeys' | 'credentials'> {
  /** `undefined`: the fleet comes from SSM. */
  readonly workers: readonly Worker[] | undefined;
  readonly ssmPrefix: string | undefined;
  readonly configTtlMs: number;
  /** The AWS SDK's own variables. */
  readonly aws: SsmSourceOptions['env'];
}

/** @returns where settings and fleet come from: SSM where a prefix is given, else the environment alone. */
export const createSource = (settings: SourceSettings, ask: AskWorker): Source => {
  const { workers, ssmPrefix: prefix, configTtlMs: ttlMs, exposeNodeHeader, apiKeys, adminKeys, aws } = settings;
  const { credentials } = settings;
  const staticWorkers = workers && createStaticWorkers({ workers, ttlMs, ask, log });
  if (prefix !== undefined) {
    const ssm = { prefix, ttlMs, env: aws, credentials };
    return createSsmSource({ ...ssm, exposeNodeHeader, apiKeys, adminKeys, staticWorkers });
  }
  const fixed: Omit<Snapshot, 'workers'> = {
    exposeNodeHeader,
    apiKeys: apiKeys.map((key) => digestEntry(key) ?? noKey),
    adminKeys: adminKeys.map((key) => digestEntry(key) ?? noKey),
    aliases: {},
  };
  const current: Source['current'] = async (signal) => ({
    ...fixed,
    workers: (await staticWorkers?.current(signal)) ?? [],
  });
  return {
    current,
    refreshed: current,
    settled: async () => staticWorkers?.settled(),
  };
};
