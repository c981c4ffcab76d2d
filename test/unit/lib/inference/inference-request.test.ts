import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { ForwardedEndpoint } from '../../../../lib/endpoints/endpoint.ts';
import { findEndpoint } from '../../../../lib/endpoints/index.ts';
import { peekFields } from '../../../../lib/http/multipart.ts';
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
  const inference = await readInferenceRequest(match.endpoint as ForwardedEndpoint, match.params, request, aliases, {
    peekFields,
  });
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
  ])('%s %j: 400 that names the field', async (path, body, param) => {
    await expect(read(path, { body })).rejects.toMatchObject({ status: 400, param });
  });

  test.each([{ previous_response_id: null }, { background: false }])('%j needs no state', async (field) => {
    await expect(read('/v1/responses', { body: { input: 'x', ...field } })).resolves.toBeDefined();
  });
});

describe('images', () => {
  const path = '/v1/images/generations';

  test('the client did not choose: b64_json is asked for', async () => {
    const { inference } = await read(path, { body: { prompt: 'x', seed: 1 } });
    expect(JSON.parse(inference.body.toString())).toEqual({ prompt: 'x', seed: 1, response_format: 'b64_json' });
  });

  test.each(['url', 'b64_json'])('it chose %s: its bytes stay', async (response_format) => {
    const { inference, request } = await read(path, { body: { prompt: 'x', response_format } });
    expect(inference.body).toEqual(request.bytes());
  });

  test('a form is not touched', async () => {
    const form = new FormData();
    form.append('image', new Blob(['PNG']), 'a.png');
    form.append('prompt', 'x');
    const { inference, request } = await read('/v1/images/inpainting', { body: form });
    expect(inference.body).toEqual(request.bytes());
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
