import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Family } from '../../../../lib/endpoints/family.ts';
import { dialectOf, endpoints, findEndpoint, functionFor } from '../../../../lib/endpoints/index.ts';

/** docs/contract.md section 1, row by row. */
type Row = readonly [family: Family, methods: string, dialect: string, input: string, paths: string];
const rows: readonly Row[] = [
  ['openai', 'POST', 'openai', 'json', '/v1/chat/completions /chat/completions'],
  ['openai', 'POST', 'openai', 'json', '/v1/completions /completions /v1/engines/m/completions /engines/m/completions'],
  ['openai', 'POST', 'openai', 'json', '/v1/embeddings /embeddings /v1/engines/m/embeddings /engines/m/embeddings'],
  ['openai', 'POST', 'openai', 'json', '/v1/responses /responses'],
  ['anthropic', 'POST', 'anthropic', 'json', '/v1/messages /messages'],
  ['anthropic', 'POST', 'anthropic', 'json', '/v1/messages/count_tokens /messages/count_tokens'],
  ['ollama', 'POST', 'ollama', 'json', '/api/chat'],
  ['ollama', 'POST', 'ollama', 'json', '/api/generate'],
  ['ollama', 'POST', 'ollama', 'json', '/api/embed'],
  ['ollama', 'POST', 'ollama', 'json', '/api/embeddings'],
  ['ollama', 'POST', 'ollama', 'json', '/api/show'],
  ['ollama', 'GET HEAD', 'ollama', '', '/api/tags'],
  ['ollama', 'GET', 'ollama', '', '/api/ps'],
  ['ollama', 'GET HEAD', 'ollama', '', '/api/version'],
  ['ollama', 'GET HEAD', 'ollama', '', '/'],
  ['ollama', 'GET HEAD', 'ollama', '', '/api/hello'],
  ['audio', 'POST', 'openai', 'multipart', '/v1/audio/transcriptions /audio/transcriptions'],
  ['audio', 'POST', 'openai', 'multipart', '/v1/audio/translations /audio/translations'],
  ['audio', 'POST', 'openai', 'json', '/v1/audio/speech /audio/speech /tts'],
  ['audio', 'POST', 'openai', 'json', '/v1/text-to-speech/rachel /text-to-speech/rachel'],
  ['audio', 'POST', 'openai', 'json', '/v1/sound-generation /sound-generation'],
  ['audio', 'POST', 'openai', 'multipart', '/v1/audio/diarization /audio/diarization'],
  ['images', 'POST', 'openai', 'json', '/v1/images/generations /images/generations'],
  ['images', 'POST', 'openai', 'multipart', '/v1/images/inpainting /images/inpainting'],
  ['images', 'POST', 'openai', 'multipart', '/v1/images/edits /images/edits'],
  ['rerank', 'POST', 'openai', 'json', '/v1/rerank /rerank /v1/reranking /reranking /v2/rerank'],
  ['vad', 'POST', 'openai', 'json', '/v1/vad /vad'],
  ['openai', 'POST', 'openai', 'json', '/v1/tokenize /tokenize'],
  ['openai', 'POST', 'openai', 'json', '/v1/detokenize /detokenize'],
  ['openai', 'POST', 'openai', 'json', '/v1/moderations /moderations'],
  ['openai', 'POST', 'openai', 'json', '/v1/chat/completions/input_tokens /chat/completions/input_tokens'],
  ['openai', 'POST', 'openai', 'json', '/v1/responses/input_tokens /responses/input_tokens'],
  ['audio', 'POST', 'openai', 'multipart', '/v1/audio/classification /audio/classification'],
  ['audio', 'POST', 'openai', 'multipart', '/audio/transformations'],
  ['images', 'POST', 'openai', 'multipart', '/v1/images/variations /images/variations'],
  ['images', 'POST', 'openai', 'json', '/v1/images/upscale /images/upscale'],
  ['images', 'POST', 'openai', 'json', '/v1/detection /detection'],
  ['images', 'POST', 'openai', 'json', '/video'],
  ['openai', 'GET', 'openai', '', '/api/models/Qwen/Qwen3-8B/load-status /api/models/a/load-status'],
  ['nodes', 'GET', 'openai', '', '/api/nodes'],
  ['nodes', 'GET', 'openai', '', '/api/services'],
  [
    'nodes',
    'POST',
    'openai',
    '',
    '/api/services/chat/wake /api/services/team%2Fchat/wake /api/services/team/chat/wake',
  ],
  ['openai', 'GET', 'openai', '', '/v1/models /models'],
  ['openai', 'GET', 'openai', '', '/v1/models/m /models/m'],
  ['openai', 'GET', 'openai', '', '/healthz'],
  ['openai', 'GET', 'openai', '', '/readyz'],
];
const all = rows.flatMap(([family, methods, dialect, input, paths]) =>
  paths.split(' ').map((path) => ({ path, family, methods: methods.split(' '), dialect, input })),
);

