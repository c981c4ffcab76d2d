import type { CredentialsProvider, Environment } from './aws/environment.ts';
import { createSsmCall } from './aws/ssm-client.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { brokenSource, createSource } from './discovery/index.ts';
import type { Wishes } from './discovery/wishes.ts';
import type { CanServe } from './endpoints/endpoint.ts';
import type { Family } from './endpoints/family.ts';
import type { GatewayRequest } from './endpoints/gateway-request.ts';
import { servesOperation } from './engines/index.ts';
import { NotFoundError } from './errors.ts';
import type { Forms } from './http/form-fields.ts';
import type { Reply } from './http/reply.ts';
import { withFallback } from './inference/fallback.ts';
import type { createImages as CreateImages } from './inference/images.ts';
import { createInference } from './inference/inference.ts';
import type { createRealtime as CreateRealtime } from './inference/realtime.ts';
import type { createTranslation as CreateTranslation } from './inference/translation.ts';
import type { createTakeUploads as CreateTakeUploads } from './inference/uploaded-files.ts';
import { createHandler } from './lambda/handler.ts';
import { access, usableSnapshot } from './middleware/access.ts';
import { accessLog } from './middleware/access-log.ts';
import { body } from './middleware/body.ts';
import { bodyLimit } from './middleware/body-limit.ts';
import { contentEncoding } from './middleware/content-encoding.ts';
import { correlationId } from './middleware/correlation-id.ts';
import { cors } from './middleware/cors.ts';
import { edgeSecret } from './middleware/edge-secret.ts';
import { errorHandler, renderError } from './middleware/error-handler.ts';
import { knownEndpoint } from './middleware/known-endpoint.ts';
import type { Middleware } from './middleware/middleware.ts';
import { nodeHeader } from './middleware/node-header.ts';
import type { received as Received } from './middleware/received.ts';
import { createStack, type Run } from './middleware/stack.ts';
import { createEjection } from './router/ejection.ts';
import { policies } from './router/policies/index.ts';
import { createProber } from './router/probe.ts';
import { createRepeats } from './router/repeats.ts';
import { createRouter } from './router/router.ts';
import type { UnderWay } from './router/under-way.ts';
import { log } from './telemetry/log.ts';
import { systemClock } from './time/clock.ts';
import type { Pair } from './translation/index.ts';
import type { createUploads as CreateUploads } from './uploads/uploads.ts';
import { createAsk, createGet } from './upstream/ask.ts';
import { createUpstream } from './upstream/client.ts';

const readOrLog = (env?: Environment): { config: Config; isBroken: boolean } => {
  try {
    return { config: readConfig(env), isBroken: false };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    log('error', 'invalid_setting', { variable: error.variable, problem: error.message });
    return { config: readConfig({}), isBroken: true };
  }
};

/** What a body may have once it is decoded, where no other limit is set: as much as Lambda takes of one. */
const DECODED_BYTES = 6 * 1024 * 1024;

export interface PartsOptions {
  /** Default: `process.env`. */
  readonly env?: Environment;
  /** Wired in by the functions that need them, for every byte of a bundle is parsed at a cold start: where forms are taken, */
  readonly forms?: Forms;
  /** where answers have images, */
  readonly createImages?: typeof CreateImages;
  /** where files may be uploaded first. */
  readonly uploading?: {
    readonly createUploads: typeof CreateUploads;
    readonly createTakeUploads: typeof CreateTakeUploads;
  };
  /** Likewise by those whose clients speak a dialect that some engines lack. */
  readonly translating?: {
    readonly pairs: readonly Pair[];
    readonly createTranslation: typeof CreateTranslation;
  };
  /** Wired in by a process that holds its sockets: what a function has no use for stays out of its bundle. */
  readonly process?: {
    /** `GATEWAY_MAX_BODY_BYTES` where it is not set. */
    readonly maxBodyBytes: number;
    /** The host hands requests over before their bodies. */
    readonly received: typeof Received;
    /** As whom to speak to AWS; temporary credentials run out before the process does. */
    readonly credentials: (env: Environment) => CredentialsProvider;
    /** Turns requests away once it has been told to end. */
    readonly admitted: Middleware;
    /** Sessions over WebSocket. */
    readonly createRealtime: typeof CreateRealtime;
    /** Adds the process's own requests to what workers say of their load. */
    readonly counted: UnderWay['counted'];
  };
}

