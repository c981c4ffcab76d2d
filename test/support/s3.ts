import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Busboy } from '@fastify/busboy';
import type { Credentials } from './aws/signature.ts';
import { listenOnLoopback } from './loopback.ts';
import { type SizeRange, verifyPost } from './s3/policy.ts';
import { S3Refusal } from './s3/refusal.ts';
import { verifyRequest } from './s3/signature.ts';

export interface StoredObject {
  readonly blocks: readonly Buffer[];
  readonly length: number;
  readonly contentType: string;
  readonly etag: string;
  /** `x-amz-meta-*` by full lower-case name. */
  readonly meta: Readonly<Record<string, string>>;
}

export interface S3Options {
  readonly bucket: string;
  /** Default eu-central-1. */
  readonly region?: string;
  readonly credentials?: Credentials;
}

export interface S3Call {
  readonly method: string;
  readonly key: string;
  readonly range: string | undefined;
  readonly status: number;
}

/** What goes wrong with a read: bytes sent before the connection breaks, or a status. */
export type ReadFault = { readonly breakAfter: number } | { readonly status: number };

export interface S3 extends AsyncDisposable {
  readonly url: string;
  /** Environment variables that point a process at this server. */
  readonly env: Readonly<Record<string, string>>;
  readonly objects: ReadonlyMap<string, StoredObject>;
  readonly calls: readonly S3Call[];
  /** The next GETs, one fault each. */
  readonly failReads: (...faults: readonly ReadFault[]) => void;
  /** The next calls of a method are answered with this status, as often as it is given. */
  readonly refuse: (method: string, ...statuses: readonly number[]) => void;
  /** Stores an object without a request, as another program with the bucket's keys would. */
  readonly store: (key: string, content: Buffer, contentType?: string) => void;
  /** Moves the server's clock, in milliseconds. */
  readonly advance: (ms: number) => void;
  readonly forget: () => void;
  readonly close: () => Promise<void>;
}

const escaped = (text: string) => text.replace(/[<>&]/g, (sign) => `&#${sign.charCodeAt(0)};`);

const objectOf = (blocks: Buffer[], contentType: string, meta: Record<string, string> = {}): StoredObject => {
  const digest = createHash('md5');
  for (const block of blocks) digest.update(block);
  const length = blocks.reduce((sum, block) => sum + block.length, 0);
  return { blocks, length, contentType, etag: `"${digest.digest('hex')}"`, meta };
};

/** The bytes from `start` on, block by block. */
function* slice({ blocks }: StoredObject, start: number): Generator<Buffer> {
  let at = 0;
  for (const block of blocks) {
    const skip = Math.max(0, start - at);
    if (skip < block.length) yield block.subarray(skip);
    at += block.length;
  }
}

/**
 * Starts an S3 of one private bucket on a loopback port, path style: PUT, GET (Range, If-Match), HEAD, DELETE, presigned
 * requests and browser-based POST. Signatures, policies and sizes are judged as strictly as S3 does.
 */
