import { describe, expect, test } from '@jest/globals';
import type { Answer, Operation } from '../../../../lib/engines/engine.ts';
import { engineNames, engineOf, pathOn, recognise, servesOperation } from '../../../../lib/engines/index.ts';

const json = (value: unknown, headers = {}): Answer => ({ status: 200, headers, body: JSON.stringify(value) });

/** A server that has these paths and answers 404 to all others. */
const server = (paths: Record<string, Answer>) => {
  const asked: string[] = [];
  let atOnce = 0;
  let most = 0;
  const ask = async (path: string): Promise<Answer | undefined> => {
    asked.push(path);
    atOnce += 1;
    most = Math.max(most, atOnce);
    await Promise.resolve();
    atOnce -= 1;
    return paths[path] ?? { status: 404, headers: {}, body: '{"error":"not found"}' };
  };
  return { ask, asked, most: () => most };
};

const list = (owner?: string) =>
  json({ object: 'list', data: [{ id: 'm', object: 'model', ...(owner && { owned_by: owner, created: 1 }) }] });
const text = (body: string): Answer => ({ status: 200, headers: {}, body });

describe('the registry', () => {
  test('knows five engines, and takes any other name for LocalAI', () => {
    expect(engineNames).toEqual(['localai', 'vllm', 'llamacpp', 'ollama', 'openai']);
    for (const name of engineNames) expect(engineOf(name).name).toBe(name);
    expect(engineOf('sglang').name).toBe('localai');
    expect(engineOf(undefined).name).toBe('localai');
    expect(engineOf('constructor').name).toBe('localai');
  });

  test.each<[string, string, string]>([
    [
      'localai',
      'chat messages responses vad inpainting diarization sound_generation text_to_speech ollama_show moderation image_upscale video detection tokenize',
      'count_tokens translation image_edit image_variation input_tokens',
    ],
    [
      'vllm',
      'chat messages count_tokens responses rerank translation tokenize detokenize',
      'ollama_chat speech vad input_tokens moderation image_generation',
    ],
    [
      'llamacpp',
      'chat messages count_tokens responses rerank tokenize input_tokens',
      'ollama_chat image_generation translation speech',
    ],
    [
      'ollama',
      'chat messages responses ollama_chat ollama_show transcription',
      'count_tokens rerank vad speech image_generation image_edit translation',
    ],
    [
      'openai',
      'chat completions embeddings speech translation image_edit image_variation',
      'messages rerank ollama_chat responses tokenize moderation vad video',
    ],
  ])('%s serves what its released server has', (name, served, missing) => {
    const engine = engineOf(name);
    for (const one of served.split(' ')) expect([one, engine.serves(one as Operation)]).toEqual([one, true]);
    for (const one of missing.split(' ')) expect([one, engine.serves(one as Operation)]).toEqual([one, false]);
  });

  test("a worker's record adds to what its engine serves, and takes nothing away", () => {
    expect(servesOperation({ engine: 'openai', serves: ['responses'] }, 'responses')).toBe(true);
    expect(servesOperation({ engine: 'openai', serves: ['responses'] }, 'chat')).toBe(true);
    expect(servesOperation({ engine: 'openai' }, 'responses')).toBe(false);
  });

  test('vLLM and llama.cpp have their tokenizers outside of /v1, query and all', () => {
    expect(pathOn({ engine: 'vllm' }, 'tokenize', '/v1/tokenize?a=b')).toBe('/tokenize?a=b');
    expect(pathOn({ engine: 'llamacpp' }, 'detokenize', '/v1/detokenize')).toBe('/detokenize');
    expect(pathOn({ engine: 'localai' }, 'tokenize', '/v1/tokenize?a=b')).toBe('/v1/tokenize?a=b');
    expect(pathOn({}, 'chat', '/v1/chat/completions')).toBe('/v1/chat/completions');
  });
});

