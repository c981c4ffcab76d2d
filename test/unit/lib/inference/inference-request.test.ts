import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { findEndpoint } from '../../../../lib/endpoints/index.ts';
import { forms } from '../../../../lib/http/form-fields.ts';
import { readInferenceRequest } from '../../../../lib/inference/inference-request.ts';
import { operations, pathOf } from '../../../support/operations.ts';
import type { Asking } from '../in-process-gateway.ts';
import { requestFor } from '../scripted-fleet.ts';

/** What routing reads of a request, and that the bytes stay the client's. */
const read = async (path: string, asking: Asking, aliases: Record<string, string> = {}) => {
  const match = findEndpoint(path);
  if (match?.endpoint.kind !== 'forwarded') throw new Error(path);
  const text = typeof asking.body === 'string' ? asking.body : undefined;
  const request = await requestFor(path, asking);
  request.deadline.clear();
  if (text !== undefined) request.body = JSON.parse(text);
  const { endpoint, params } = match;
  const inference = await readInferenceRequest({ endpoint, params, request, aliases, forms });
  return { inference, request };
};

const chat = '/v1/chat/completions';

describe('the body', () => {
  test.each(operations.map((one) => [one.name, one] as const))('%s: is passed on byte for byte', async (_, one) => {
    const { inference, request } = await read(pathOf(one, 'm'), { body: one.body('m', true) });
    expect(inference.requestedModel).toBe('m');
    expect(inference.body).toEqual(request.bytes());
  });

  test('whatever its spelling', async () => {
    const body = '{ "seed" : 9007199254740993, "messages":[ ],\r\n"model" : "m", "model":"m","x":1.0e0 }';
    const { inference, request } = await read(chat, { body });
    expect(inference.body).toBe(request.bytes());
  });

  test('an alias changes the model and nothing else', async () => {
    const body = '{"seed":9007199254740993,"model":"gpt-4o","messages":[{"role":"user","content":"gpt-4o"}]}';
    const { inference } = await read(chat, { body }, { 'gpt-4o': 'qwen3-0.6b' });
    expect(inference).toMatchObject({ requestedModel: 'gpt-4o', servedModel: 'qwen3-0.6b' });
    expect(inference.body.toString()).toBe(
      '{"seed":9007199254740993,"model":"qwen3-0.6b","messages":[{"role":"user","content":"gpt-4o"}]}',
    );
  });

  test('an alias in a form changes the model part and nothing else', async () => {
    const form = new FormData();
    form.append('file', new Blob([new Uint8Array([0, 13, 10, 45, 45, 255])]), 'a; name=model');
    form.append('model', 'whisper-1');
    form.append('prompt', 'whisper-1');
    const { inference, request } = await read('/v1/audio/transcriptions', { body: form }, { 'whisper-1': 'tiny' });
    expect(inference).toMatchObject({ requestedModel: 'whisper-1', servedModel: 'tiny' });
    const before = request.bytes().toString('latin1');
    expect((inference.body as Buffer).toString('latin1')).toBe(
      before.replace('\r\n\r\nwhisper-1\r\n', '\r\n\r\ntiny\r\n'),
    );
  });

  test('an alias is found with :latest as well', async () => {
    const { inference } = await read('/api/chat', { body: { model: 'gpt-4o:latest' } }, { 'gpt-4o': 'qwen' });
    expect(inference.servedModel).toBe('qwen');
  });
});

