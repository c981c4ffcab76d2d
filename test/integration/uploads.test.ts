import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import OpenAI, { toFile } from 'openai';
import { withUploads } from '../../docs/openai-uploads.ts';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { type Gateway, nodeIdOf, standInServes, startGateway } from '../support/gateway.ts';
import { askUpload, bearer, postFile, transcribe, type UploadAnswer, uploaded } from '../support/s3/client.ts';
import { type S3, startS3 } from '../support/s3.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';
import { startUploadWorker, type UploadWorker } from '../support/upload-worker.ts';
import { pngOf } from '../support/worker/media.ts';

/** Files through the bucket: what is signed, who may name it, what becomes of it. */
const MAX = 1_000_000;
const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');

let s3: S3;
let worker: UploadWorker;
let painter: StandIn;
let gateway: Gateway;
let status = 200;
beforeAll(async () => {
  s3 = await startS3({ bucket: 'media' });
  worker = await startUploadWorker({ status: () => status });
  painter = await startWorker({ name: 'painter', models: ['painter'] });
  gateway = await startGateway({
    workers: [{ id: 'node-ear', url: worker.url, models: ['test-model'], serves: standInServes }, painter],
    env: {
      ...s3.env,
      GATEWAY_UPLOAD_BUCKET: 'media',
      GATEWAY_UPLOAD_MAX_BYTES: String(MAX),
      GATEWAY_MAX_BODY_BYTES: '200000',
      GATEWAY_ALLOW_ANONYMOUS: undefined,
      LOCALAI_API_KEY: 'sk-one,sk-two',
    },
    functions: ['audio', 'images', 'openai'],
    limits: { maxEnvironments: 1 },
  });
});
beforeEach(() => {
  s3.forget();
  painter.reset();
  status = 200;
});
afterAll(() => Promise.all([gateway?.close(), painter?.close(), worker?.[Symbol.asyncDispose](), s3?.close()]));

const lastForm = () => worker.forms.at(-1);
const isStored = () => s3.objects.size > 0;

describe('POST /v1/uploads', () => {
  test('answers an id, its expiry and a form, and needs no word of S3', async () => {
    const before = Date.now() / 1000;
    const answer = await askUpload(gateway, { filename: 'a.wav', content_type: 'audio/wav' });
    expect(answer.id).toMatch(/^file-[0-9a-f]{40}$/);
    expect(answer.max_bytes).toBe(MAX);
    expect(Math.abs(answer.expires_at - before - 86_400)).toBeLessThan(10);
    expect(Math.abs(answer.upload.expires_at - before - 3600)).toBeLessThan(10);
    expect(answer.upload.url).toBe(`${s3.url}/media/`);
    expect(answer.upload.fields).toMatchObject({ 'Content-Type': 'audio/wav', 'x-amz-meta-filename': 'a.wav' });
    expect(JSON.stringify(answer)).not.toContain('sk-one');
    expect(s3.calls.filter(({ method }) => method !== 'DELETE')).toEqual([]);
  });

  test('without a body', async () => {
    const received = await gateway.fetch('/v1/uploads', { method: 'POST', headers: bearer('sk-one') });
    expect(received.status).toBe(200);
    expect((received.json() as UploadAnswer).upload.fields['Content-Type']).toBe('application/octet-stream');
  });

  test('also at the images function, and as OpenAI names its fields', async () => {
    const received = await gateway.fetch('/v1/uploads', {
      headers: bearer('sk-one'),
      body: { filename: '../../etc/päss"wd.png', mime_type: 'image/png', bytes: 12, purpose: 'vision' },
    });
    const { upload } = received.json() as UploadAnswer;
    expect(upload.fields).toMatchObject({
      'Content-Type': 'image/png',
      'x-amz-meta-filename': encodeURIComponent('päss"wd.png'),
    });
    const own = await fetch(`${gateway.urlOf('images')}/v1/uploads`, { method: 'POST', headers: bearer('sk-one') });
    expect(own.status).toBe(200);
  });

  test.each([
    [{ content_type: 'nonsense' }, 400],
    [{ content_type: 7 }, 400],
    [{ content_type: 'audio/wav\r\nx: y' }, 400],
    [{ filename: 'x'.repeat(256) }, 400],
    [{ bytes: 0 }, 400],
    [{ bytes: 1.5 }, 400],
    [{ bytes: MAX + 1 }, 413],
    [[], 400],
  ])('%j is %i', async (body, expected) => {
    const received = await gateway.fetch('/v1/uploads', { headers: bearer('sk-one'), body });
    expect(received.status).toBe(expected);
    expectErrorIn('openai', received);
  });

  test('needs a key, and POST', async () => {
    expect((await gateway.fetch('/v1/uploads', { body: {} })).status).toBe(401);
    const got = await gateway.fetch('/v1/uploads', { headers: bearer('sk-one') });
    expect([got.status, got.headers.allow]).toEqual([405, 'POST']);
  });
});

