import type { Config } from './config.ts';
import { digestKey, noKey } from './discovery/keys.ts';
import type { Snapshot, Source } from './discovery/source.ts';
import { createSsmSource } from './discovery/ssm.ts';
import { createStaticSource, type ReadText, withModels } from './discovery/static.ts';
import type { GatewayRequest } from './endpoints/gateway-request.ts';
import { UnavailableError } from './errors.ts';
import { isOpen } from './middleware/authorizer.ts';
import { log } from './telemetry/log.ts';
import type { Ask } from './upstream/ask.ts';

/** Answers 503 to everything until somebody mends the settings; their names are in the log. */
export const brokenSource: Source = {
  current: async () => {
    throw new UnavailableError('The gateway is not configured correctly; its log names the setting.', 30);
  },
  settled: async () => {},
};

/** @returns where settings and fleet come from: SSM where a prefix is given, else the environment alone. */
export const createSource = (config: Config, ask: Ask): Source => {
  const { workers, ssmPrefix, configTtlMs: ttlMs, exposeNodeHeader, apiKeys, adminKeys } = config;
  const read: ReadText = async (worker, path, timeoutMs) => {
    const answer = await ask(worker, path, { timeoutMs });
    return answer && answer.status < 300 ? answer.body : undefined;
  };
  if (ssmPrefix !== undefined) {
    const staticWorkers = workers && (() => withModels(workers, read));
    return createSsmSource({
      prefix: ssmPrefix,
      ttlMs,
      exposeNodeHeader,
      apiKeys,
      adminKeys,
      staticWorkers,
      env: config.aws,
    });
  }
  const settings = {
    exposeNodeHeader,
    apiKeys: apiKeys.map(digestKey),
    adminKeys: adminKeys.map(digestKey),
    aliases: {},
  };
  return createStaticSource({ settings, workers: workers ?? [], ttlMs, log, read });
};

/**
 * The snapshot of an endpoint that answers by itself, `/readyz` among them.
 * @throws {UnavailableError} while nothing is configured, or nobody could call.
 */
export const usable = async (source: Source, config: Config, request: GatewayRequest): Promise<Snapshot> => {
  const snapshot = request.snapshot ?? (await source.current(request.deadline.signal));
  if (config.ssmPrefix === undefined && config.workers === undefined) {
    throw new UnavailableError('No workers are configured.', 30);
  }
  // Whoever showed a key has a snapshot already; `/readyz` asks for nobody in particular.
  const hasKey = snapshot.apiKeys.some((key) => key !== noKey);
  if (!request.snapshot && !hasKey && !isOpen(snapshot, 'key', config.allowAnonymous)) {
    throw new UnavailableError('No usable API key is configured, so nobody may call.', 30);
  }
  return snapshot;
};
