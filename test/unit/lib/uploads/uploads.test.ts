import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { GatewayError } from '../../../../lib/errors.ts';
import { createUploads, type Uploads } from '../../../../lib/uploads/uploads.ts';
import { createUpstream } from '../../../../lib/upstream/client.ts';
import { type S3, startS3 } from '../../../support/s3.ts';

const signal = new AbortController().signal;
const caller = 'ab'.repeat(32);
let s3: S3;
let uploads: Uploads;
let now: number;
beforeAll(async () => {
  s3 = await startS3({ bucket: 'media' });
  const { send } = createUpstream({ connectTimeoutMs: 1000 });
  uploads = createUploads({ bucket: 'media', maxBytes: 1000, env: s3.env, send, now: () => now });
});
beforeEach(() => {
  now = Date.now();
  s3.forget();
});
afterAll(() => s3?.close());

const wanted = { caller, contentType: 'audio/wav', filename: undefined, bytes: undefined };
const put = async (content: Buffer, contentType = 'audio/wav'): Promise<string> => {
  const { id, form } = await uploads.create(wanted);
  s3.store(form.fields.key ?? '', content, contentType);
  return id;
};
const readAll = async (stream: AsyncIterable<Uint8Array>): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

test('an id lives for a day and not a second longer', async () => {
  const id = await put(Buffer.from('x'));
  now += 86_399_000;
  expect((await uploads.find(id, caller, 'file_id', signal)).length).toBe(1);
  now += 1001;
  await expect(uploads.find(id, caller, 'file_id', signal)).rejects.toMatchObject({ status: 410 });
});

test('a file can be read as often as there are workers, from its beginning', async () => {
  const file = await uploads.find(await put(Buffer.from('whole')), caller, 'file_id', signal);
  expect([await readAll(file.open(signal)), await readAll(file.open(signal))]).toEqual(['whole', 'whole']);
});

test('a break is resumed where it happened, a body that ends too early too', async () => {
  const file = await uploads.find(await put(Buffer.from('0123456789')), caller, 'file_id', signal);
  s3.failReads({ breakAfter: 4 }, { status: 500 }, { breakAfter: 3 });
  expect(await readAll(file.open(signal))).toBe('0123456789');
  expect(s3.calls.flatMap(({ range }) => range ?? [])).toEqual(['bytes=0-', 'bytes=4-', 'bytes=4-', 'bytes=7-']);
});

test('three breaks without a byte between them are enough', async () => {
  const file = await uploads.find(await put(Buffer.from('0123456789')), caller, 'file_id', signal);
  s3.failReads({ breakAfter: 4 }, { status: 500 }, { status: 503 }, { status: 500 });
  await expect(readAll(file.open(signal))).rejects.toMatchObject({ status: 503 });
  expect(s3.calls.filter(({ method }) => method === 'GET')).toHaveLength(3);
});

test('deleted or uploaded once more while it is read: 404, and never a mixture', async () => {
  const { id, form } = await uploads.create(wanted);
  const key = form.fields.key ?? '';
  s3.store(key, Buffer.from('first'));
  const file = await uploads.find(id, caller, 'file_id', signal);
  s3.store(key, Buffer.from('other'));
  await expect(readAll(file.open(signal))).rejects.toBeInstanceOf(GatewayError);
  await expect(readAll(file.open(signal))).rejects.toMatchObject({ status: 404, code: 'upload_not_found' });
});

test('an aborted reader stops at once', async () => {
  const file = await uploads.find(await put(Buffer.from('0123456789')), caller, 'file_id', signal);
  const left = new AbortController();
  left.abort();
  await expect(readAll(file.open(left.signal))).rejects.toBeDefined();
  expect(s3.calls.filter(({ method }) => method === 'GET')).toEqual([]);
});

test.each([
  ['audio/mpeg', 'upload.mp3'],
  ['AUDIO/WAV; codecs=1', 'upload.wav'],
  ['application/octet-stream', 'upload'],
])('a %s without a name is called %s', async (contentType, expected) => {
  const file = await uploads.find(await put(Buffer.from('x'), contentType), caller, 'file_id', signal);
  expect(file.filename).toBe(expected);
});

test('removing what is gone, or where S3 refuses, never fails', async () => {
  const file = await uploads.find(await put(Buffer.from('x')), caller, 'file_id', signal);
  await uploads.remove([file, file]);
  expect(s3.objects.size).toBe(0);
  s3.refuse('DELETE', 500);
  await uploads.remove([file]);
});