describe('a signed form', () => {
  const small = 'sound';
  test('takes the file it was made for', async () => {
    const answer = await askUpload(gateway, { content_type: 'audio/wav' });
    expect(await postFile(answer, small)).toEqual({ status: 204, text: '' });
    expect([...s3.objects.values()]).toMatchObject([{ contentType: 'audio/wav', length: 5 }]);
  });

  test.each<[string, Record<string, string | undefined>, string]>([
    ['another key', { key: 'uploads/anonymous/file-x' }, 'AccessDenied'],
    ['another type', { 'Content-Type': 'text/html' }, 'AccessDenied'],
    ['no type', { 'Content-Type': undefined }, 'AccessDenied'],
    ['another name', { 'x-amz-meta-filename': 'b.wav' }, 'AccessDenied'],
    ['further fields', { acl: 'public-read' }, 'AccessDenied'],
    [
      'another policy',
      { policy: Buffer.from('{"expiration":"2099-01-01T00:00:00Z"}').toString('base64') },
      'SignatureDoesNotMatch',
    ],
    ['another signature', { 'x-amz-signature': '0'.repeat(64) }, 'SignatureDoesNotMatch'],
  ])('refuses %s', async (_, changes, code) => {
    const answer = await askUpload(gateway, { content_type: 'audio/wav', filename: 'a.wav' });
    const posted = await postFile(answer, small, changes);
    expect([posted.status, posted.text]).toEqual([403, expect.stringContaining(code)]);
    expect(isStored()).toBe(false);
  });

  test('refuses a larger file than allowed, than announced, and an empty one', async () => {
    const open = await askUpload(gateway, {});
    expect((await postFile(open, 'x'.repeat(MAX + 1))).text).toContain('EntityTooLarge');
    const sized = await askUpload(gateway, { bytes: small.length });
    expect((await postFile(sized, `${small}!`)).text).toContain('EntityTooLarge');
    expect((await postFile(sized, small.slice(1))).text).toContain('EntityTooSmall');
    expect((await postFile(open, '')).text).toContain('EntityTooSmall');
    expect(isStored()).toBe(false);
    expect((await postFile(open, 'x'.repeat(MAX))).status).toBe(204);
  });

  test('is over after an hour', async () => {
    const answer = await askUpload(gateway, {});
    s3.advance(3_599_000 - 5000);
    expect((await postFile(answer, small)).status).toBe(204);
    s3.advance(7000);
    expect((await postFile(answer, small)).text).toContain('Policy expired');
  });
});