const dialectNameOf = (path: string, headers: Readonly<Record<string, string>> = {}, family: Family = 'openai') =>
  dialectOf({ match: findEndpoint(path), path, headers, family }).name;

describe('every path and alias of the contract', () => {
  test.each(all)('$path', ({ path, family, methods, dialect, input }) => {
    const endpoint = findEndpoint(path)?.endpoint;
    expect(endpoint?.families[0]).toBe(family);
    expect(endpoint?.methods).toEqual(expect.arrayContaining(methods));
    expect(endpoint?.input ?? '').toBe(input);
    expect(dialectNameOf(path)).toBe(dialect);
    expect(functionFor(path)).toBe(family);
  });

  test.each(all.filter(({ path }) => path !== '/'))('$path with a trailing slash is the same', ({ path }) => {
    expect(findEndpoint(`${path}/`)?.endpoint).toBe(findEndpoint(path)?.endpoint);
  });

  test.each(all)('$path has no other method than it says', ({ path, methods }) => {
    const allowed = findEndpoint(path)?.endpoint.methods ?? [];
    for (const method of allowed) if (method !== 'HEAD') expect(methods).toContain(method);
    expect(allowed).not.toContain('OPTIONS');
  });

  test('aliases lead to the same endpoint', () => {
    for (const [, , , , paths] of rows) {
      const found = paths.split(' ').map((path) => findEndpoint(path)?.endpoint);
      expect(new Set(found).size).toBe(1);
    }
  });
});

describe('model lists and health', () => {
  const inference: Family[] = ['openai', 'anthropic', 'ollama', 'audio', 'images', 'rerank', 'vad'];

  test.each(['/v1/models', '/models', '/v1/models/a'])('%s: every inference function', (path) => {
    expect(findEndpoint(path)?.endpoint.families).toEqual(inference);
  });

  test.each(['/healthz', '/readyz'])('%s: every function', (path) => {
    expect(findEndpoint(path)?.endpoint.families).toEqual([...inference, 'nodes']);
  });

  test('/: every function, and in front of them all Ollama’s', () => {
    expect(new Set(findEndpoint('/')?.endpoint.families)).toEqual(new Set([...inference, 'nodes']));
    expect(functionFor('/')).toBe('ollama');
  });

  test('a model list speaks Anthropic to those who send anthropic-version', () => {
    const headers = { 'anthropic-version': '2023-06-01' };
    expect(dialectNameOf('/v1/models', headers)).toBe('anthropic');
    expect(dialectNameOf('/v1/models/x', headers)).toBe('anthropic');
    expect(dialectNameOf('/v1/chat/completions', headers)).toBe('openai');
  });

  test('so does an unknown path', () => {
    expect(dialectNameOf('/v1/files', { 'anthropic-version': '2023-06-01' })).toBe('anthropic');
    expect(dialectNameOf('/api/pulls', { 'anthropic-version': '2023-06-01' })).toBe('anthropic');
  });

  test('any method on /v1/realtime is answered', () => {
    expect(findEndpoint('/v1/realtime')?.endpoint.methods).toBeUndefined();
  });
});