describe('the model', () => {
  test('of the path goes into the body, over whatever stands there', async () => {
    const { inference } = await read('/v1/engines/Qwen%2FQwen3-8B/completions', {
      body: { model: 'other', prompt: 'x' },
    });
    expect(inference).toMatchObject({ requestedModel: 'Qwen/Qwen3-8B', path: '/v1/completions' });
    expect(JSON.parse(inference.body.toString())).toEqual({ model: 'Qwen/Qwen3-8B', prompt: 'x' });
  });

  test('of ElevenLabs is model_id, or model', async () => {
    const path = '/v1/text-to-speech/rachel';
    expect((await read(path, { body: { model_id: 'a', text: '' } })).inference.requestedModel).toBe('a');
    expect((await read(path, { body: { model: 'b', text: '' } })).inference.requestedModel).toBe('b');
    const { inference } = await read(path, { body: { model: 'b', text: '' } }, { b: 'c' });
    expect(JSON.parse(inference.body.toString())).toEqual({ model: 'c', text: '' });
  });

  test('is the path’s, else the body’s, else the query’s', async () => {
    const query = 'model=c';
    const model = async (path: string, body: object) => (await read(path, { body, query })).inference.requestedModel;
    expect(await model('/v1/engines/a/completions', { model: 'b', prompt: '' })).toBe('a');
    expect(await model('/v1/completions', { model: 'b', prompt: '' })).toBe('b');
    expect(await model('/v1/completions', { prompt: '' })).toBe('c');
    expect(await model('/v1/completions', { model: '', prompt: '' })).toBe('c');
  });

  test.each<[object, string, object]>([
    [{ model: 'a', name: 'b' }, 'a', { model: 'z', name: 'b' }],
    [{ model: '', name: 'a' }, 'a', { model: '', name: 'z' }],
    [{ name: 'a' }, 'a', { name: 'z' }],
    [{ model: 'a', name: 'a' }, 'a', { model: 'z', name: 'z' }],
  ])('of /api/show is read as Ollama reads it: %j', async (body, model, aliased) => {
    expect((await read('/api/show', { body })).inference.requestedModel).toBe(model);
    const { inference } = await read('/api/show', { body }, { a: 'z' });
    expect(JSON.parse(inference.body.toString())).toEqual(aliased);
  });

  test.each([{}, { model: '' }, { model: null }])('may be missing: %j', async (named) => {
    const { inference } = await read(chat, { body: { ...named, messages: [] } });
    expect([inference.requestedModel, inference.servedModel]).toEqual([undefined, undefined]);
  });
});

describe('stream', () => {
  test.each([
    [chat, { messages: [] }, false],
    [chat, { messages: [], stream: true }, true],
    [chat, { messages: [], stream: false }, false],
    [chat, { messages: [], stream: null }, false],
    ['/api/chat', {}, true],
    ['/api/generate', {}, true],
    ['/api/chat', { stream: false }, false],
    ['/v1/responses', { stream: true }, true],
  ])('%s %j: %s', async (path, body, stream) => {
    expect((await read(path, { body })).inference.stream).toBe(stream);
  });

  test.each([
    ['true', true],
    ['True', true],
    ['1', true],
    ['false', false],
    ['', false],
    [undefined, false],
  ])('of a form is text: %j', async (value, stream) => {
    const form = new FormData();
    form.append('file', new Blob(['RIFF']), 'a.wav');
    if (value !== undefined) form.append('stream', value);
    expect((await read('/v1/audio/transcriptions', { body: form })).inference.stream).toBe(stream);
  });
});

describe('the path', () => {
  test.each(operations.flatMap((one) => one.paths.map((path, at) => [path, one, at] as const)))(
    '%s becomes the canonical one, with the raw query',
    async (_, one, at) => {
      const { inference } = await read(pathOf(one, 'm', at), { body: one.body('m'), query: 'beta=true&x=%2F+%zz' });
      expect(inference.path).toBe(`${one.canonical ?? one.paths[0]}?beta=true&x=%2F+%zz`);
    },
  );

  test.each([
    ['key=k&beta=true', '?beta=true'],
    ['beta=true&api_key=k&x=1', '?beta=true&x=1'],
    ['%6bey=k&API%5FKEY=k&api-key=k&access_token=k', ''],
    ['monkey=k&keys=1&a=key', '?monkey=k&keys=1&a=key'],
    ['a&&b=%zz;key=x', '?a&&b=%zz;key=x'],
  ])('of the query %s the worker sees %j', async (query, expected) => {
    expect((await read(chat, { body: { messages: [] }, query })).inference.path).toBe(chat + expected);
  });

  test.each(['..', '.', 'a%2Fb', 'a%5Cb', '%2e%2e', 'a%00b', 'a%0d%0ab'])(
    'a voice cannot leave its place: %s',
    async (voice) => {
      await expect(read(`/v1/text-to-speech/${voice}`, { body: { text: '' } })).rejects.toMatchObject({ status: 404 });
    },
  );

  test('any other voice is one encoded segment', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), async (voice) => {
        fc.pre(voice.isWellFormed() && !/[/\\\p{Cc}]|^\.{1,2}$/u.test(voice));
        const { inference } = await read(`/v1/text-to-speech/${encodeURIComponent(voice)}`, { body: { text: '' } });
        expect(inference.path).toBe(`/v1/text-to-speech/${encodeURIComponent(voice)}`);
      }),
    );
  });
});