describe('file_id', () => {
  test('in JSON: the worker gets a form, its length declared, and the upload is deleted', async () => {
    const id = await uploaded(gateway, 'a recording', { filename: 'Grüße "1".wav', content_type: 'audio/wav' });
    const received = await transcribe(gateway, {
      file_id: id,
      language: 'de',
      temperature: 0.5,
      seed: 1,
      prompt: null,
      timestamp_granularities: ['word', 'segment'],
    });
    expect([received.status, received.headers['x-localai-node']]).toEqual([200, 'node-ear']);
    const { fields, files, declared, length } = lastForm() ?? {};
    expect(files).toEqual([
      {
        part: 'file',
        filename: 'Grüße %221%22.wav',
        contentType: 'audio/wav',
        bytes: 11,
        sha256: sha256('a recording'),
      },
    ]);
    expect(fields).toEqual([
      ['model', 'test-model'],
      ['language', 'de'],
      ['temperature', '0.5'],
      ['seed', '1'],
      ['timestamp_granularities[]', 'word'],
      ['timestamp_granularities[]', 'segment'],
    ]);
    expect(declared).toBe(length);
    expect(await until(() => !isStored())).toBe(true);
    expect((await transcribe(gateway, { file_id: id })).status).toBe(404);
  });

  test('numbers stay as they are written', async () => {
    const id = await uploaded(gateway, 'x');
    const text = `{"model":"test-model","seed":12345678901234567890,"temperature":1.0,"nested":{"a":[1.0]},"file_id":"${id}"}`;
    await gateway.fetch('/v1/audio/transcriptions', {
      headers: { ...bearer('sk-one'), 'content-type': 'application/json' },
      body: text,
    });
    expect(lastForm()?.fields).toEqual([
      ['model', 'test-model'],
      ['seed', '12345678901234567890'],
      ['temperature', '1.0'],
      ['nested', '{"a":[1.0]}'],
    ]);
  });

  test('in a form, beside other fields and files, which stay as they are', async () => {
    const id = await uploaded(gateway, 'x'.repeat(300_000), { content_type: 'audio/flac' });
    const form = new FormData();
    form.append('file_id', id);
    form.append('model', 'test-model');
    form.append('prompt', 'Zeile 1\r\nZeile 2 – ü');
    form.append('vocabulary', new Blob(['beide']), 'words.txt');
    form.append('keep', 'false');
    const received = await gateway.fetch('/v1/audio/translations', { headers: bearer('sk-one'), body: form });
    expect(received.status).toBe(200);
    expect(lastForm()).toMatchObject({
      path: '/v1/audio/translations',
      fields: [
        ['model', 'test-model'],
        ['prompt', 'Zeile 1\r\nZeile 2 – ü'],
      ],
      files: [
        { part: 'vocabulary', filename: 'words.txt', bytes: 5 },
        { part: 'file', filename: 'upload.flac', contentType: 'audio/flac', bytes: 300_000 },
      ],
    });
  });

  test('for diarization', async () => {
    const id = await uploaded(gateway, 'voices');
    const received = await gateway.fetch('/audio/diarization', {
      headers: bearer('sk-one'),
      body: { model: 'test-model', file_id: id },
    });
    expect(received.status).toBe(200);
    expect(lastForm()).toMatchObject({ path: '/v1/audio/diarization', files: [{ sha256: sha256('voices') }] });
  });

  test('kept when asked to, and after an error of the worker', async () => {
    const id = await uploaded(gateway, 'again');
    expect((await transcribe(gateway, { file_id: id, keep: true })).status).toBe(200);
    expect(lastForm()?.fields).toEqual([['model', 'test-model']]);
    status = 422;
    expect((await transcribe(gateway, { file_id: id })).status).toBe(422);
    status = 200;
    // Serving this one, the environment has finished with what came before.
    expect((await transcribe(gateway, { file_id: id, keep: 'true' })).status).toBe(200);
    expect(isStored()).toBe(true);
    expect(s3.calls.filter(({ method, key }) => method === 'DELETE' && key.endsWith(id))).toEqual([]);
  });

  test('a stream: events as they come, then the upload is deleted', async () => {
    const id = await uploaded(gateway, 'a long talk');
    const received = await transcribe(gateway, { model: 'painter', file_id: id, stream: true });
    expect(received.headers['content-type']).toContain('text/event-stream');
    expect(received.text).toContain('transcript.text.done');
    expect(painter.requests[0]?.fields).toMatchObject({ stream: 'true' });
    expect(painter.requests[0]?.body.includes('a long talk')).toBe(true);
    expect(await until(() => !isStored())).toBe(true);
  });

  test('a file with something like a boundary in it arrives whole', async () => {
    const tricky = '\r\n--form-00\r\nContent-Disposition: form-data; name="model"\r\n\r\nother\r\n--form-00--\r\n';
    const id = await uploaded(gateway, tricky);
    await transcribe(gateway, { file_id: id });
    expect(lastForm()?.files).toMatchObject([{ sha256: sha256(tricky) }]);
  });
});

