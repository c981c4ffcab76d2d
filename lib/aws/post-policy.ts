import type { Bucket } from './s3-client.ts';

/** What one upload may be; anything else S3 refuses. */
export interface PostLimits {
  readonly key: string;
  readonly contentType: string;
  /** Stored with the object, percent-encoded. */
  readonly filename: string | undefined;
  readonly minBytes: number;
  readonly maxBytes: number;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** A form to post to S3: the fields first, then the file as the last one, named `file`. */
export interface PostForm {
  readonly url: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** `20251122T101112Z` */
const amzDate = (ms: number): string => new Date(ms).toISOString().replace(/[:-]|\.\d{3}/g, '');

/**
 * Signs a form with which a client uploads one object straight to S3.
 * @param now milliseconds since the epoch.
 * @throws {Error} without credentials.
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
 */
export const presignPost = async (bucket: Bucket, limits: PostLimits, now: number): Promise<PostForm> => {
  const { createHmac } = process.getBuiltinModule('node:crypto');
  const { name, region, origin, root } = bucket;
  const credentials = await bucket.credentials();
  const stamp = amzDate(now);
  const day = stamp.slice(0, 8);
  // Each is a condition of the policy too: S3 refuses fields that the policy does not name, and other values.
  const bound: Record<string, string> = {
    key: limits.key,
    'Content-Type': limits.contentType,
    ...(limits.filename === undefined ? {} : { 'x-amz-meta-filename': limits.filename }),
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `${credentials.accessKeyId}/${day}/${region}/s3/aws4_request`,
    'x-amz-date': stamp,
    ...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken }),
  };
  const policy = Buffer.from(
    JSON.stringify({
      expiration: new Date(limits.expiresAt).toISOString(),
      conditions: [
        { bucket: name },
        ...Object.entries(bound).map(([field, value]) => ['eq', `$${field}`, value]),
        ['content-length-range', limits.minBytes, limits.maxBytes],
      ],
    }),
  ).toString('base64');
  const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
  const signingKey = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    hmac,
    `AWS4${credentials.secretAccessKey}`,
  );
  return {
    url: origin + root,
    fields: { ...bound, policy, 'x-amz-signature': hmac(signingKey, policy).toString('hex') },
  };
};