describe('what the gateway needs', () => {
  test.each<[string, object, string]>([
    [chat, {}, 'messages'],
    [chat, { messages: 'x' }, 'messages'],
    ['/v1/messages', { max_tokens: 1 }, 'messages'],
    [chat, { messages: [], model: 7 }, 'model'],
    [chat, { messages: [], model: ['a'] }, 'model'],
    [chat, { messages: [], stream: 'true' }, 'stream'],
    ['/v1/responses', { input: 'x', previous_response_id: 'resp_1' }, 'previous_response_id'],
    ['/v1/responses', { input: 'x', background: true }, 'background'],
    ['/v1/responses', { input: 'x', conversation: 'conv_1' }, 'conversation'],
    ['/v1/responses', { input: 'x', conversation: { id: 'conv_1' } }, 'conversation'],
  ])('%s %j: 400 that names the field', async (path, body, param) => {
    await expect(read(path, { body })).rejects.toMatchObject({ status: 400, param });
  });

  test.each([{ previous_response_id: null }, { background: false }, { conversation: null }])(
    '%j needs no state',
    async (field) => {
      await expect(read('/v1/responses', { body: { input: 'x', ...field } })).resolves.toBeDefined();
    },
  );
});

describe('what an engine has to be told', () => {
  const path = '/v1/images/generations';
  const sent = async (engine: string, to: string, asking: Asking, aliases?: Record<string, string>) => {
    const { inference, request } = await read(to, asking, aliases);
    const body = inference.bodyFor({ engine }) as Buffer;
    return { inference, body, isOwn: body === request.bytes(), json: () => JSON.parse(body.toString()) };
  };
  const others = ['vllm', 'llamacpp', 'ollama', 'openai'];

  test('the client did not choose a form of image: LocalAI is asked for b64_json, nobody else', async () => {
    const body = { prompt: 'x', seed: 1 };
    expect((await sent('localai', path, { body })).json()).toEqual({ ...body, response_format: 'b64_json' });
    for (const engine of others) expect((await sent(engine, path, { body })).isOwn).toBe(true);
  });

  test.each(['url', 'b64_json'])('it chose %s: its bytes stay', async (response_format) => {
    expect((await sent('localai', path, { body: { prompt: 'x', response_format } })).isOwn).toBe(true);
  });

  test('a form is not touched', async () => {
    const form = new FormData();
    form.append('image', new Blob(['PNG']), 'a.png');
    form.append('prompt', 'x');
    expect((await sent('localai', '/v1/images/inpainting', { body: form })).isOwn).toBe(true);
  });

  test('a second worker of an engine gets the same bytes', async () => {
    const { inference, body } = await sent('localai', path, { body: { prompt: 'x' } });
    expect(inference.bodyFor({ engine: 'localai' })).toBe(body);
  });

  test('a model that only the query names: LocalAI reads it there, to others it is said', async () => {
    const asking = { body: { messages: [] }, query: 'beta=true&model=Qwen%2FQwen3&x=%zz' };
    const localai = await sent('localai', chat, asking);
    expect(localai.isOwn).toBe(true);
    expect(localai.inference).toMatchObject({ servedModel: 'Qwen/Qwen3', path: `${chat}?${asking.query}` });
    for (const engine of others) {
      expect((await sent(engine, chat, asking)).json()).toEqual({ messages: [], model: 'Qwen/Qwen3' });
    }
  });

  test('an alias in the query: the body says the model', async () => {
    const { json } = await sent('localai', chat, { body: { messages: [] }, query: 'model=a' }, { a: 'b' });
    expect(json()).toEqual({ messages: [], model: 'b' });
  });

  const transcription = (model?: string) => {
    const form = new FormData();
    form.append('file', new Blob(['RIFF']), 'a.wav');
    if (model !== undefined) form.append('model', model);
    return form;
  };
  const modelOf = async (body: Buffer, type = /--([^\r]*)/.exec(body.toString())?.[1]) =>
    (
      await new Response(new Uint8Array(body), {
        headers: { 'content-type': `multipart/form-data; boundary=${type}` },
      }).formData()
    ).get('model');

  test.each<[string | undefined, string, Record<string, string>, string, string | null, string | null]>([
    ['a', 'model=b', {}, 'model=a', 'a', 'a'],
    ['a', 'x=1&mode%6c=b&model=c', { a: 'd' }, 'x=1&model=d&model=d', 'd', 'd'],
    [undefined, 'model=b', {}, 'model=b', null, 'b'],
    [undefined, 'model=b', { b: 'c' }, 'model=c', 'c', 'c'],
    ['a', 'model=', {}, 'model=a', 'a', 'a'],
  ])('a form of %j with the query %s', async (model, query, aliases, toWorker, forLocalAI, forOthers) => {
    const to = '/v1/audio/transcriptions';
    const { inference, body } = await sent('localai', to, { body: transcription(model), query }, aliases);
    if (query !== 'model=') expect(inference.path).toBe(`${to}?${toWorker}`);
    expect(await modelOf(body)).toBe(forLocalAI);
    expect(await modelOf((await sent('vllm', to, { body: transcription(model), query }, aliases)).body)).toBe(
      forOthers,
    );
  });
});