describe('refusals', () => {
  const refused = async (body: object, expected: number, key?: string) => {
    const begun = worker.begun();
    const received = await transcribe(gateway, body, key);
    expect(received.status).toBe(expected);
    expect(received.headers).not.toHaveProperty('x-localai-node');
    expect(worker.begun()).toBe(begun);
    const message = expectErrorIn('openai', received);
    const { error } = received.json() as { error: { code: string; param: string | null } };
    return { message, ...error };
  };

  test("another caller's id is 404, as if it did not exist", async () => {
    const id = await uploaded(gateway, 'mine', {}, 'sk-one');
    const theirs = await refused({ file_id: id }, 404, 'sk-two');
    const none = await refused({ file_id: `file-${id.slice(5, 13)}${'0'.repeat(32)}` }, 404, 'sk-two');
    expect(theirs).toMatchObject({ code: 'upload_not_found', param: 'file_id' });
    expect(theirs.message.replace(/file-\w+/, '')).toBe(none.message.replace(/file-\w+/, ''));
    expect((await transcribe(gateway, { file_id: id })).status).toBe(200);
  });

  test('an id under which nothing was uploaded is 404', async () => {
    const { id } = await askUpload(gateway, {});
    expect((await refused({ file_id: id }, 404)).code).toBe('upload_not_found');
  });

  test.each([
    'file-1',
    '../images/x.png',
    `file-${'0'.repeat(39)}/`,
    `../../sk/file-${'f'.repeat(40)}`,
    `file-${'F'.repeat(40)}`,
    'constructor',
    `file-${'f'.repeat(40)}?x`,
  ])('%j is 404 and S3 is not asked', async (id) => {
    expect((await refused({ file_id: id }, 404)).code).toBe('upload_not_found');
    expect(s3.calls.filter(({ method }) => method !== 'DELETE')).toEqual([]);
  });

  test('an id older than a day is 410', async () => {
    const { id } = await askUpload(gateway, {});
    const yesterday = Math.floor(Date.now() / 1000 - 86_401).toString(16);
    const { code, param } = await refused({ file_id: `file-${yesterday}${id.slice(13)}` }, 410);
    expect([code, param]).toEqual(['upload_expired', 'file_id']);
  });

  test('an object over the limit is 413 and names it', async () => {
    const answer = await askUpload(gateway, {});
    s3.store(answer.upload.fields.key ?? '', Buffer.alloc(MAX + 1));
    const { message } = await refused({ file_id: answer.id }, 413);
    expect(message).toContain(String(MAX));
  });

  test('an object that S3 does not give out is 503', async () => {
    const id = await uploaded(gateway, 'x');
    s3.refuse('HEAD', 403);
    await refused({ file_id: id }, 503);
    s3.failReads({ status: 403 });
    const received = await transcribe(gateway, { file_id: id });
    expect(received.status).toBe(503);
    expectErrorIn('openai', received);
    expect((await transcribe(gateway, { file_id: id })).status).toBe(200);
  });

  test.each([{ file_id: 5 }, { file_id: {} }, { file_id: [[]] }, {}, { file_id: null }])('%j is 400', async (body) => {
    expect((await refused(body, 400)).message).toContain('file_id');
  });

  test('a file given twice is 400', async () => {
    const id = await uploaded(gateway, 'x');
    await refused({ file_id: id, file: 'inline' }, 400);
    const form = new FormData();
    form.append('model', 'test-model');
    form.append('file_id', id);
    form.append('file', new Blob(['y']), 'y.wav');
    const received = await gateway.fetch('/v1/audio/transcriptions', { headers: bearer('sk-one'), body: form });
    expect(received.status).toBe(400);
  });

  test('a deletion that fails costs nobody anything', async () => {
    const id = await uploaded(gateway, 'x');
    s3.refuse('DELETE', 500);
    expect((await transcribe(gateway, { file_id: id })).status).toBe(200);
    expect(await until(() => gateway.logs.some((line) => line.includes('upload_not_deleted')))).toBe(true);
    expect((await transcribe(gateway, { file_id: id })).status).toBe(200);
  });

  test('413 names the usable size and this way, where there is one', async () => {
    const form = new FormData();
    form.append('model', 'test-model');
    form.append('file', new Blob(['x'.repeat(200_000)]), 'x.wav');
    const audio = await gateway.fetch('/v1/audio/transcriptions', { headers: bearer('sk-one'), body: form });
    expect(audio.status).toBe(413);
    const message = expectErrorIn('openai', audio);
    for (const part of ['200000 bytes', 'POST /v1/uploads', `${MAX} bytes`, 'file_id']) expect(message).toContain(part);
    const chat = await gateway.fetch('/v1/chat/completions', {
      headers: bearer('sk-one'),
      body: { model: 'test-model', messages: [{ role: 'user', content: 'x'.repeat(200_000) }] },
    });
    expect(chat.status).toBe(413);
    expect(expectErrorIn('openai', chat)).not.toContain('uploads');
  });
});

