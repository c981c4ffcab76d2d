import * as v from 'valibot';
import type { Environment } from './aws/environment.ts';
import { digestEntry } from './discovery/keys.ts';
import { listedWorker } from './discovery/listed-worker.ts';
import { readJson } from './json.ts';
import { policyNames } from './router/policies/index.ts';
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

/** Why nobody can listen there, by the code of Node's error: which setting it is, and what helps. */
const LISTEN_PROBLEMS: ReadonlyMap<string | undefined, readonly [variable: string, help: string]> = new Map([
  ['EADDRINUSE', ['PORT', 'choose another with PORT=...']],
  ['EACCES', ['PORT', 'choose one above 1023 with PORT=...']],
  ['EADDRNOTAVAIL', ['HOST', 'it is no address of this machine']],
  ['ENOTFOUND', ['HOST', 'it is no address of this machine']],
]);

/** @returns what to tell whoever started a program that could not: of a setting its name and what is wrong, else all. */
export const startProblem = (error: NodeJS.ErrnoException): unknown => {
  if (error instanceof ConfigError) return error.message;
  const [variable, help] = LISTEN_PROBLEMS.get(error.code) ?? [];
  return variable ? `${variable}: ${error.message}; ${help}` : error;
};

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

/** As browsers say them: in lower case, and without the slash that an address bar shows (RFC 6454 6.2). */
const origins = v.pipe(
  list,
  v.transform((all) => all.map((origin) => origin.replace(/\/$/, '').toLowerCase())),
);

const keys = v.pipe(
  list,
  v.check(
    (all) => all.every((key) => digestEntry(key) !== undefined),
    'must be keys, or sha256: with 64 hexadecimal digits',
  ),
);

const workers = v.pipe(
  v.string(),
  v.transform((text): unknown => {
    const trimmed = text.trim();
    if (trimmed.startsWith('[') || trimmed.startsWith('{')) return readJson(trimmed);
    return trimmed
      .split(',')
      .map((url) => url.trim())
      .filter(Boolean)
      .map((url, index) => ({ id: `worker-${index + 1}`, url }));
  }),
  v.array(listedWorker, 'must be a JSON array of workers or a comma-separated list of URLs'),
  v.check((all) => new Set(all.map(({ id }) => id)).size === all.length, 'ids must be unique'),
  v.transform((all) => all.map((one): Worker => ({ ...one, name: one.id, status: 'healthy' }))),
);

const whole = (minimum: number, maximum: number) =>
  v.pipe(number(minimum, maximum), v.integer('must be a whole number'));
const seconds = (minimum: number, maximum: number) =>
  v.pipe(
    number(minimum, maximum),
    v.transform((value) => value * 1000),
  );

const setting = <const Schema extends v.GenericSchema<string | undefined, unknown>>(
  variable: string,
  schema: Schema,
) => ({ variable, schema });

/**
 * The table (docs/contract.md 8): a setting is one row: its name in the code, its variable, what it may say, its default.
 * Times become milliseconds; sizes are bytes.
 */
