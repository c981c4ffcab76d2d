import { Readable } from 'node:stream';
import type { Context } from 'aws-lambda';
import type { ScaledService } from '../../../lib/discovery/scaled-service.ts';
import type { ForwardedEndpoint } from '../../../lib/endpoints/endpoint.ts';
import type { GatewayRequest } from '../../../lib/endpoints/gateway-request.ts';
import { findEndpoint } from '../../../lib/endpoints/index.ts';
import { createHolder, stamp } from '../../../lib/holder.ts';
import type { InferenceRequest } from '../../../lib/inference/inference-request.ts';
import { toGatewayRequest } from '../../../lib/lambda/request.ts';
import type { Router } from '../../../lib/router/router.ts';
import type { Upstream } from '../../../lib/upstream/client.ts';
import type { UpstreamRequest, UpstreamResponse } from '../../../lib/upstream/exchange.ts';
import { ExchangeError, type ExchangeProblem } from '../../../lib/upstream/exchange-error.ts';
import type { Worker } from '../../../lib/worker.ts';
import { type Asking, urlEvent } from './in-process-gateway.ts';

/** What a worker does with one request. */
export type Script = (request: UpstreamRequest) => Promise<UpstreamResponse> | UpstreamResponse;

export const workerOf = (id: string, more: Partial<Worker> = {}): Worker => ({
  id,
  name: id,
  url: `http://${id}.test:8080`,
  status: 'healthy',
  engine: 'localai',
  ...more,
});

/** A service that sleeps. */
export const serviceOf = (more: Partial<ScaledService> = {}): ScaledService => ({
  name: 'chat',
  state: 'asleep',
  since: 0,
  desired: 0,
  running: 0,
  healthy: 0,
  models: ['m'],
  min: 0,
  max: 1,
  idleMinutes: 15,
  ...more,
});

const bytes = (text: string) => Buffer.from(text);

/** Rejects like the real client once the request is given up. */
export const abortOf = (signal: AbortSignal, sent = true): Promise<never> =>
  new Promise((_, reject) => {
    const abort = () => reject(new ExchangeError('aborted', { sent }));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });

/** A response with its body in these chunks; an error among them breaks it there, `'hang'` holds it open. */
export const response = (
  status: number,
  chunks: readonly (string | Error)[] = [''],
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Script => {
  return ({ signal }) => {
    return {
      status,
      headers,
      body: Readable.from(
        (async function* () {
          for (const chunk of chunks) {
            if (chunk instanceof Error) throw chunk;
            if (chunk === 'hang') await abortOf(signal);
            else if (chunk) yield bytes(chunk);
          }
        })(),
      ),
      discard: () => {},
    };
  };
};

export const sse = (...chunks: (string | Error)[]): Script =>
  response(200, chunks, { 'content-type': 'text/event-stream' });

export const failing =
  (kind: ExchangeProblem, sent = true): Script =>
  () =>
    Promise.reject(new ExchangeError(kind, { sent }));

/** Never answers; ends when it is given up. */
export const silent: Script = ({ signal }) => abortOf(signal);

export interface Fleet {
  readonly workers: readonly Worker[];
  readonly router: Router;
  readonly upstream: Upstream;
  /** Ids in the order in which they were asked. */
  readonly asked: string[];
  readonly requests: UpstreamRequest[];
  readonly failed: string[];
  readonly errored: string[];
  readonly succeeded: string[];
}

/** Workers tried in the order given, each with its script; a router without chance and a client without sockets. */
export const createFleet = (scripts: Readonly<Record<string, Script>>): Fleet => {
  const workers = Object.keys(scripts).map((id) => workerOf(id));
  const asked: string[] = [];
  const requests: UpstreamRequest[] = [];
  const failed: string[] = [];
  const errored: string[] = [];
  const succeeded: string[] = [];
  return {
    workers,
    asked,
    requests,
    failed,
    errored,
    succeeded,
    router: {
      hasNext: ({ tried }) => workers.some(({ id }) => !tried.has(id)),
      async pick({ tried, holder }) {
        const next = workers.find(({ id }) => !tried.has(id));
        if (next) stamp(holder, next.id);
        return next;
      },
      failed: ({ id }) => failed.push(id),
      errored: ({ id }) => errored.push(id) > 2,
      succeeded: ({ id }) => succeeded.push(id),
    },
    upstream: {
      async send(request) {
        const id = new URL(request.worker.url).hostname.replace('.test', '');
        asked.push(id);
        requests.push(request);
        return (scripts[id] as Script)(request);
      },
    },
  };
};

/** A request as the middlewares leave it, with a holder. */
export const requestFor = async (path: string, asking: Asking = {}, remainingMs = 900_000): Promise<GatewayRequest> => {
  const context = { getRemainingTimeInMillis: () => remainingMs } as Context;
  const request = toGatewayRequest((await urlEvent(path, asking)) as never, context, { family: 'openai', marginMs: 0 });
  request.id = 'id-1';
  request.holder = createHolder();
  if (typeof asking.body === 'object') request.body = asking.body;
  return request;
};

export const endpointOf = (path: string): ForwardedEndpoint => {
  const endpoint = findEndpoint(path)?.endpoint;
  if (endpoint?.kind !== 'forwarded') throw new Error(`${path} is not forwarded`);
  return endpoint;
};

/** A chat request that has been read. */
export const inferenceFor = (path: string): InferenceRequest => ({
  endpoint: endpointOf(path),
  requestedModel: 'm',
  servedModel: 'm',
  stream: true,
  path,
  body: Buffer.from('{}'),
  bodyFor: () => Buffer.from('{}'),
  prefix: undefined,
  session: undefined,
  fields: {},
});