describe('images', () => {
  test('image_id and mask_id become the image and its mask', async () => {
    const image = await uploaded(gateway, 'image', { filename: 'i.png', content_type: 'image/png' });
    const mask = await uploaded(gateway, 'mask', { content_type: 'image/png' });
    const received = await gateway.fetch('/v1/images/inpainting', {
      headers: bearer('sk-one'),
      body: { model: 'test-model', prompt: 'a llama', image_id: image, mask_id: mask },
    });
    expect(received.status).toBe(200);
    expect(lastForm()).toMatchObject({
      path: '/v1/images/inpainting',
      fields: [
        ['model', 'test-model'],
        ['prompt', 'a llama'],
      ],
      files: [
        { part: 'image', filename: 'i.png', contentType: 'image/png', sha256: sha256('image') },
        { part: 'mask', filename: 'upload.png', sha256: sha256('mask') },
      ],
    });
    expect(await until(() => !isStored())).toBe(true);
  });

  test('several images of one edit', async () => {
    const ids = [await uploaded(gateway, 'one'), await uploaded(gateway, 'two')];
    const received = await gateway.fetch('/v1/images/edits', {
      headers: bearer('sk-one'),
      body: { model: 'test-model', prompt: 'both', image_id: ids },
    });
    expect(received.status).toBe(200);
    expect(lastForm()?.files).toMatchObject([
      { part: 'image[]', sha256: sha256('one') },
      { part: 'image[]', sha256: sha256('two') },
    ]);
  });

  const generate = async (body: object) => {
    const received = await gateway.fetch('/v1/images/generations', {
      headers: bearer('sk-one'),
      body: { model: 'painter', prompt: 'a llama', ...body },
    });
    expect([received.status, received.headers['x-localai-node']]).toEqual([200, nodeIdOf(painter)]);
    return (received.json() as { data: { url?: string; b64_json?: string }[] }).data;
  };

  test('response_format url: a URL that opens the image, for an hour', async () => {
    const images = await generate({ response_format: 'url', n: 2 });
    expect(images).toHaveLength(2);
    expect(new Set(images.map(({ url }) => url)).size).toBe(2);
    for (const { url = '', b64_json } of images) {
      expect(b64_json).toBeUndefined();
      const opened = await fetch(url);
      expect([opened.status, opened.headers.get('content-type')]).toEqual([200, 'image/png']);
      expect(Buffer.from(await opened.arrayBuffer())).toEqual(pngOf(painter.name));
      expect((await fetch(url.replace(/\?.*/, ''))).status).toBe(403);
      expect((await fetch(url, { method: 'DELETE' })).status).toBe(403);
    }
    s3.advance(3_601_000);
    expect((await fetch(images[0]?.url ?? '')).status).toBe(403);
  });

  test('without it the image is inlined, and nothing is stored', async () => {
    const [image] = await generate({});
    expect(Buffer.from(image?.b64_json ?? '', 'base64')).toEqual(pngOf(painter.name));
    expect(s3.calls.filter(({ method }) => method !== 'DELETE')).toEqual([]);
  });

  test('a bucket that takes nothing: inlined after all', async () => {
    s3.refuse('PUT', 503);
    const [image] = await generate({ response_format: 'url' });
    expect(Buffer.from(image?.b64_json ?? '', 'base64')).toEqual(pngOf(painter.name));
  });
});