const SETTINGS = {
  exposeNodeHeader: setting('LOCALAI_EXPOSE_NODE_HEADER', v.optional(flag, 'false')),
  /** `undefined`: not given, so the fleet comes from SSM. */
  workers: setting('LOCALAI_WORKERS', v.optional(workers)),
  apiKeys: setting('LOCALAI_API_KEY', v.optional(keys, '')),
  adminKeys: setting('LOCALAI_ADMIN_KEY', v.optional(keys, '')),
  allowAnonymous: setting('GATEWAY_ALLOW_ANONYMOUS', v.optional(flag, 'false')),
  ssmPrefix: setting(
    'GATEWAY_SSM_PREFIX',
    v.optional(
      v.pipe(
        v.string(),
        v.trim(),
        v.regex(/^\/[\w./-]*\w\/?$/, 'must be a parameter path such as /localai-gateway/dev'),
        v.transform((text) => text.replace(/\/+$/, '')),
      ),
    ),
  ),
  configTtlMs: setting('GATEWAY_CONFIG_TTL_SECONDS', v.optional(seconds(0.1, 86_400), '10')),
  policy: setting(
    'GATEWAY_POLICY',
    v.optional(v.picklist(policyNames, `must be one of ${policyNames.join(', ')}`), 'affinity'),
  ),
  maxAttempts: setting('GATEWAY_MAX_ATTEMPTS', v.optional(whole(1, 100), '3')),
  connectTimeoutMs: setting('GATEWAY_CONNECT_TIMEOUT_MS', v.optional(number(1, 60_000), '1000')),
  /** `undefined`: 600 s for streams, the deadline for buffered requests. */
  firstByteTimeoutMs: setting('GATEWAY_FIRST_BYTE_TIMEOUT_SECONDS', v.optional(seconds(0.01, 900))),
  idleTimeoutMs: setting('GATEWAY_IDLE_TIMEOUT_SECONDS', v.optional(seconds(0.01, 900), '300')),
  keepAliveMs: setting('GATEWAY_KEEPALIVE_SECONDS', v.optional(seconds(0.01, 900), '10')),
  deadlineMarginMs: setting('GATEWAY_DEADLINE_MARGIN_MS', v.optional(number(0, 60_000), '1500')),
  maxBodyBytes: setting('GATEWAY_MAX_BODY_BYTES', v.optional(whole(1, 1e9))),
  corsOrigins: setting('GATEWAY_CORS_ORIGINS', v.optional(origins, '')),
  uploadBucket: setting(
    'GATEWAY_UPLOAD_BUCKET',
    v.optional(v.pipe(v.string(), v.trim(), v.nonEmpty('must name a bucket'))),
  ),
  uploadMaxBytes: setting('GATEWAY_UPLOAD_MAX_BYTES', v.optional(whole(1, 5e9), '200000000')),
  edgeSecret: setting('GATEWAY_EDGE_SECRET', v.optional(v.string())),
  wakeWaitMs: setting('GATEWAY_WAKE_WAIT_SECONDS', v.optional(seconds(0, 900), '60')),
  wakeHoldMs: setting('GATEWAY_WAKE_HOLD_SECONDS', v.optional(seconds(0, 900), '300')),
  translate: setting('GATEWAY_TRANSLATE', v.optional(flag, 'true')),
  /** `undefined`: a quarter of the memory limit. Container only, as the two below. */
  bufferedBytes: setting('GATEWAY_BUFFERED_BYTES', v.optional(whole(1, 1e12))),
  requestMs: setting('GATEWAY_REQUEST_SECONDS', v.optional(seconds(1, 86_400), '3600')),
  drainMs: setting('GATEWAY_DRAIN_SECONDS', v.optional(seconds(0, 86_400), '900')),
  /** Under which metrics are kept. */
  serviceName: setting('OTEL_SERVICE_NAME', v.optional(v.string(), 'localai-lambda-gateway')),
} as const;

type Settings = typeof SETTINGS;

/** The parsed settings: a field a row. */
export type Config = { readonly [Field in keyof Settings]: v.InferOutput<Settings[Field]['schema']> } & {
  /** The AWS SDK's own variables: region, credentials, endpoints. */
  readonly aws: Environment;
};

const variables: ReadonlySet<string> = new Set(Object.values(SETTINGS).map(({ variable }) => variable));

/** @throws {ConfigError} when the value is none that the setting can have. The message tells of the place, never of the value. */
const parseSetting = ({ variable, schema }: Settings[keyof Settings], env: Environment): unknown => {
  // An empty string counts as not given.
  const result = v.safeParse(schema, env[variable] || undefined, { abortEarly: true, message: 'is not valid' });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const inside = v.getDotPath(issue);
  throw new ConfigError(variable, inside ? `${inside} ${issue.message}` : issue.message);
};

/**
 * Reads the settings once.
 * @param env usually `process.env`.
 * @throws {ConfigError} naming the first variable that is unknown (`GATEWAY_*`) or does not parse.
 */
export const parseConfig = (env: Environment): Config => {
  const unknown = Object.keys(env).find((name) => name.startsWith('GATEWAY_') && env[name] && !variables.has(name));
  if (unknown) throw new ConfigError(unknown, 'is not a setting of the gateway');
  const parsed = Object.entries(SETTINGS).map(([field, row]) => [field, parseSetting(row, env)]);
  const aws = Object.entries(env).filter(([name]) => name.startsWith('AWS_'));
  return { ...Object.fromEntries(parsed), aws: Object.fromEntries(aws) } as Config;
};

/** The one place where the process's environment is read. */
export const readConfig = (env: Environment = process.env): Config => parseConfig(env);
