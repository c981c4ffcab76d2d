import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { presignPost } from '../../../../lib/aws/post-policy.ts';
import { bucketOf, createS3Client, type S3Client, S3Error } from '../../../../lib/aws/s3-client.ts';
import { createUpstream } from '../../../../lib/upstream/client.ts';
import { type S3, startS3 } from '../../../support/s3.ts';

const keys = { AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'secret' };

describe('bucketOf', () => {
  test.each<[string, Record<string, string>, string]>([
    ['media', { AWS_REGION: 'eu-central-1' }, 'https://media.s3.eu-central-1.amazonaws.com/'],
    ['media', { AWS_DEFAULT_REGION: 'eu-west-1' }, 'https://media.s3.eu-west-1.amazonaws.com/'],
    ['media', {}, 'https://media.s3.us-east-1.amazonaws.com/'],
    ['media', { AWS_REGION: 'cn-north-1' }, 'https://media.s3.cn-north-1.amazonaws.com.cn/'],
    ['my.media', { AWS_REGION: 'eu-west-1' }, 'https://s3.eu-west-1.amazonaws.com/my.media/'],
    ['media', { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9000' }, 'http://127.0.0.1:9000/media/'],
    ['media', { AWS_ENDPOINT_URL: 'http://127.0.0.1:9000/s3/' }, 'http://127.0.0.1:9000/s3/media/'],
  ])('%s with %j is at %s', (name, env, expected) => {
    const { origin, root } = bucketOf(name, { ...keys, ...env });
    expect(origin + root).toBe(expected);
  });

  test('without credentials nothing is asked', async () => {
    const nobody = createS3Client(bucketOf('media', { AWS_REGION: 'eu-west-1' }), async () => {
      throw new Error('asked');
    });
    await expect(nobody.head('key', new AbortController().signal)).rejects.toThrow('credentials');
  });
});

describe('the calls, against a server that checks every signature', () => {
  const signal = new AbortController().signal;
  const content = Buffer.from('0123456789');
  let server: S3;
  let s3: S3Client;
  beforeAll(async () => {
    server = await startS3({ bucket: 'media' });
    s3 = createS3Client(bucketOf('media', server.env), createUpstream({ connectTimeoutMs: 1000 }).send);
  });
  beforeEach(() => server.forget());
  afterAll(() => server?.close());

  const readAll = async (etag: string, from: number, key = 'a/b') => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of s3.read(key, etag, from, signal)) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  };

  test('put, head, read from anywhere, remove', async () => {
    expect(await s3.head('a/b', signal)).toBeUndefined();
    await s3.put('a/b', content, 'audio/wav', signal);
    const head = await s3.head('a/b', signal);
    expect(head).toMatchObject({ length: 10, contentType: 'audio/wav', filename: undefined });
    expect(await readAll(head?.etag ?? '', 0)).toBe('0123456789');
    expect(await readAll(head?.etag ?? '', 7)).toBe('789');
    await s3.remove('a/b', signal);
    expect(await s3.head('a/b', signal)).toBeUndefined();
  });

  test('another version of the object is not read', async () => {
    await s3.put('a/b', content, 'audio/wav', signal);
    await expect(readAll('"other"', 0)).rejects.toMatchObject({ code: 'PreconditionFailed', status: 412 });
  });

  test('a refusal has the code of S3', async () => {
    await expect(readAll('"x"', 0, 'none')).rejects.toMatchObject({ code: 'NoSuchKey', status: 404 });
    server.refuse('PUT', 503);
    await expect(s3.put('a/b', content, 'audio/wav', signal)).rejects.toBeInstanceOf(S3Error);
    const stranger = createS3Client(
      bucketOf('media', { ...server.env, AWS_SECRET_ACCESS_KEY: 'wrong' }),
      createUpstream({ connectTimeoutMs: 1000 }).send,
    );
    await expect(stranger.remove('a/b', signal)).rejects.toMatchObject({ code: 'SignatureDoesNotMatch' });
    await expect(stranger.head('a/b', signal)).rejects.toMatchObject({ status: 403 });
  });

  test('a presigned URL opens the object without anything else, and in time only', async () => {
    await s3.put('images/a.png', content, 'image/png', signal);
    const url = await s3.presign('images/a.png', 60);
    expect(await (await fetch(url)).text()).toBe('0123456789');
    expect((await fetch(url.replace('X-Amz-Expires=60', 'X-Amz-Expires=600'))).status).toBe(403);
    expect((await fetch(url.replace('a.png', 'b.png'))).status).toBe(403);
    server.advance(61_000);
    expect((await fetch(url)).status).toBe(403);
  });

  test('a signed form, without a session token too', async () => {
    const plain = await startS3({
      bucket: 'media',
      region: 'us-east-1',
      credentials: { accessKeyId: 'AKIA', secretAccessKey: 'secret' },
    });
    try {
      const now = Date.now();
      const { url, fields } = await presignPost(
        bucketOf('media', plain.env),
        { key: 'k', contentType: 'text/plain', filename: undefined, minBytes: 1, maxBytes: 5, expiresAt: now + 1000 },
        now,
      );
      expect(fields).not.toHaveProperty('x-amz-security-token');
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.append(name, value);
      form.append('file', new Blob(['12345']));
      expect((await fetch(url, { method: 'POST', body: form })).status).toBe(204);
      expect(plain.objects.get('k')).toMatchObject({ length: 5, contentType: 'text/plain' });
    } finally {
      await plain.close();
    }
  });
});
