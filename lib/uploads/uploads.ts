import type { CredentialsProvider, Environment } from '../aws/environment.ts';
import { type PostForm, presignPost } from '../aws/post-policy.ts';
import { bucketOf, createS3Client, type S3Client, S3Error, type Send } from '../aws/s3-client.ts';
import { GatewayError, PayloadTooLargeError, UnavailableError } from '../errors.ts';
import { log } from '../telemetry/log.ts';
import { endingOf } from './media-types.ts';
import { expiryOf, newUploadId, UPLOAD_LIFE_MS, uploadKey } from './upload-id.ts';

/** How long a client may take to begin its upload. */
const POST_MS = 60 * 60 * 1000;
/** As long as OpenAI's image URLs live. */
const IMAGE_SECONDS = 60 * 60;
/** Breaks without a byte between them; each goes on where the one before ended. */
const READ_FAILURES = 3;
const READ_PAUSE_MS = 100;
const REMOVE_MS = 5000;

/** What a client wants to upload. */
export interface UploadRequest {
  /** SHA-256 of the caller's key in hex; `undefined`: anonymous. */
  readonly caller: string | undefined;
  readonly contentType: string;
  readonly filename: string | undefined;
  /** The size, when the client knows it: then no other fits. */
  readonly bytes: number | undefined;
}

export interface Upload {
  readonly id: string;
  /** Milliseconds since the epoch: until then the id can be named in requests. */
  readonly expiresAt: number;
  readonly maxBytes: number;
  readonly form: PostForm;
  /** Milliseconds since the epoch: until then the form can be posted. */
  readonly formExpiresAt: number;
}

