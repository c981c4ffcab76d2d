import {
  type CredentialsProvider,
  type Environment,
  environmentCredentials,
  givenEndpoint,
  hostOf,
  regionOf,
} from './environment.ts';

/** Reads up to ten parameters, decrypted. @returns name -> value of those that exist. */
export type GetParameters = (names: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, string>>;

/** SSM refused or answered nonsense; `code` is AWS's own (`ThrottlingException`, `AccessDeniedException`, ...). */
export class SsmError extends Error {
  readonly code: string;
  constructor(
    code: string,
    { status, operation = 'GetParameters' }: { readonly status: number; readonly operation?: string },
  ) {
    super(`${operation}: ${code} (${status})`);
    this.name = 'SsmError';
    this.code = code;
  }
}

/** Ten values of 8 KB with their names stay far below. */
const LONGEST_ANSWER = 1 << 20;

const send = (url: URL, headers: Record<string, string>, body: string, signal: AbortSignal) =>
  new Promise<{ status: number; text: string }>((resolve, reject) => {
    // Loaded at the first call and not as ESM: the facade of node:http alone costs 20 ms of every cold start.
    const transport = process.getBuiltinModule(url.protocol === 'http:' ? 'node:http' : 'node:https');
    // No agent: the next call is a TTL away, and a socket kept over a freeze is a dead one.
    const request = transport.request(url, { method: 'POST', headers, agent: false, signal }, async (response) => {
      try {
        const chunks: Buffer[] = [];
        let size = 0;
        for await (const chunk of response) {
          size += chunk.length;
          if (size > LONGEST_ANSWER) throw new SsmError('AnswerTooLarge', { status: response.statusCode ?? 0 });
          chunks.push(chunk);
        }
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') });
      } catch (error) {
        reject(error);
      }
    });
    request.on('error', reject);
    request.end(body);
  });

const parse = (text: string): Record<string, unknown> => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
};

/** One call of SSM's API (AWS JSON 1.1). @returns the answer's JSON. @throws {SsmError} network errors as they are. */
export type CallSsm = (operation: string, input: object, signal: AbortSignal) => Promise<Record<string, unknown>>;

/**
 * Calls signed with SigV4. The SDK would add 50 ms to every cold start for them.
 * @param env AWS_REGION, AWS_ENDPOINT_URL_SSM or AWS_ENDPOINT_URL; credentials with session token, where no others are given.
 */
export const createSsmCall =
  (env: Environment, credentialsNow: CredentialsProvider = environmentCredentials(env)): CallSsm =>
  async (operation, input, signal) => {
    const credentials = await credentialsNow();
    const region = regionOf(env);
    const url = new URL(givenEndpoint(env, 'ssm') ?? `https://${hostOf('ssm', region)}`);
    const body = JSON.stringify(input);
    const { default: aws4 } = await import('aws4');
    const { headers } = aws4.sign(
      {
        service: 'ssm',
        region,
        method: 'POST',
        path: url.pathname,
        headers: {
          Host: url.host,
          'Content-Type': 'application/x-amz-json-1.1',
          'X-Amz-Target': `AmazonSSM.${operation}`,
        },
        body,
      },
      credentials,
    );
    const { status, text } = await send(url, headers as Record<string, string>, body, signal);
    const answer = parse(text);
    if (status === 200) return answer;
    throw new SsmError(String(answer.__type ?? 'UnknownError').replace(/^.*#/, ''), { status, operation });
  };

/**
 * The one AWS call on an inference function's path: `GetParameters`.
 * @param call see `createSsmCall`.
 * @throws {SsmError} (from the returned function) for a refusal or a malformed answer; network errors as they are.
 */
export const createGetParameters =
  (call: CallSsm): GetParameters =>
  async (names, signal) => {
    const { Parameters: parameters } = await call('GetParameters', { Names: names, WithDecryption: true }, signal);
    if (!Array.isArray(parameters)) throw new SsmError('MalformedAnswer', { status: 200 });
    return new Map(
      parameters.map((parameter: { Name?: unknown; Value?: unknown } | null): [string, string] => {
        if (typeof parameter?.Name !== 'string' || typeof parameter.Value !== 'string') {
          throw new SsmError('MalformedAnswer', { status: 200 });
        }
        return [parameter.Name, parameter.Value];
      }),
    );
  };