/** What a host needs of the gateway. */
export interface Parts {
  readonly config: Config;
  /** Middlewares and handler, for requests of any family. */
  readonly run: Run;
  /** Answers an error that comes while the body is made, before its first byte. */
  readonly renderError: typeof renderError;
  /** Resolves when no refresh of the configuration runs any more. */
  readonly settled: () => Promise<void>;
}

/** Puts the parts together, once in a process: configuration -> parts -> the ordered middleware stack. */
export const createParts = ({
  env,
  forms,
  createImages,
  uploading,
  translating,
  process: host,
}: PartsOptions = {}): Parts => {
  const { config, isBroken } = readOrLog(env);
  const upstream = createUpstream({ connectTimeoutMs: config.connectTimeoutMs });
  const ask = createAsk(upstream);
  const credentials = host?.credentials(config.aws);

  const source = isBroken ? brokenSource : createSource({ ...config, credentials }, ask);
  const prober = createProber({ fetchText: createGet(upstream) });
  const router = createRouter({
    policy: policies[config.policy],
    ejection: createEjection(),
    repeats: createRepeats(),
    prober: host ? host.counted(prober) : prober,
  });
  const { uploadBucket: bucket, uploadMaxBytes: maxBytes } = config;
  const uploads =
    bucket === undefined
      ? undefined
      : uploading?.createUploads({ bucket, maxBytes, env: config.aws, credentials, send: upstream.send });
  const takeUploads = uploads && uploading?.createTakeUploads(uploads);
  const translation = config.translate ? translating?.createTranslation(translating.pairs) : undefined;
  const canServe: CanServe = (worker, operation) =>
    servesOperation(worker, operation) || (translation?.canServe(worker, operation) ?? false);
  const { ssmPrefix: prefix } = config;
  let loaded: Promise<Wishes> | undefined;
  const wishes =
    prefix === undefined
      ? undefined
      : () => {
          loaded ??= import('./discovery/wishes.ts').then(({ createWishes }) =>
            createWishes({ prefix, call: createSsmCall(config.aws, credentials), log, clock: systemClock }),
          );
          return loaded;
        };
  const waking = wishes && { source, wishes };
  const infer = withFallback(
    createInference({ config, router, upstream, ask, forms, createImages, uploads, takeUploads, translation, waking }),
    canServe,
  );

  const realtime = host?.createRealtime({ config, router, waking });

  const accessOptions = {
    source,
    isConfigured: config.ssmPrefix !== undefined || config.workers !== undefined,
    allowAnonymous: config.allowAnonymous,
  };

  const handle = async (request: GatewayRequest): Promise<Reply> => {
    const { match, dialect, caller } = request;
    if (!match) throw new NotFoundError('There is no such path here.');
    const { endpoint, params } = match;
    if (realtime && endpoint.operation === 'realtime')
      return realtime(request, request.snapshot ?? (await source.current(request.deadline.signal)));
    if (endpoint.kind === 'own') {
      const snapshot = () => usableSnapshot(accessOptions, request);
      return endpoint.answer({ canServe, request, caller, dialect, params, uploads, snapshot, wishes, ask });
    }
    const snapshot = request.snapshot ?? (await source.current(request.deadline.signal));
    return infer({ endpoint, params }, request, snapshot);
  };

  const bodySize = {
    maxBytes: config.maxBodyBytes ?? host?.maxBodyBytes ?? DECODED_BYTES,
    uploadMaxBytes: uploads?.maxBytes,
  };
  const sizing = host ? [host.received(bodySize)] : config.maxBodyBytes === undefined ? [] : [bodyLimit(bodySize)];
  const run = createStack(
    [
      accessLog({ service: config.serviceName }),
      correlationId(),
      ...(host ? [host.admitted] : []),
      ...(config.edgeSecret === undefined ? [] : [edgeSecret(config.edgeSecret)]),
      ...(config.corsOrigins.length > 0 ? [cors(config.corsOrigins)] : []),
      access(accessOptions),
      knownEndpoint(),
      ...sizing,
      contentEncoding(bodySize),
      body(uploads !== undefined),
      nodeHeader(),
      errorHandler(),
    ],
    handle,
  );
  return { config, run, renderError, settled: () => source.settled() };
};

/**
 * One function: the parts, behind Lambda.
 *
 * @param family which of the functions this is; a function serves its own family's endpoints and no other.
 * @returns the handler to export, for a function URL with `InvokeMode: RESPONSE_STREAM`.
 */
export const createGateway = (family: Family, options: Omit<PartsOptions, 'process'> = {}) => {
  const { config, run, renderError, settled } = createParts(options);
  return createHandler({ family, marginMs: config.deadlineMarginMs, run, renderError, settled });
};
