import * as v from 'valibot';
import type { Environment } from './aws/environment.ts';
import { engineNames } from './engines/index.ts';
import { type PolicyName, policyNames } from './router/policies/index.ts';
import type { Worker } from './worker.ts';

/** A setting that cannot be used; `variable` names it. */
export class ConfigError extends Error {
  readonly variable: string;
  constructor(variable: string, problem: string) {
    super(`${variable}: ${problem}`);
    this.name = 'ConfigError';
    this.variable = variable;
  }
}

const flag = v.pipe(
  v.string(),
  v.trim(),
  v.toLowerCase(),
  v.picklist(['true', '1', 'false', '0', ''], 'must be true or false'),
  v.transform((text) => text === 'true' || text === '1'),
);
const number = (minimum: number, maximum: number) =>
  v.pipe(
    v.string(),
    v.regex(/^\s*\d+(\.\d+)?\s*$/, 'must be a number'),
    v.transform(Number),
    v.minValue(minimum, `must be at least ${minimum}`),
    v.maxValue(maximum, `must be at most ${maximum}`),
  );
const list = v.pipe(
  v.string(),
  v.transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean),
  ),
);
const httpUrl = v.pipe(
  v.string(),
  v.trim(),
  v.check((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'must be an http or https URL'),
  v.transform((text) => text.replace(/\/+$/, '')),
);
const worker = v.strictObject({
  id: v.pipe(v.string(), v.regex(/^[\x21-\x7e]{1,128}$/, 'must be 1-128 printable ASCII characters without spaces')),
  url: httpUrl,
  models: v.optional(v.array(v.string())),
  engine: v.optional(v.picklist(engineNames, `must be one of ${engineNames.join(', ')}`)),
  load: v.optional(v.picklist(['haproxy'], 'must be haproxy')),
  apiKey: v.optional(v.string()),
  labels: v.optional(v.record(v.string(), v.string())),
});

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const workers = v.pipe(
  v.string(),
  v.transform((text): unknown => {
    const trimmed = text.trim();
    if (trimmed.startsWith('[') || trimmed.startsWith('{')) return parseJson(trimmed);
    return trimmed
      .split(',')
      .map((url) => url.trim())
      .filter(Boolean)
      .map((url, index) => ({ id: `worker-${index + 1}`, url }));
  }),
  v.array(worker, 'must be a JSON array of workers or a comma-separated list of URLs'),
  v.check((all) => new Set(all.map(({ id }) => id)).size === all.length, 'ids must be unique'),
  v.transform((all) => all.map((one): Worker => ({ engine: 'localai', ...one, name: one.id, status: 'healthy' }))),
);

/** Every variable, its default and its type (CONTRACT.md 8). */
const schema = v.object({
  LOCALAI_EXPOSE_NODE_HEADER: v.optional(flag, 'false'),
  LOCALAI_WORKERS: v.optional(workers),
  LOCALAI_API_KEY: v.optional(list, ''),
  LOCALAI_ADMIN_KEY: v.optional(list, ''),
  GATEWAY_ALLOW_ANONYMOUS: v.optional(flag, 'false'),
  GATEWAY_SSM_PREFIX: v.optional(
    v.pipe(
      v.string(),
      v.trim(),
      v.regex(/^\/[\w./-]*\w\/?$/, 'must be a parameter path such as /localai-gateway/dev'),
      v.transform((text) => text.replace(/\/+$/, '')),
    ),
  ),
  GATEWAY_CONFIG_TTL_SECONDS: v.optional(number(0.1, 86_400), '10'),
  GATEWAY_POLICY: v.optional(v.picklist(policyNames, `must be one of ${policyNames.join(', ')}`), 'affinity'),
  GATEWAY_MAX_ATTEMPTS: v.optional(v.pipe(number(1, 100), v.integer('must be a whole number')), '3'),
  GATEWAY_CONNECT_TIMEOUT_MS: v.optional(number(1, 60_000), '1000'),
  GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS: v.optional(number(0.01, 900)),
  GATEWAY_IDLE_TIMEOUT_SECONDS: v.optional(number(0.01, 900), '60'),
  GATEWAY_KEEPALIVE_SECONDS: v.optional(number(0.01, 900), '10'),
  GATEWAY_DEADLINE_MARGIN_MS: v.optional(number(0, 60_000), '1500'),
  GATEWAY_MAX_BODY_BYTES: v.optional(v.pipe(number(1, 6_291_456), v.integer('must be a whole number'))),
  GATEWAY_CORS_ORIGINS: v.optional(list, ''),
  GATEWAY_UPLOAD_BUCKET: v.optional(v.pipe(v.string(), v.trim(), v.nonEmpty('must name a bucket'))),
  GATEWAY_UPLOAD_MAX_BYTES: v.optional(v.pipe(number(1, 5e9), v.integer('must be a whole number')), '200000000'),
  GATEWAY_EDGE_SECRET: v.optional(v.pipe(v.string(), v.nonEmpty('must not be empty'))),
});

/** The parsed settings, one name per variable of CONTRACT.md 8; times in milliseconds, sizes in bytes. */
export interface Config {
  readonly exposeNodeHeader: boolean;
  /** `undefined`: not given, so the fleet comes from SSM. */
  readonly workers: readonly Worker[] | undefined;
  readonly apiKeys: readonly string[];
  readonly adminKeys: readonly string[];
  readonly allowAnonymous: boolean;
  readonly ssmPrefix: string | undefined;
  readonly configTtlMs: number;
  readonly policy: PolicyName;
  readonly maxAttempts: number;
  readonly connectTimeoutMs: number;
  /** `undefined`: 120 s for streams, the deadline for buffered requests. */
  readonly firstByteTimeoutMs: number | undefined;
  readonly idleTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly deadlineMarginMs: number;
  readonly maxBodyBytes: number | undefined;
  readonly corsOrigins: readonly string[];
  readonly uploadBucket: string | undefined;
  readonly uploadMaxBytes: number;
  readonly edgeSecret: string | undefined;
  /** `OTEL_SERVICE_NAME`: under which metrics are kept. */
  readonly serviceName: string;
  /** The AWS SDK's own variables: region, credentials, endpoints. */
  readonly aws: Environment;
}

const seconds = (value: number) => value * 1000;

/**
 * Reads the settings once.
 * @param env usually `process.env`; an empty string counts as not given.
 * @throws {ConfigError} naming the first variable that is unknown (`GATEWAY_*`) or does not parse.
 */
export const parseConfig = (env: Environment): Config => {
  const given = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => value && /^(GATEWAY|LOCALAI)_/.test(name)),
  );
  const unknown = Object.keys(given).find((name) => name.startsWith('GATEWAY_') && !(name in schema.entries));
  if (unknown) throw new ConfigError(unknown, 'is not a setting of the gateway');
  const result = v.safeParse(schema, given, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    const [variable = '', ...inside] = v.getDotPath(issue)?.split('.') ?? [];
    throw new ConfigError(variable, inside.length ? `${inside.join('.')} ${issue.message}` : issue.message);
  }
  const settings = result.output;
  return {
    exposeNodeHeader: settings.LOCALAI_EXPOSE_NODE_HEADER,
    workers: settings.LOCALAI_WORKERS,
    apiKeys: settings.LOCALAI_API_KEY,
    adminKeys: settings.LOCALAI_ADMIN_KEY,
    allowAnonymous: settings.GATEWAY_ALLOW_ANONYMOUS,
    ssmPrefix: settings.GATEWAY_SSM_PREFIX,
    configTtlMs: seconds(settings.GATEWAY_CONFIG_TTL_SECONDS),
    policy: settings.GATEWAY_POLICY,
    maxAttempts: settings.GATEWAY_MAX_ATTEMPTS,
    connectTimeoutMs: settings.GATEWAY_CONNECT_TIMEOUT_MS,
    firstByteTimeoutMs:
      settings.GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS === undefined
        ? undefined
        : seconds(settings.GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS),
    idleTimeoutMs: seconds(settings.GATEWAY_IDLE_TIMEOUT_SECONDS),
    keepAliveMs: seconds(settings.GATEWAY_KEEPALIVE_SECONDS),
    deadlineMarginMs: settings.GATEWAY_DEADLINE_MARGIN_MS,
    maxBodyBytes: settings.GATEWAY_MAX_BODY_BYTES,
    corsOrigins: settings.GATEWAY_CORS_ORIGINS,
    uploadBucket: settings.GATEWAY_UPLOAD_BUCKET,
    uploadMaxBytes: settings.GATEWAY_UPLOAD_MAX_BYTES,
    edgeSecret: settings.GATEWAY_EDGE_SECRET,
    serviceName: env.OTEL_SERVICE_NAME || 'localai-lambda-gateway',
    aws: Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('AWS_'))),
  };
};

/** The one place where the process's environment is read. */
export const readConfig = (env: Environment = process.env): Config => parseConfig(env);