export const startS3 = async ({ bucket, region = 'eu-central-1', credentials: given }: S3Options): Promise<S3> => {
  const credentials = given ?? {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    sessionToken: 'test-session-token//==',
  };
  const objects = new Map<string, StoredObject>();
  const calls: S3Call[] = [];
  const faults: ReadFault[] = [];
  const refusals: { method: string; status: number }[] = [];
  let ahead = 0;
  const now = () => Date.now() + ahead;
  const scope = () => ({ region, credentials, now: now() });

  const readAll = async (request: IncomingMessage): Promise<Buffer[]> => {
    const blocks: Buffer[] = [];
    for await (const block of request) blocks.push(block as Buffer);
    return blocks;
  };

  /** A form: every field before the file, the file judged while it comes. */
  const post = (request: IncomingMessage): Promise<string> =>
    new Promise((resolve, reject) => {
      const fields = new Map<string, string>([['bucket', bucket]]);
      const fail = (error: unknown) => {
        request.unpipe(parser);
        request.resume();
        reject(error);
      };
      const parser = new Busboy({ headers: request.headers as { 'content-type': string } });
      let found = false;
      parser.on('field', (name: string, value: string) => {
        if (!found) fields.set(name.toLowerCase(), value);
      });
      parser.on('file', (name: string, stream: NodeJS.ReadableStream) => {
        let range: SizeRange;
        let size = 0;
        const blocks: Buffer[] = [];
        if (found || name !== 'file') return void stream.resume();
        found = true;
        try {
          range = verifyPost(fields, scope());
        } catch (error) {
          stream.resume();
          return fail(error);
        }
        stream.on('data', (block: Buffer) => {
          size += block.length;
          if (size <= range.max) return void blocks.push(block);
          blocks.length = 0;
        });
        stream.on('end', () => {
          if (size > range.max) return fail(new S3Refusal(400, 'EntityTooLarge', `over ${range.max}`));
          if (size < range.min) return fail(new S3Refusal(400, 'EntityTooSmall', `under ${range.min}`));
          const key = fields.get('key') ?? '';
          const meta = Object.fromEntries([...fields].filter(([field]) => field.startsWith('x-amz-meta-')));
          objects.set(key, objectOf(blocks, fields.get('content-type') ?? 'binary/octet-stream', meta));
          resolve(key);
        });
      });
      parser.on('error', fail);
      parser.on('finish', () => {
        if (!found) fail(new S3Refusal(400, 'InvalidArgument', 'POST requires exactly one file upload per request.'));
      });
      request.pipe(parser);
    });

  const headersOf = (object: StoredObject) => ({
    'content-type': object.contentType,
    etag: object.etag,
    'accept-ranges': 'bytes',
    ...object.meta,
  });

  const get = async (request: IncomingMessage, response: ServerResponse, object: StoredObject) => {
    const match = request.headers['if-match'];
    if (match !== undefined && match !== object.etag) throw new S3Refusal(412, 'PreconditionFailed', 'If-Match');
    const fault = faults.shift();
    if (fault && 'status' in fault) throw new S3Refusal(fault.status, 'InternalError', 'We encountered an error.');
    const { range } = request.headers;
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
    if (from >= object.length) throw new S3Refusal(416, 'InvalidRange', range ?? '');
    response.writeHead(range === undefined ? 200 : 206, {
      ...headersOf(object),
      'content-length': object.length - from,
      ...(range !== undefined && { 'content-range': `bytes ${from}-${object.length - 1}/${object.length}` }),
    });
    let left = fault?.breakAfter ?? Number.POSITIVE_INFINITY;
    for (const block of slice(object, from)) {
      if (left <= 0 || response.destroyed) break;
      const ready = response.write(block.subarray(0, left));
      left -= block.length;
      if (ready) continue;
      await new Promise<void>((resolve) => {
        const go = () => {
          response.off('drain', go).off('close', go);
          resolve();
        };
        response.on('drain', go).on('close', go);
      });
    }
    if (left > 0) return void response.end();
    // What was sent is to arrive before the break.
    await new Promise<void>((resolve) => response.write('', () => resolve()));
    response.destroy();
  };

  const serve = async (request: IncomingMessage, response: ServerResponse, key: string) => {
    const method = request.method ?? '';
    const target = request.url ?? '/';
    const at = refusals.findIndex((refusal) => refusal.method === method);
    if (at !== -1) {
      const [refusal] = refusals.splice(at, 1);
      throw new S3Refusal(refusal?.status ?? 500, 'InternalError', 'We encountered an error.');
    }
    if (method === 'POST' && key === '') {
      response.setHeader('etag', objects.get(await post(request))?.etag ?? '');
      return void response.writeHead(204).end();
    }
    const payload = verifyRequest({ method, target, headers: request.headers }, scope());
    if (method === 'PUT') {
      const blocks = await readAll(request);
      const digest = createHash('sha256');
      for (const block of blocks) digest.update(block);
      if (payload !== 'UNSIGNED-PAYLOAD' && payload !== digest.digest('hex')) {
        throw new S3Refusal(400, 'XAmzContentSHA256Mismatch', 'the body is another one');
      }
      objects.set(key, objectOf(blocks, request.headers['content-type'] ?? 'binary/octet-stream'));
      return void response.writeHead(200).end();
    }
    if (method === 'DELETE') {
      objects.delete(key);
      return void response.writeHead(204).end();
    }
    const object = objects.get(key);
    if (!object) throw new S3Refusal(404, 'NoSuchKey', 'The specified key does not exist.');
    if (method === 'HEAD') {
      return void response.writeHead(200, { ...headersOf(object), 'content-length': object.length }).end();
    }
    if (method !== 'GET') throw new S3Refusal(405, 'MethodNotAllowed', method);
    await get(request, response, object);
  };

  const server = createServer(async (request, response) => {
    const [, addressed, ...rest] = decodeURIComponent((request.url ?? '/').split('?', 1)[0] ?? '/').split('/');
    const key = rest.join('/');
    response.on('error', () => undefined);
    response.once('close', () => {
      const { method = '', headers } = request;
      calls.push({ method, key, range: headers.range, status: response.statusCode });
    });
    try {
      if (addressed !== bucket) throw new S3Refusal(404, 'NoSuchBucket', 'The specified bucket does not exist');
      await serve(request, response, key);
    } catch (error) {
      const { status, code, message } =
        error instanceof S3Refusal ? error : new S3Refusal(500, 'InternalError', String(error));
      if (response.headersSent) return void response.destroy();
      request.resume();
      response.writeHead(status, { 'content-type': 'application/xml' });
      response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${escaped(message)}</Message></Error>`);
    }
  });
  const { url, close } = await listenOnLoopback(server);

  return {
    url,
    env: {
      AWS_ENDPOINT_URL_S3: url,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      ...(credentials.sessionToken && { AWS_SESSION_TOKEN: credentials.sessionToken }),
    },
    objects,
    calls,
    failReads: (...more) => void faults.push(...more),
    refuse: (method, ...statuses) => void refusals.push(...statuses.map((status) => ({ method, status }))),
    store: (key, content, contentType = 'application/octet-stream') =>
      void objects.set(key, objectOf([content], contentType)),
    advance: (ms) => {
      ahead += ms;
    },
    forget: () => {
      calls.length = 0;
      faults.length = 0;
      refusals.length = 0;
      ahead = 0;
      objects.clear();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
};