describe('what the body is', () => {
  test('read as JSON: JSON, whatever the client called it', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await read('/api/chat', { body: '{"model":"m"}', headers })).inference.contentType).toBe(
      'application/json',
    );
  });

  test('a form: as the client says', async () => {
    const form = new FormData();
    form.append('file', new Blob(['RIFF']), 'a.wav');
    expect((await read('/v1/audio/transcriptions', { body: form })).inference).not.toHaveProperty('contentType');
  });
});

describe('the conversation', () => {
  const body = { prompt_cache_key: 'cache', messages: [{ role: 'user', content: 'hi' }] };

  test.each<[Record<string, string>, object, string | undefined]>([
    [{ 'x-session-id': 's', 'x-claude-code-session-id': 'c' }, body, 's'],
    [{ 'x-claude-code-session-id': 'c' }, body, 'c'],
    [{}, body, 'cache'],
    [{}, { messages: [] }, undefined],
    [{}, { messages: [], prompt_cache_key: 7 }, undefined],
  ])('%j %j is named %j', async (headers, given, session) => {
    expect((await read(chat, { headers, body: given })).inference.session).toBe(session);
  });

  test.each<[string, object, { system: string; firstUser: string }]>([
    [
      chat,
      {
        messages: [
          { role: 'system', content: 'S' },
          { role: 'user', content: 'U' },
          { role: 'user', content: 'V' },
        ],
      },
      { system: 'S', firstUser: 'U' },
    ],
    [
      chat,
      {
        messages: [
          { role: 'developer', content: [{ type: 'text', text: 'S' }] },
          { role: 'user', content: 'U' },
        ],
      },
      { system: 'S', firstUser: 'U' },
    ],
    [chat, { messages: [7, null, { role: 'user' }] }, { system: '', firstUser: '' }],
    [
      '/v1/messages',
      { system: [{ type: 'text', text: 'S' }], messages: [{ role: 'user', content: [{ type: 'text', text: 'U' }] }] },
      { system: 'S', firstUser: 'U' },
    ],
    ['/v1/responses', { instructions: 'S', input: 'U' }, { system: 'S', firstUser: 'U' }],
    ['/v1/responses', { input: [{ role: 'user', content: 'U' }] }, { system: '', firstUser: 'U' }],
    ['/api/generate', { system: 'S', prompt: 'U' }, { system: 'S', firstUser: 'U' }],
    ['/v1/completions', { prompt: ['a'] }, { system: '', firstUser: '' }],
  ])('%s %j starts with', async (path, given, prefix) => {
    expect((await read(path, { body: given })).inference.prefix).toEqual(prefix);
  });
});
