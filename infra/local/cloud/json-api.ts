import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An error in the words of an AWS service. */
export class AwsError extends Error {
  /** `ClusterNotFoundException` and the like, by which the SDK tells errors apart. */
  readonly type: string;

  constructor(type: string, message: string) {
    super(message);
    this.name = 'AwsError';
    this.type = type;
  }
}

export type Input = Readonly<Record<string, unknown>>;
/** A service's operations by name. */
export type Operations = Readonly<Record<string, (input: Input) => object>>;

export interface JsonApi {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves operations as AWS does in its JSON 1.1 protocol, on a free loopback port. It looks at no signature: whoever
 * reaches it is on this machine.
 * @param services the part of `X-Amz-Target` before the dot -> operations.
 */
export const serveJsonApi = async (services: Readonly<Record<string, Operations>>): Promise<JsonApi> => {
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    };
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const [service = '', operation = ''] = String(request.headers['x-amz-target']).split('.');
      const run = services[service]?.[operation];
      if (!run) throw new AwsError('UnknownOperationException', `${service}.${operation} is not stood in for.`);
      answer(200, run(JSON.parse(Buffer.concat(chunks).toString()) as Input));
    } catch (error) {
      const type = error instanceof AwsError ? error.type : 'SerializationException';
      answer(400, { __type: type, message: (error as Error).message });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
};
