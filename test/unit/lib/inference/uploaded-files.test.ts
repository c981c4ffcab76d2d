import { describe, expect, test } from '@jest/globals';
import { audioEndpoints } from '../../../../lib/endpoints/audio.ts';
import type { ForwardedEndpoint } from '../../../../lib/endpoints/endpoint.ts';
import type { GatewayRequest } from '../../../../lib/endpoints/gateway-request.ts';
import { forms } from '../../../../lib/http/form-fields.ts';
import { readInferenceRequest } from '../../../../lib/inference/inference-request.ts';
import { createTakeUploads } from '../../../../lib/inference/uploaded-files.ts';
import type { StoredFile, Uploads } from '../../../../lib/uploads/uploads.ts';

/** From a body that names a file to the body a worker gets, with an alias in between. */
const transcription = audioEndpoints.find(({ operation }) => operation === 'transcription') as ForwardedEndpoint;
const signal = new AbortController().signal;
const file: StoredFile = {
  key: 'k',
  filename: 'a.wav',
  contentType: 'audio/wav',
  length: 5,
  async *open() {
    yield Buffer.from('sound');
  },
};

const setUp = () => {
  const asked: unknown[] = [];
  const removed: unknown[] = [];
  const uploads: Uploads = {
    maxBytes: 1000,
    create: () => {
      throw new Error('nothing is created here');
    },
    find: async (id, caller, field) => {
      asked.push([id, caller, field]);
      return file;
    },
    remove: async (files) => void removed.push(...files),
    storeImage: async () => '',
  };
  return { asked, removed, takeUploads: createTakeUploads(uploads) };
};

const requestOf = (contentType: string, bytes: Buffer, body?: unknown): GatewayRequest =>
  ({
    headers: { 'content-type': contentType },
    query: '',
    body,
    bytes: () => bytes,
    caller: 'me',
    deadline: { signal },
  }) as unknown as GatewayRequest;

const read = async (request: GatewayRequest) => {
  const { takeUploads, asked, removed } = setUp();
  const aliases = { whisper: 'whisper-1' };
  const options = { endpoint: transcription, params: {}, request, aliases, forms, takeUploads };
  const inference = await readInferenceRequest(options);
  return { inference, asked, removed };
};

const formOf = async ({ inference }: Awaited<ReturnType<typeof read>>): Promise<FormData> => {
  const { body, contentType = '' } = inference;
  if (body instanceof Uint8Array) throw new Error('the body is not streamed');
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.open(signal)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  expect(bytes.length).toBe(body.length);
  return new Response(new Uint8Array(bytes), { headers: { 'content-type': contentType } }).formData();
};

const json = (body: object) => requestOf('application/json', Buffer.from(JSON.stringify(body)), body);
const multipart = async (fields: Record<string, string | Blob>) => {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const encoded = new Response(form);
  return requestOf(encoded.headers.get('content-type') ?? '', Buffer.from(await encoded.arrayBuffer()));
};

describe.each([
  ['JSON', async (fields: Record<string, string>) => json(fields)],
  ['a form', multipart],
])('%s', (_, make) => {
  test('names the file, under an alias of the model', async () => {
    const result = await read(await make({ model: 'whisper', file_id: 'file-1', language: 'de' }));
    const form = await formOf(result);
    expect(result.asked).toEqual([['file-1', 'me', 'file_id']]);
    expect(result.inference).toMatchObject({ requestedModel: 'whisper', servedModel: 'whisper-1' });
    expect([form.get('model'), form.get('language')]).toEqual(['whisper-1', 'de']);
    expect(await (form.get('file') as File).text()).toBe('sound');
    expect([...form.keys()]).not.toContain('file_id');
  });
});

test('what is to be forgotten is forgotten when asked, what is to be kept never', async () => {
  const once = await read(json({ model: 'm', file_id: 'file-1' }));
  expect(once.removed).toEqual([]);
  await once.inference.forgetUploads?.();
  expect(once.removed).toEqual([file]);
  const kept = await read(json({ model: 'm', file_id: 'file-1', keep: true }));
  await kept.inference.forgetUploads?.();
  expect(kept.removed).toEqual([]);
});

test('a form that carries its file keeps its bytes', async () => {
  const request = await multipart({ model: 'whisper-1', file: new Blob(['sound']) });
  const { inference, asked } = await read(request);
  expect(inference.body).toBe(request.bytes());
  expect(inference.bodyFor({ engine: 'vllm' })).toBe(inference.body);
  expect(inference).not.toHaveProperty('contentType');
  expect(asked).toEqual([]);
});

test('names that objects have by nature are ordinary fields', async () => {
  const form = await formOf(await read(json({ model: 'm', file_id: 'file-1', constructor: 'x', toString: 'y' })));
  expect([form.get('constructor'), form.get('toString')]).toEqual(['x', 'y']);
});

test('more files than any endpoint takes are refused before S3 is asked', async () => {
  const many = json({ model: 'm', file_id: Array.from({ length: 17 }, () => 'file-1') });
  await expect(read(many)).rejects.toMatchObject({ status: 400, param: 'file_id' });
});
