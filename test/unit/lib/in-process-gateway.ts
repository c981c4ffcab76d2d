import { afterAll, beforeAll, jest } from '@jest/globals';
import type { Family } from '../../../lib/endpoints/family.ts';
import { createGateway } from '../../../lib/gateway.ts';
import { forms } from '../../../lib/http/form-fields.ts';
import { createImages } from '../../../lib/inference/images.ts';
import { type Capture, type InvokeOptions, installAwslambda, invokeStreaming } from '../../support/awslambda.ts';
import { standInServes } from '../../support/gateway.ts';
import type { StandIn } from '../../support/stand-in-worker.ts';

/** One request to a function URL. */
export interface Asking {
  /** Default: POST with a body, GET without. */
  readonly method?: string;
  /** Raw, without the `?`. */
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookies?: readonly string[];
  /** An object goes as JSON text, a form as base64, as function URLs deliver them. */
  readonly body?: string | Buffer | FormData | object | undefined;
}

/** @returns the event of a function URL, payload format 2.0. */
export const urlEvent = async (path: string, { method, query = '', headers = {}, cookies, body }: Asking = {}) => {
  const form = body instanceof FormData ? new Response(body) : undefined;
  const bytes = form ? Buffer.from(await form.arrayBuffer()) : body;
  const isBinary = Buffer.isBuffer(bytes);
  const type = form?.headers.get('content-type') ?? 'application/json';
  const text = typeof bytes === 'object' && !isBinary ? JSON.stringify(bytes) : bytes;
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: query,
    ...(cookies && { cookies }),
    headers: { ...(body !== undefined && { 'content-type': type }), ...headers },
    requestContext: {
      domainName: 'gateway.test',
      http: { method: method ?? (body === undefined ? 'GET' : 'POST'), path, sourceIp: '192.0.2.7' },
    },
    ...(body !== undefined && { body: Buffer.isBuffer(text) ? text.toString('base64') : text }),
    isBase64Encoded: isBinary,
  };
};

/** A whole answer of one invocation. */
export interface Answered {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly text: string;
  readonly body: Buffer;
  readonly capture: Capture;
  readonly json: () => unknown;
}

export interface InProcessGateway {
  /** Starts an invocation. */
  readonly invoke: (
    path: string,
    asking?: Asking,
    options?: InvokeOptions,
  ) => Promise<ReturnType<typeof invokeStreaming>>;
  /** Runs an invocation to its end. */
  readonly ask: (path: string, asking?: Asking, options?: InvokeOptions) => Promise<Answered>;
}

/** Keeps the log lines of the file's gateways out of the test run's output. @returns the lines so far. */
export const keepLogs = (): string[] => {
  const lines: string[] = [];
  beforeAll(() => {
    const write = process.stdout.write.bind(process.stdout);
    jest.spyOn(process.stdout, 'write').mockImplementation((chunk, ...rest) => {
      if (!String(chunk).startsWith('{"time"')) return write(chunk, ...(rest as []));
      lines.push(String(chunk));
      return true;
    });
  });
  afterAll(() => {
    jest.restoreAllMocks();
  });
  return lines;
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** A function as deployed, in this process: everything but the Lambda runtime is real. Header on, anonymous access. */
export const createInProcessGateway = (
  family: Family,
  workers: readonly Pick<StandIn, 'name' | 'url' | 'models' | 'engine'>[] | undefined,
  env: Environment = {},
): InProcessGateway => {
  installAwslambda();
  const settings = workers?.map(({ name, url, models, engine }) => ({
    id: `node-${name}`,
    url,
    models: models(),
    engine,
    serves: standInServes,
  }));
  const handler = createGateway(family, {
    env: {
      LOCALAI_EXPOSE_NODE_HEADER: 'true',
      GATEWAY_ALLOW_ANONYMOUS: 'true',
      ...(settings && { LOCALAI_WORKERS: JSON.stringify(settings) }),
      ...env,
    },
    forms,
    createImages,
  });
  const invoke: InProcessGateway['invoke'] = async (path, asking, options) =>
    invokeStreaming(handler, await urlEvent(path, asking), options);
  return {
    invoke,
    ask: async (path, asking, options) => {
      const capture = await (await invoke(path, asking, options)).done;
      const { prelude, body } = capture;
      const text = body.toString();
      return {
        status: prelude?.statusCode,
        headers: prelude?.headers ?? {},
        text,
        body,
        capture,
        json: () => JSON.parse(text) as unknown,
      };
    },
  };
};
