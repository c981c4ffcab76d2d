import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import type { Family } from '../../lib/endpoints/family.ts';
import { dialectOf, endpoints, findEndpoint } from '../../lib/endpoints/index.ts';
import { readTarget } from '../../lib/http/request-target.ts';
import type { Capture } from '../support/awslambda.ts';
import { problemOf } from '../support/in-dialect.ts';
import { createFunction, sourceIp, type UrlRequest } from './in-process.ts';
import { createProblems, inLanes, tally } from './tally.ts';
import { urlRequests } from './url-requests.ts';

export interface FuzzOptions {
  readonly inputs: number;
  readonly seed: number;
}

export interface FuzzReport {
  readonly inputs: number;
  /** Inputs that came through to a worker. */
  readonly reached: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

const families = ['openai', 'anthropic', 'ollama', 'audio', 'images', 'rerank', 'vad', 'nodes'] as const;
const nodeId = 'node-of-fuzz';
/** Tells a witness which input this is: correlation ids are the inputs' own. */
const marking = 'x-input';

/** docs/contract.md section 2: what never reaches a worker. `connection` is the gateway's own, and so is `host`. */
const forbidden = new Set([
  ...['authorization', 'x-api-key', 'xi-api-key', 'cookie', 'keep-alive', 'proxy-authenticate', 'proxy-authorization'],
  ...[
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    'x-localai-node',
    'expect',
    'x-origin-secret',
  ],
  ...['api-key', 'content-encoding'],
]);
const literalPaths = new Set(endpoints.flatMap((one) => (one.kind === 'forwarded' ? one.paths.slice(0, 1) : [])));
const isEndpointPath = (path: string) =>
  literalPaths.has(path) || (/^\/v1\/text-to-speech\/[^/?#\\]+$/.test(path) && !/\/\.{1,2}$|%2f|%5c|%0|%1/i.test(path));

/** @returns what a worker saw and should not have. */
const judgeSeen = ({ url = '', method, headers, rawHeaders }: IncomingMessage, length: number, host: string) => {
  const [path = '', query = ''] = url.split('?', 2);
  if (/(?:^|&)(?:api_)?key=/.test(query)) return 'a key in the query';
  if (method !== 'POST') return `the method ${method}`;
  if (!isEndpointPath(path)) return 'another path';
  const names = rawHeaders.filter((_, at) => at % 2 === 0).map((one) => one.toLowerCase());
  const wrong = names.find((one) => forbidden.has(one) || one.startsWith('x-amz'));
  if (wrong) return `the header ${wrong}`;
  if (new Set(names).size !== names.length) return 'a header twice';
  if (headers.host !== host) return 'another host';
  if (headers['accept-encoding'] !== 'identity') return 'an encoding asked for';
  if (headers['x-forwarded-for'] !== sourceIp || headers['x-forwarded-host'] !== 'gateway.test')
    return 'a forged origin';
  if (Number(headers['content-length']) !== length) return 'another length';
  return undefined;
};

/** @returns what docs/contract.md has against an invocation, if anything. */
const judgeAnswer = (family: Family, request: UrlRequest, capture: Capture, wasSeen: boolean): string | undefined => {
  if (capture.fatal) return `a crash: ${capture.fatal.message}`;
  if (capture.failure) return `a failure: ${capture.failure.errorMessage}`;
  if (!capture.ended) return 'no end';
  const { prelude, body } = capture;
  if (!prelude) return 'no head';
  const { statusCode: status, headers } = prelude;
  if (status >= 500 && status !== 501) return `status ${status}`;
  if (!headers['x-correlation-id'] || headers['x-correlation-id'] !== headers['x-request-id'])
    return 'no correlation id';
  if ((headers['x-localai-node'] === nodeId) !== wasSeen) return `node header ${headers['x-localai-node']}`;
  if (wasSeen || status < 400) return undefined;
  if (request.method === 'HEAD') return body.length === 0 ? undefined : 'a body for HEAD';
  const { path } = readTarget(request.path);
  const dialect = dialectOf({ match: findEndpoint(path), family, path, headers: request.headers });
  return problemOf(dialect.name, body.toString());
};

/** A worker that answers everything, and remembers what it should not have seen. */
const startWitness = async () => {
  const seen = new Map<string, string | undefined>();
  let host = '';
  const server = createServer(async (message, response) => {
    const body = Buffer.concat(await message.toArray());
    seen.set(String(message.headers[marking]), judgeSeen(message, body.length, host));
    response.setHeader('content-type', 'application/json');
    response.end('{"data":[],"done":true}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://${host}`, seen, close };
};

/** Requests of every kind through every function. */
export const fuzzRequests = async ({ inputs, seed }: FuzzOptions): Promise<FuzzReport> => {
  const witness = await startWitness();
  const functions = families.map((family) => ({
    family,
    invoke: createFunction(family, [{ id: nodeId, url: witness.url }]),
  }));
  const problems = createProblems();
  const outcomes: string[] = [];
  let reached = 0;
  const batch = 1000;
  for (let from = 0; from < inputs; from += batch) {
    const requests = fc.sample(urlRequests, { numRuns: Math.min(batch, inputs - from), seed: seed + from });
    await inLanes(requests.length, 16, async (n) => {
      const request = requests[n - 1] as UrlRequest;
      const family =
        findEndpoint(readTarget(request.path).path)?.endpoint.families[0] ?? families[(from + n) % families.length];
      const { invoke, family: its } =
        functions.find((one) => one.family === family) ?? (functions[0] as (typeof functions)[0]);
      let problem: string | undefined;
      try {
        const id = String(from + n);
        const capture = await invoke({ ...request, headers: { ...request.headers, [marking]: id } });
        const wasSeen = witness.seen.has(id);
        const wrong = witness.seen.get(id);
        problem = wrong ? `a worker saw ${wrong}` : judgeAnswer(its, request, capture, wasSeen);
        witness.seen.delete(id);
        if (wasSeen) reached += 1;
        outcomes.push(`${capture.prelude?.statusCode}`);
      } catch (error) {
        problem = `an exception: ${(error as Error).message}`;
      }
      const { body, ...rest } = request;
      if (problem)
        problems.add(problem, `${its} ${JSON.stringify({ ...rest, body: body?.toString('latin1') }).slice(0, 600)}`);
    });
  }
  await witness.close();
  return { inputs, reached, outcomes: tally(outcomes), problems: problems.lines() };
};
