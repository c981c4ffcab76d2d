import {
  type CredentialsProvider,
  type Environment,
  environmentCredentials,
  givenEndpoint,
  hostOf,
  regionOf,
} from './environment.ts';

interface S3Response {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array>;
  discard(): void;
}

/** One HTTP exchange; what `upstream/client` offers, so that connections and their pitfalls exist once. */
export type Send = (request: {
  readonly worker: { readonly url: string };
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal: AbortSignal;
}) => Promise<S3Response>;

/** S3 refused; `code` is AWS's own (`AccessDenied`, `SlowDown`, ...), or the status where an answer has no body. */
export class S3Error extends Error {
  readonly code: string;
  readonly status: number;
  constructor(operation: string, { code, status }: { readonly code: string; readonly status: number }) {
    super(`${operation}: ${code} (${status})`);
    this.name = 'S3Error';
    this.code = code;
    this.status = status;
  }
}

/** Where a bucket is, and as whom to speak to it. */
export interface Bucket {
  readonly name: string;
  readonly region: string;
  readonly origin: string;
  /** In front of a key: `/`, or `/<bucket>/` (path style). */
  readonly root: string;
  readonly credentials: CredentialsProvider;
}

/**
 * @param env AWS_REGION, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL (path style there); credentials with session token, where
 *   no others are given.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
 */
export const bucketOf = (
  name: string,
  env: Environment,
  credentials: CredentialsProvider = environmentCredentials(env),
): Bucket => {
  const region = regionOf(env);
  const given = givenEndpoint(env, 's3');
  const host = hostOf('s3', region);
  // A dot in the name breaks the certificate's wildcard.
  const isPathStyle = given !== undefined || name.includes('.');
  const base = new URL(given ?? (isPathStyle ? `https://${host}` : `https://${name}.${host}`));
  const folder = base.pathname.replace(/\/$/, '');
  return {
    name,
    region,
    origin: base.origin,
    root: isPathStyle ? `${folder}/${name}/` : '/',
    credentials,
  };
};

/** What S3 says of an object. */
export interface ObjectHead {
  /** Bytes. */
  readonly length: number;
  readonly contentType: string;
  readonly etag: string;
  /** `x-amz-meta-filename` as stored. */
  readonly filename: string | undefined;
}

export interface S3Client {
  readonly bucket: Bucket;
  /** @returns `undefined` when there is no such object. */
  head(key: string, signal: AbortSignal): Promise<ObjectHead | undefined>;
  /** Reads from a byte on, and only this version of the object. */
  read(key: string, etag: string, from: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  put(key: string, body: Uint8Array, contentType: string, signal: AbortSignal): Promise<void>;
  remove(key: string, signal: AbortSignal): Promise<void>;
  /** @returns a URL that opens the object for whoever has it. */
  presign(key: string, seconds: number): Promise<string>;
}

const sha256 = (body: Uint8Array | string): string =>
  process.getBuiltinModule('node:crypto').createHash('sha256').update(body).digest('hex');

/** Errors of S3 are small XML documents; enough is read to name them. */
const codeOf = async ({ status, body }: S3Response): Promise<string> => {
  let text = '';
  for await (const chunk of body) {
    text += Buffer.from(chunk).toString('latin1');
    if (text.length > 16_384) break;
  }
  return /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(text)?.[1] ?? String(status);
};

const text = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);

interface Call {
  readonly signal: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/**
 * The five S3 calls an inference function makes, signed with SigV4: the SDK would add 50 ms to a cold start.
 * Keys are the gateway's own: letters, digits, `-`, `.` and `/`, which need no encoding.
 *
 * Every call @throws {S3Error} for a refusal, network errors as they are.
 */
export const createS3Client = (bucket: Bucket, send: Send): S3Client => {
  const { region, origin, root, credentials } = bucket;
  const { host } = new URL(origin);

  const call = async (method: string, key: string, { signal, headers: more, body }: Call): Promise<S3Response> => {
    const { default: aws4 } = await import('aws4');
    const path = root + key;
    const headers = { Host: host, 'X-Amz-Content-Sha256': sha256(body ?? ''), ...more };
    const signed = aws4.sign({ service: 's3', region, method, path, headers }, await credentials());
    return send({
      worker: { url: origin },
      method,
      path,
      headers: signed.headers as Record<string, string>,
      ...(body && { body }),
      signal,
    });
  };

  const expect = async (operation: string, answer: S3Response, ...wanted: number[]): Promise<S3Response> => {
    if (wanted.includes(answer.status)) return answer;
    throw new S3Error(operation, { code: await codeOf(answer), status: answer.status });
  };

  /** Reads an answer that is of no interest, so that the connection can serve the next call. */
  const drain = async ({ body }: S3Response): Promise<void> => {
    for await (const _ of body);
  };

  return {
    bucket,
    head: async (key, signal) => {
      const answer = await call('HEAD', key, { signal });
      if (answer.status !== 404) await expect('HeadObject', answer, 200);
      await drain(answer);
      if (answer.status === 404) return undefined;
      const { headers } = answer;
      return {
        length: Number(headers['content-length']),
        contentType: text(headers['content-type']) ?? 'application/octet-stream',
        etag: text(headers.etag) ?? '',
        filename: text(headers['x-amz-meta-filename']),
      };
    },
    async *read(key, etag, from, signal) {
      const answer = await call('GET', key, { signal, headers: { 'If-Match': etag, Range: `bytes=${from}-` } });
      yield* (await expect('GetObject', answer, 206)).body;
    },
    put: async (key, body, contentType, signal) => {
      const answer = await call('PUT', key, { signal, headers: { 'Content-Type': contentType }, body });
      await drain(await expect('PutObject', answer, 200));
    },
    remove: async (key, signal) => {
      await drain(await expect('DeleteObject', await call('DELETE', key, { signal }), 204, 200));
    },
    presign: async (key, seconds) => {
      const { default: aws4 } = await import('aws4');
      const path = `${root}${key}?X-Amz-Expires=${seconds}`;
      const signed = aws4.sign(
        { service: 's3', region, method: 'GET', path, headers: { Host: host }, signQuery: true },
        await credentials(),
      );
      return origin + signed.path;
    },
  };
};