describe("OpenAI's own client with docs/openai-uploads.ts", () => {
  const recording = Buffer.from(`RIFF${'.'.repeat(500_000)}`);
  const client = (key = 'sk-one', limit = 100_000) =>
    new OpenAI({ baseURL: `${gateway.origin}/v1`, apiKey: key, maxRetries: 0, fetch: withUploads(fetch, limit) });
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'uploads-'));
    await writeFile(join(folder, 'meeting.wav'), recording);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each<[string, () => Promise<Parameters<OpenAI['audio']['transcriptions']['create']>[0]['file']>]>([
    ['a file stream', async () => createReadStream(join(folder, 'meeting.wav'))],
    ['toFile', () => toFile(recording, 'meeting.wav', { type: 'audio/wav' })],
  ])('%s above the limit goes through the bucket', async (_, file) => {
    const { data, response } = await client()
      .audio.transcriptions.create({ model: 'test-model', file: await file(), timestamp_granularities: ['word'] })
      .withResponse();
    expect(data.text).toBe('heard');
    expect(response.headers.get('x-localai-node')).toBe('node-ear');
    expect(lastForm()?.files).toMatchObject([
      { part: 'file', filename: 'meeting.wav', bytes: recording.length, sha256: sha256(recording) },
    ]);
    expect(s3.calls.map(({ method }) => method)).toEqual(expect.arrayContaining(['POST', 'HEAD', 'GET']));
  });

  test('a small one goes as ever', async () => {
    const file = createReadStream(join(folder, 'meeting.wav'), { end: 49_999 });
    const { text } = await client().audio.transcriptions.create({ model: 'test-model', file });
    expect(text).toBe('heard');
    expect(lastForm()?.files).toMatchObject([{ bytes: 50_000, sha256: sha256(recording.subarray(0, 50_000)) }]);
    // What an earlier request leaves behind is deleted after its answer.
    expect(s3.calls.filter(({ method }) => method !== 'DELETE')).toEqual([]);
  });

  test('images of an edit', async () => {
    await client().images.edit({
      model: 'test-model',
      prompt: 'x',
      image: [await toFile(recording, 'a.png'), await toFile(recording.subarray(1), 'b.png')],
      mask: await toFile(Buffer.from('m'), 'm.png'),
    });
    const files = lastForm()?.files.map(({ part, filename, bytes }) => [part, filename, bytes]) ?? [];
    expect(files.sort()).toEqual([
      ['image[]', 'a.png', recording.length],
      ['image[]', 'b.png', recording.length - 1],
      ['mask', 'm.png', 1],
    ]);
  });

  test("the gateway's refusals are the client's errors", async () => {
    const file = () => toFile(recording, 'meeting.wav');
    await expect(
      client('sk-wrong').audio.transcriptions.create({ model: 'test-model', file: await file() }),
    ).rejects.toMatchObject({ status: 401 });
    const large = await toFile(Buffer.alloc(MAX + 1), 'large.wav');
    await expect(client().audio.transcriptions.create({ model: 'test-model', file: large })).rejects.toMatchObject({
      status: 413,
    });
    expect(isStored()).toBe(false);
  });

  test('generations by URL', async () => {
    const { data } = await client().images.generate({ model: 'painter', prompt: 'x', response_format: 'url' });
    const opened = await fetch(data?.[0]?.url ?? '');
    expect(Buffer.from(await opened.arrayBuffer())).toEqual(pngOf(painter.name));
  });
});

describe('other settings', () => {
  test('off: 404 that says how to switch it on, JSON 415, url inlined', async () => {
    await using off = await startGateway({ workers: [painter], functions: ['audio', 'images'] });
    const upload = await off.fetch('/v1/uploads', { body: {} });
    expect(upload.status).toBe(404);
    expect(expectErrorIn('openai', upload)).toContain('GATEWAY_UPLOAD_BUCKET');
    const json = await off.fetch('/v1/audio/transcriptions', { body: { model: 'painter', file_id: 'file-1' } });
    expect(json.status).toBe(415);
    const image = await off.fetch('/v1/images/generations', {
      body: { model: 'painter', prompt: 'x', response_format: 'url' },
    });
    expect((image.json() as { data: object[] }).data[0]).toHaveProperty('b64_json');
  });

  test('anonymous access: one owner for all, whatever key they send', async () => {
    await using open = await startGateway({
      workers: [{ id: 'node-ear', url: worker.url, models: ['test-model'], serves: standInServes }],
      env: { ...s3.env, GATEWAY_UPLOAD_BUCKET: 'media' },
      functions: ['audio'],
    });
    const id = await uploaded(open, 'shared', {}, 'whoever');
    expect([...s3.objects.keys()]).toEqual([`uploads/anonymous/${id}`]);
    expect((await transcribe(open, { file_id: id }, 'somebody else')).status).toBe(200);
  });

  test('without AWS credentials: 503, and the log says why', async () => {
    await using broken = await startGateway({
      workers: [],
      env: { GATEWAY_UPLOAD_BUCKET: 'media' },
      functions: ['audio'],
    });
    const received = await broken.fetch('/v1/uploads', { body: {} });
    expect(received.status).toBe(503);
    expect(expectErrorIn('openai', received)).not.toContain('credentials');
    expect(broken.logs.join('\n')).toMatch(/AWS credentials are not set|Could not load credentials/);
  });
});