describe('model lists', () => {
  const names = (name: string, body: string) =>
    engineOf(name)
      .readModels(body)
      ?.map(({ id }) => id);

  test('OpenAI shape: each id once, entries without one left out', () => {
    const body = JSON.stringify({
      object: 'list',
      data: [{ id: 'a' }, { id: 'b' }, { id: 'a' }, {}, null, { id: '' }, { id: '__proto__' }],
    });
    for (const name of ['localai', 'vllm', 'llamacpp', 'openai'])
      expect(names(name, body)).toEqual(['a', 'b', '__proto__']);
  });

  test('Ollama shape, also with no model at all', () => {
    expect(names('ollama', '{"models":[{"name":"qwen3:0.6b","model":"qwen3:0.6b"}]}')).toEqual(['qwen3:0.6b']);
    expect(names('ollama', '{"models":null}')).toEqual([]);
  });

  test.each(['', 'OK', '[]', '{}', '{"data":"x","models":"x"}', '<html>'])('%j is no model list', (body) => {
    for (const name of engineNames) expect(engineOf(name).readModels(body)).toBeUndefined();
  });

  test('llama.cpp says size, parameters, window and what the model reads', () => {
    const body = JSON.stringify({
      models: [
        { name: 'm', model: 'm', capabilities: ['completion', 'multimodal'], details: { format: 'gguf', family: 7 } },
      ],
      data: [
        {
          id: 'm',
          created: 5,
          owned_by: 'llamacpp',
          meta: { n_ctx: 4096, n_params: 8e9, size: 5e9, vocab_type: 2, odd: { x: 1 } },
          architecture: { input_modalities: ['text', 'image'] },
        },
      ],
    });
    expect(engineOf('llamacpp').readModels(body)).toEqual([
      {
        id: 'm',
        entry: { created: 5, owned_by: 'llamacpp', meta: { n_ctx: 4096, n_params: 8e9, size: 5e9, vocab_type: 2 } },
        tag: { size: 5e9, details: { format: 'gguf' } },
        capabilities: ['completion', 'vision'],
      },
    ]);
  });

  test("LocalAI's usecases and Ollama's tags, in Ollama's words", () => {
    const localai = {
      data: [
        { id: 'm', capabilities: ['chat', 'tools', 'vision', 'image'] },
        { id: 'e', capabilities: ['embeddings'] },
      ],
    };
    expect(engineOf('localai').readModels(JSON.stringify(localai))).toEqual([
      { id: 'm', capabilities: ['completion', 'tools', 'vision'] },
      { id: 'e', capabilities: ['embedding'] },
    ]);
    const tags = {
      models: [
        {
          name: 'm:7b',
          size: 9,
          digest: 'd',
          modified_at: 't',
          details: { family: 'llama', families: ['llama'] },
          capabilities: ['completion'],
        },
      ],
    };
    expect(engineOf('ollama').readModels(JSON.stringify(tags))).toEqual([
      {
        id: 'm:7b',
        tag: { size: 9, digest: 'd', modified_at: 't', details: { family: 'llama', families: ['llama'] } },
        capabilities: ['completion'],
      },
    ]);
  });

  test('what is not what it should be is left out: nothing of it may break a reader, or fill a snapshot', () => {
    const body = JSON.stringify({
      data: [
        {
          id: 'm',
          created: 'x',
          owned_by: 'o'.repeat(1000),
          max_model_len: null,
          meta: [1],
          permission: [{}],
          root: '/x',
        },
      ],
    });
    expect(engineOf('vllm').readModels(body)).toEqual([{ id: 'm' }]);
  });
});

describe('recognising an engine by asking', () => {
  test.each<[string, Record<string, Answer>]>([
    ['localai', { '/.well-known/localai.json': json({ version: 'v3.7.0', endpoints: {} }), '/v1/models': list() }],
    ['localai', { '/readyz': text('OK'), '/v1/models': list() }],
    ['localai', { '/version': json({ version: 'v2.20.1 (a9c521eb41dc2dd63769e5362f05d9ab5d8bec50)' }) }],
    ['localai', { '/system': json({ backends: ['llama-cpp'], loaded_models: [] }) }],
    ['vllm', { '/v1/models': list('vllm'), '/version': json({ version: '0.22.1' }) }],
    ['vllm', { '/v1/models': { ...list(), status: 401 }, '/load': json({ server_load: 0 }) }],
    ['llamacpp', { '/v1/models': list('llamacpp') }],
    ['llamacpp', { '/v1/models': { ...list('x'), headers: { server: 'llama.cpp' } } }],
    ['llamacpp', { '/props': json({ default_generation_settings: {}, total_slots: 4 }) }],
    ['ollama', { '/': text('Ollama is running'), '/v1/models': list('library') }],
    ['ollama', { '/api/version': json({ version: '0.13.3' }) }],
    ['ollama', { '/api/version': json({ version: '0.9.0' }), '/v1/models': list('library') }],
    ['openai', { '/v1/models': list('organization-owner') }],
    ['openai', { '/v1/models': list() }],
    ['openai', { '/v1/models': list('sglang'), '/readyz': text('ok'), '/healthz': text('ok') }],
  ])('%s', async (name, paths) => {
    expect(await recognise(server(paths).ask)).toBe(name);
  });

  test('LocalAI with its Ollama API open is LocalAI, also an older one', async () => {
    const open = { '/': text('Ollama is running'), '/api/version': json({ version: '0.9.0' }) };
    expect(await recognise(server({ ...open, '/.well-known/localai.json': json({ version: 'v4.0.0' }) }).ask)).toBe(
      'localai',
    );
    expect(await recognise(server({ ...open, '/v1/models': list() }).ask)).toBe('localai');
  });

  test('a server that says nothing is none; all is asked at once, and no path twice', async () => {
    const { ask, asked, most } = server({});
    expect(await recognise(ask)).toBeUndefined();
    expect(new Set(asked).size).toBe(asked.length);
    expect(most()).toBe(asked.length);
    expect(await recognise(async () => undefined)).toBeUndefined();
  });

  test('nothing is asked that wakes a llama.cpp, or keeps one awake', async () => {
    const { ask, asked } = server({});
    await recognise(ask);
    expect(asked).not.toContain('/metrics');
    expect(asked).not.toContain('/slots');
  });
});
