import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { type ContainerService, createContainerService } from './aws/container-service.ts';
import { AwsError, createFault, type Effect, type Fault } from './aws/fault.ts';
import { createParameterStore, type ParameterStore } from './aws/parameter-store.ts';
import { type Credentials, verifySignature } from './aws/signature.ts';
import { listenOnLoopback } from './loopback.ts';

export interface AwsOptions {
  /** Default eu-central-1. */
  readonly region?: string;
  /** Default: a key pair with a session token. */
  readonly credentials?: Credentials;
}

/** One API call, answered or not. */
export interface Call {
  /** Without its service: `GetParameters`. */
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** `ok`, the type of the error, or what the fault did. */
  outcome: string;
}

export interface Aws extends AsyncDisposable {
  readonly url: string;
  /** Environment variables that point a process at this server, with its credentials. */
  readonly env: Readonly<Record<string, string>>;
  readonly ssm: ParameterStore;
  readonly ecs: ContainerService;
  /** Calls in order of arrival. */
  readonly calls: readonly Call[];
  /** How many calls of an operation arrived; without one, of all. */
  readonly count: (operation?: string) => number;
  readonly forgetCalls: () => void;
  /** Makes an operation, or a whole service (`ssm`, `ecs`), fail from now on; undefined heals it. */
  readonly fault: (where: string, fault: Fault | undefined) => void;
  readonly close: () => Promise<void>;
}

/** `X-Amz-Target` prefixes, by the name the signature is scoped to. */
const services: Readonly<Record<string, string>> = {
  AmazonSSM: 'ssm',
  AmazonEC2ContainerServiceV20141113: 'ecs',
};

/**
 * Starts SSM and ECS on one loopback port: AWS JSON 1.1 over HTTP, as strict as the real ones about signatures,
 * limits and paging, with faults to switch on.
 */
export const startAws = async (options: AwsOptions = {}): Promise<Aws> => {
  const { region = 'eu-central-1' } = options;
  const credentials = options.credentials ?? {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    sessionToken: 'test-session-token//==',
  };
  const { operations: ssmOperations, store } = createParameterStore(`arn:aws:ssm:${region}:123456789012`);
  const { operations: ecsOperations, service } = createContainerService(`arn:aws:ecs:${region}:123456789012`);
  const operations: Readonly<Record<string, typeof ssmOperations>> = { ssm: ssmOperations, ecs: ecsOperations };
  const faults = new Map<string, () => Effect>();
  const calls: Call[] = [];

  const server = createServer(async (request, response) => {
    const blocks: Buffer[] = [];
    for await (const block of request) blocks.push(block as Buffer);
    const body = Buffer.concat(blocks);
    const answer = (status: number, payload: string) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID() });
      response.end(payload);
    };
    const [prefix = '', operation = ''] = String(request.headers['x-amz-target']).split('.');
    const name = services[prefix] ?? '';
    const call: Call = { operation, input: {}, at: Date.now(), outcome: 'unanswered' };
    calls.push(call);
    try {
      const run = operations[name]?.[operation];
      if (request.method !== 'POST' || request.url !== '/' || !run) throw new AwsError('UnknownOperationException', '');
      if (request.headers['content-type'] !== 'application/x-amz-json-1.1') {
        throw new AwsError('SerializationException', 'content-type must be application/x-amz-json-1.1');
      }
      const { method, url: path, headers } = request;
      verifySignature({ method, path, headers, body }, { region, service: name }, credentials);
      Object.assign(call, { input: JSON.parse(body.toString()) });
      const effect = (faults.get(operation) ?? faults.get(name))?.();
      if (effect instanceof AwsError) throw effect;
      if (typeof effect === 'string') call.outcome = effect;
      if (effect === 'hang') return;
      if (effect === 'reset') return void request.socket.resetAndDestroy();
      if (effect === 'malformed') return answer(200, '{"Parameters":[{"Name":"/a","Val');
      if (effect) await new Promise((resolve) => setTimeout(resolve, effect.delay));
      const output = run(call.input);
      call.outcome = 'ok';
      answer(200, JSON.stringify(output));
    } catch (error) {
      const { type, message, status } =
        error instanceof AwsError ? error : new AwsError('SerializationException', String(error));
      call.outcome = type;
      answer(status, JSON.stringify({ __type: type, message }));
    }
  });
  const { url, close } = await listenOnLoopback(server);

  return {
    url,
    env: {
      AWS_ENDPOINT_URL_SSM: url,
      AWS_ENDPOINT_URL_ECS: url,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      ...(credentials.sessionToken && { AWS_SESSION_TOKEN: credentials.sessionToken }),
    },
    ssm: store,
    ecs: service,
    calls,
    count: (operation) => calls.filter((call) => operation === undefined || call.operation === operation).length,
    forgetCalls: () => {
      calls.length = 0;
    },
    fault: (where, fault) => {
      if (fault) faults.set(where, createFault(fault, where));
      else faults.delete(where);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
};