/** An uploaded object that a request names. */
export interface StoredFile {
  readonly key: string;
  readonly filename: string;
  readonly contentType: string;
  /** Bytes. */
  readonly length: number;
  /**
   * Reads it from its beginning, as often as it is called; a break is resumed where it happened.
   * @throws {GatewayError} (while reading) when the object is gone or cannot be read.
   */
  open(signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** Media too large for an invocation, on their way through a bucket. */
export interface Uploads {
  /** `GATEWAY_UPLOAD_MAX_BYTES`. */
  readonly maxBytes: number;
  /** @throws {PayloadTooLargeError} when the named size is over the limit. @throws {UnavailableError} no credentials. */
  create(wanted: UploadRequest): Promise<Upload>;
  /**
   * @param caller as in `UploadRequest`: only the one who made the id finds it.
   * @param field that named it, for the error.
   * @throws {GatewayError} 404 unknown, not uploaded, or another caller's; 410 expired; 413 over the limit; 503.
   */
  find(id: string, caller: string | undefined, field: string, signal: AbortSignal): Promise<StoredFile>;
  /** Deletes; what fails is logged and left to the bucket's expiry. Never rejects. */
  remove(files: readonly StoredFile[]): Promise<void>;
  /** Puts an image there. @returns a URL that opens it for an hour. @throws when S3 does not take it. */
  storeImage(image: Uint8Array, contentType: string, signal: AbortSignal): Promise<string>;
}

export interface UploadsOptions {
  readonly bucket: string;
  readonly maxBytes: number;
  /** The AWS SDK's own variables. */
  readonly env: Environment;
  /** Default: those of `env`. */
  readonly credentials?: CredentialsProvider | undefined;
  readonly send: Send;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

const notFound = (id: string, field: string) =>
  new GatewayError(
    404,
    'upload_not_found',
    `There is no upload '${id.slice(0, 80)}': nothing was uploaded under this id, it was used and deleted, or another key made it.`,
    { param: field },
  );

const unavailable = (operation: string, cause: unknown) => {
  log('error', 'upload_storage_failed', { operation, error: cause instanceof Error ? cause.message : String(cause) });
  return new UnavailableError('The storage of uploads cannot be used now.', { cause });
};

const decode = (filename: string): string => {
  try {
    return decodeURIComponent(filename);
  } catch {
    return filename;
  }
};

export const createUploads = ({
  bucket,
  maxBytes,
  env,
  credentials,
  send,
  now = Date.now,
}: UploadsOptions): Uploads => {
  let client: S3Client | undefined;
  const s3 = (): S3Client => {
    client ??= createS3Client(bucketOf(bucket, env, credentials), send);
    return client;
  };

  async function* read(key: string, etag: string, length: number, field: string, signal: AbortSignal) {
    let at = 0;
    let failures = 0;
    while (at < length) {
      try {
        for await (const chunk of s3().read(key, etag, at, signal)) {
          at += chunk.length;
          failures = 0;
          yield chunk;
        }
        if (at < length) throw new S3Error('GetObject', { code: 'IncompleteBody', status: 200 });
      } catch (cause) {
        if (signal.aborted) throw cause;
        // Deleted, or uploaded once more, between two reads.
        if (cause instanceof S3Error && (cause.status === 404 || cause.status === 412)) {
          throw notFound(key.slice(key.lastIndexOf('/') + 1), field);
        }
        failures += 1;
        const isFinal = cause instanceof S3Error && cause.status >= 400 && cause.status < 500;
        if (isFinal || failures >= READ_FAILURES) throw unavailable('GetObject', cause);
        await new Promise((resolve) => setTimeout(resolve, READ_PAUSE_MS * 2 ** failures));
      }
    }
  }

  return {
    maxBytes,
    create: async ({ caller, contentType, filename, bytes }) => {
      if (bytes !== undefined && bytes > maxBytes) throw tooLarge(bytes, maxBytes, 'bytes');
      const at = now();
      const id = newUploadId(at);
      const limits = {
        key: uploadKey(id, caller),
        contentType,
        filename: filename && encodeURIComponent(filename),
        minBytes: bytes ?? 1,
        maxBytes: bytes ?? maxBytes,
        expiresAt: at + POST_MS,
      };
      try {
        const form = await presignPost(s3().bucket, limits, at);
        return { id, expiresAt: at + UPLOAD_LIFE_MS, maxBytes: limits.maxBytes, form, formExpiresAt: limits.expiresAt };
      } catch (cause) {
        throw unavailable('PresignPost', cause);
      }
    },
    find: async (id, caller, field, signal) => {
      const expiry = expiryOf(id);
      if (expiry === undefined) throw notFound(id, field);
      if (expiry <= now()) {
        throw new GatewayError(410, 'upload_expired', `The upload '${id}' has expired: upload it again.`, {
          param: field,
        });
      }
      const key = uploadKey(id, caller);
      const head = await s3Head(key, signal);
      if (!head) throw notFound(id, field);
      if (head.length > maxBytes) throw tooLarge(head.length, maxBytes, field);
      return {
        key,
        filename: head.filename === undefined ? `upload${endingOf(head.contentType)}` : decode(head.filename),
        contentType: head.contentType,
        length: head.length,
        open: (reading) => read(key, head.etag, head.length, field, reading),
      };
    },
    remove: async (files) => {
      await Promise.all(
        files.map(({ key }) =>
          s3()
            .remove(key, AbortSignal.timeout(REMOVE_MS))
            .catch((error) => log('warn', 'upload_not_deleted', { error: String(error) })),
        ),
      );
    },
    storeImage: async (image, contentType, signal) => {
      const name = process.getBuiltinModule('node:crypto').randomBytes(16).toString('hex');
      const key = `images/${name}${endingOf(contentType)}`;
      await s3().put(key, image, contentType, signal);
      return s3().presign(key, IMAGE_SECONDS);
    },
  };

  async function s3Head(key: string, signal: AbortSignal) {
    try {
      return await s3().head(key, signal);
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw unavailable('HeadObject', cause);
    }
  }
};

const tooLarge = (bytes: number, maxBytes: number, field: string) =>
  new PayloadTooLargeError(
    `'${field}': ${bytes} bytes are more than the ${maxBytes} bytes (${(maxBytes / 1e6).toFixed(1)} MB) an upload may have.`,
  );