describe('what workers administer below /models is no model', () => {
  test.each(['apply', 'apply/', 'available', 'delete/a', 'jobs', 'jobs/1', 'import-uri', 'edit/Qwen/Qwen3', 'load'])(
    '/models/%s',
    (rest) => expect(findEndpoint(`/models/${rest}`)).toBeUndefined(),
  );

  test.each(['/v1/models/apply', '/models/apply-lora', '/models/Apply', '/models/a/apply'])('%s is one', (path) => {
    expect(findEndpoint(path)?.endpoint.operation).toBe('model');
  });
});

describe('{model} and {id} match the rest of the path', () => {
  test.each([
    ['/v1/models/qwen3-0.6b', 'qwen3-0.6b'],
    ['/v1/models/Qwen/Qwen3-8B', 'Qwen/Qwen3-8B'],
    ['/v1/models/Qwen%2FQwen3-8B', 'Qwen/Qwen3-8B'],
    ['/v1/models/llama3:latest', 'llama3:latest'],
    ['/v1/models/llama3%3Alatest', 'llama3:latest'],
    ['/v1/models/a/b/', 'a/b'],
    ['/v1/models/..%2f..', '../..'],
  ])('%s is %s', (path, id) => expect(findEndpoint(path)?.params).toEqual({ id }));

  test.each([
    ['/v1/engines/Qwen/Qwen3-8B/completions', 'completions', 'Qwen/Qwen3-8B'],
    ['/v1/engines/Qwen%2FQwen3-8B/embeddings/', 'embeddings', 'Qwen/Qwen3-8B'],
    ['/v1/engines/completions/completions', 'completions', 'completions'],
  ])('%s', (path, operation, model) => {
    expect(findEndpoint(path)).toMatchObject({ endpoint: { operation }, params: { model } });
  });

  test('any name, encoded, comes back as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), (id) => {
        fc.pre(id.isWellFormed());
        expect(findEndpoint(`/v1/models/${encodeURIComponent(id)}`)?.params).toEqual({ id });
      }),
    );
  });

  test('a voice is one segment', () => {
    expect(findEndpoint('/v1/text-to-speech/rachel')?.params).toEqual({ voice: 'rachel' });
    expect(findEndpoint('/v1/text-to-speech/rachel/stream')).toBeUndefined();
  });
});

describe('what is no path here', () => {
  test.each([
    '/v1',
    '/v1/',
    '/v2/chat/completions',
    '/v1/chat',
    '/v1/chat/completions/x',
    '/v1/chat/completions//',
    '//v1/chat/completions',
    '/v1/../v1/models',
    '/v1/chat%2fcompletions',
    '/v1/%63hat/completions',
    '/v1/chat/completions%2f',
    '/v1/chat/./completions',
    '/V1/chat/completions',
    '/v1/engines//completions',
    '/v1/models/%zz',
    '/v1/models/%ff',
    '/api',
    '/api/nodes/x',
    '/api/unknown',
    '/constructor',
    '/__proto__',
    '',
  ])('%j', (path) => expect(findEndpoint(path)).toBeUndefined());

  test.each([
    ['/api/unknown', 'ollama', 'ollama'],
    ['/v1/messages/batches', 'anthropic', 'anthropic'],
    ['/messages/x', 'anthropic', 'anthropic'],
    ['/v1/files', 'openai', 'openai'],
    ['/apiary', 'openai', 'openai'],
    ['/', 'ollama', 'ollama'],
  ])('%s is refused in the nearest dialect, by the nearest function', (path, dialect, family) => {
    expect([dialectNameOf(path), functionFor(path)]).toEqual([dialect, family]);
  });

  test.each<[Family, string]>([
    ['anthropic', 'anthropic'],
    ['ollama', 'ollama'],
    ['audio', 'openai'],
  ])("at the %s function's own URL an unknown path is refused in its dialect", (family, dialect) => {
    expect(dialectNameOf('/v1/files', {}, family)).toBe(dialect);
  });

  test('no path throws, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.webPath(), fc.string()), (path) => {
        findEndpoint(path);
        functionFor(path);
        dialectNameOf(path);
      }),
    );
  });
});

test('no two endpoints claim one path', () => {
  const paths = endpoints.flatMap((endpoint) => endpoint.paths);
  expect(new Set(paths).size).toBe(paths.length);
});
