import { describe, expect, test } from '@jest/globals';
import type { Answer } from '../../../../lib/engines/engine.ts';
import { engineNames, engineOf, recognise } from '../../../../lib/engines/index.ts';

const json = (value: unknown, headers = {}): Answer => ({ status: 200, headers, body: JSON.stringify(value) });

/** A server that has these paths and answers 404 to all others. */
const server = (paths: Record<string, Answer>) => {
  const asked: string[] = [];
  const ask = async (path: string): Promise<Answer | undefined> => {
    asked.push(path);
    return paths[path] ?? { status: 404, headers: {}, body: '{"error":"not found"}' };
  };
  return { ask, asked };
};

const list = (owner?: string) => json({ object: 'list', data: [{ id: 'm', object: 'model', owned_by: owner }] });

describe('the registry', () => {
  test('knows five engines, and takes any other name for LocalAI', () => {
    expect(engineNames).toEqual(['localai', 'vllm', 'llamacpp', 'ollama', 'openai']);
    for (const name of engineNames) expect(engineOf(name).name).toBe(name);
    expect(engineOf('sglang').name).toBe('localai');
    expect(engineOf(undefined).name).toBe('localai');
    expect(engineOf('constructor').name).toBe('localai');
  });

  test.each([
    ['localai', ['chat', 'vad', 'inpainting', 'diarization', 'sound_generation', 'ollama_show', 'count_tokens'], []],
    [
      'vllm',
      ['chat', 'messages', 'count_tokens', 'responses', 'rerank', 'translation'],
      ['ollama_chat', 'speech', 'vad'],
    ],
    ['llamacpp', ['chat', 'messages', 'count_tokens', 'responses', 'rerank'], ['ollama_chat', 'image_generation']],
    ['ollama', ['chat', 'messages', 'responses', 'ollama_chat', 'ollama_show'], ['count_tokens', 'rerank', 'vad']],
    ['openai', ['chat', 'embeddings', 'speech', 'image_edit'], ['messages', 'rerank', 'ollama_chat']],
  ])('%s serves what it has an endpoint for', (name, served, missing) => {
    const engine = engineOf(name);
    for (const operation of served) expect([operation, engine.serves(operation)]).toEqual([operation, true]);
    for (const operation of missing) expect([operation, engine.serves(operation)]).toEqual([operation, false]);
  });
});

describe('model lists', () => {
  test('OpenAI shape: each id once, entries without one left out', () => {
    const body = JSON.stringify({
      object: 'list',
      data: [{ id: 'a' }, { id: 'b' }, { id: 'a' }, {}, null, { id: '' }],
    });
    for (const name of ['localai', 'vllm', 'llamacpp', 'openai']) {
      expect(engineOf(name).readModels(body)).toEqual(['a', 'b']);
    }
  });

  test('Ollama shape, also with no model at all', () => {
    const { readModels } = engineOf('ollama');
    expect(readModels('{"models":[{"name":"qwen3:0.6b","model":"qwen3:0.6b"}]}')).toEqual(['qwen3:0.6b']);
    expect(readModels('{"models":null}')).toEqual([]);
  });

  test.each(['', 'OK', '[]', '{}', '{"data":"x","models":"x"}', '<html>'])('%j is no model list', (body) => {
    for (const name of engineNames) expect(engineOf(name).readModels(body)).toBeUndefined();
  });
});

describe('recognising an engine by asking', () => {
  test.each([
    ['localai', { '/.well-known/localai.json': json({ version: 'v3.7.0', endpoints: {} }), '/v1/models': list() }],
    ['vllm', { '/v1/models': list('vllm'), '/version': json({ version: '0.22.1' }) }],
    [
      'vllm',
      { '/v1/models': { ...list(), status: 401 }, '/metrics': { ...json(0), body: 'vllm:num_requests_running 0' } },
    ],
    ['llamacpp', { '/v1/models': list('llamacpp') }],
    ['llamacpp', { '/v1/models': { ...list(), headers: { server: 'llama.cpp' } } }],
    ['llamacpp', { '/props': json({ default_generation_settings: {}, total_slots: 4 }) }],
    ['ollama', { '/': { status: 200, headers: {}, body: 'Ollama is running' }, '/v1/models': list('library') }],
    ['ollama', { '/api/version': json({ version: '0.13.3' }) }],
  ])('%s', async (name, paths) => {
    expect(await recognise(server(paths as Record<string, Answer>).ask)).toBe(name);
  });

  test('LocalAI with its Ollama API open is LocalAI', async () => {
    const { ask } = server({
      '/.well-known/localai.json': json({ version: 'v4.0.0' }),
      '/': { status: 200, headers: {}, body: 'Ollama is running' },
      '/api/version': json({ version: '0.9.0' }),
    });
    expect(await recognise(ask)).toBe('localai');
  });

  test('an old LocalAI without discovery is none of the others', async () => {
    const { ask } = server({ '/v1/models': list(), '/api/version': json({ version: '0.9.0' }) });
    expect(await recognise(ask)).toBeUndefined();
  });

  test('a server that does not answer is none, and no path is asked twice', async () => {
    const { ask, asked } = server({});
    expect(await recognise(ask)).toBeUndefined();
    expect(new Set(asked).size).toBe(asked.length);
    expect(await recognise(async () => undefined)).toBeUndefined();
  });
});
