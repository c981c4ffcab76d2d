import { describe, expect, test } from '@jest/globals';
import type { Snapshot } from '../../../../lib/discovery/source.ts';
import { catalog, findModel, listedModel } from '../../../../lib/endpoints/catalog.ts';
import { ollamaVersion, servesOllama, shownOf, tagOf } from '../../../../lib/endpoints/ollama-models.ts';
import { servesOperation } from '../../../../lib/engines/index.ts';
import type { ListedModel, Worker } from '../../../../lib/worker.ts';
import { workerOf } from '../scripted-fleet.ts';

const snapshotOf = (workers: readonly Worker[], aliases: Record<string, string> = {}): Snapshot => ({
  workers,
  aliases,
  exposeNodeHeader: false,
  apiKeys: [],
  adminKeys: [],
});
const saying = (id: string, about: ListedModel, more: Partial<Worker> = {}) =>
  workerOf(id, { models: [about.id], about: [about], ...more });

describe('what workers say of a model', () => {
  test('is kept where they agree, field by field, and where only some say it', () => {
    const snapshot = snapshotOf([
      saying('a', {
        id: 'm',
        entry: { created: 1, owned_by: 'vllm', max_model_len: 8192, meta: { n_ctx: 1, n_params: 7 } },
      }),
      saying('b', { id: 'm:latest', entry: { created: 2, owned_by: 'vllm', meta: { n_ctx: 2, n_params: 7 } } }),
      workerOf('c', { models: ['m'] }),
    ]);
    expect(catalog(snapshot)).toEqual([
      { id: 'm', entry: { owned_by: 'vllm', max_model_len: 8192, meta: { n_params: 7 } } },
    ]);
  });

  test('goes for its aliases too, and what it can do is what all can', () => {
    const snapshot = snapshotOf(
      [
        saying('a', { id: 'm', capabilities: ['completion', 'tools', 'vision'] }),
        saying('b', { id: 'm', capabilities: ['completion', 'tools'] }),
      ],
      { fast: 'm' },
    );
    expect(catalog(snapshot)).toEqual([
      { id: 'fast', aliasOf: 'm', capabilities: ['completion', 'tools'] },
      { id: 'm', capabilities: ['completion', 'tools'] },
    ]);
    expect(listedModel(snapshot, 'fast:latest')?.aliasOf).toBe('m');
  });

  test('of workers that are not healthy does not count; `*` is no name', () => {
    const snapshot = snapshotOf([
      workerOf('a', { models: ['*', 'shown'] }),
      saying('b', { id: 'm', entry: { created: 1 } }, { status: 'unhealthy' }),
    ]);
    expect(catalog(snapshot)).toEqual([{ id: 'shown' }]);
    expect(findModel(snapshot, 'anything')).toEqual({ id: 'anything' });
  });
});

describe("in Ollama's words", () => {
  test('only what can be asked for in them, under the name all lists give it', () => {
    const snapshot = snapshotOf([
      workerOf('v', { engine: 'vllm', models: ['plain', 'shared'] }),
      workerOf('o', { engine: 'ollama', models: ['shared:latest', 'own:latest'] }),
      workerOf('s', { engine: 'openai', serves: ['ollama_chat'], models: ['taught'] }),
    ]);
    expect(catalog(snapshot, servesOllama(servesOperation)).map(({ id }) => id)).toEqual([
      'own:latest',
      'shared',
      'taught',
    ]);
  });

  test('a tag has what is known, and stand-ins for the rest', () => {
    expect(tagOf({ id: 'm' })).toMatchObject({
      size: 0,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      capabilities: ['completion'],
    });
    const digest = 'ab'.repeat(32);
    const known = {
      id: 'm',
      tag: { size: 9, digest: `sha256:${digest}`, details: { format: 'gguf' } },
      entry: { meta: { n_params: 8.03e9 } },
    };
    expect(tagOf(known)).toMatchObject({
      size: 9,
      digest,
      details: { format: 'gguf', parameter_size: '8.0B', families: [] },
    });
    expect(tagOf({ id: 'e', capabilities: ['embedding'] }).capabilities).toEqual(['embedding']);
    expect(tagOf({ id: 'v', capabilities: ['vision'] }).capabilities).toEqual(['completion', 'vision']);
  });

  test('show tells the context window where clients look for it', () => {
    expect(shownOf({ id: 'm', entry: { max_model_len: 8192 } }).model_info).toEqual({
      'general.basename': 'm',
      'general.architecture': 'model',
      'model.context_length': 8192,
    });
    const llama = {
      id: 'm',
      tag: { details: { family: 'llama' } },
      entry: { meta: { n_ctx: 4096, n_ctx_train: 131_072 } },
    };
    expect(shownOf(llama).model_info).toMatchObject({ 'general.architecture': 'llama', 'llama.context_length': 4096 });
    expect(shownOf({ id: 'm' }).model_info).toEqual({ 'general.basename': 'm' });
  });

  test('the version is the lowest of those that say one', () => {
    const versions = (...all: (string | undefined)[]) =>
      ollamaVersion(snapshotOf(all.map((version, at) => workerOf(String(at), { version }))));
    expect(versions()).toBe('0.9.0');
    expect(versions('0.13.3', undefined, '0.9.6', '0.11.10')).toBe('0.9.6');
  });
});
