import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Ollama } from 'ollama';
import { createDeferred } from '../support/deferred.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { cut, holdAt, reply } from '../support/worker/behaviours.ts';

/** Ollama's own client, against the gateway as its host. */
const model = 'test-model';
const said = 'Grüße from alpha 🦙 — done.';
const messages = [{ role: 'user', content: 'Hi' }];
let worker: StandIn;
let gateway: Gateway;
let client: Ollama;
beforeAll(async () => {
  worker = await startWorker({ name: 'alpha', models: [model] });
  gateway = await startGateway({
    workers: [worker],
    env: { GATEWAY_ALLOW_ANONYMOUS: undefined, LOCALAI_API_KEY: 'sk-test' },
  });
  client = new Ollama({ host: gateway.origin, headers: { authorization: 'Bearer sk-test' } });
});
afterAll(() => Promise.all([gateway?.close(), worker?.close()]));
beforeEach(() => worker.reset());

describe('chat', () => {
  test('buffered', async () => {
    const { message, done } = await client.chat({ model, messages });
    expect([message.content, done]).toEqual([said, true]);
  });

  test('streamed piece by piece', async () => {
    const release = createDeferred();
    worker.next(holdAt(2, release.promise));
    let text = '';
    for await (const { message } of await client.chat({ model, messages, stream: true })) {
      text += message.content;
      if (text.endsWith('from')) release.resolve();
    }
    expect(text).toBe(said);
  });

  test.each([false, true])('tools pass through, streamed: %s', async (streamed) => {
    const tools = [{ type: 'function', function: { name: 'weather', description: 'x' } }];
    const calls: unknown[] = [];
    if (streamed) {
      for await (const { message } of await client.chat({ model, messages, tools, stream: true })) {
        calls.push(...(message.tool_calls ?? []));
      }
    } else calls.push(...((await client.chat({ model, messages, tools })).message.tool_calls ?? []));
    expect(calls).toEqual([{ function: { name: 'weather', arguments: { city: 'Köln', by: 'alpha' } } }]);
    expect(worker.requests[0]?.fields.tools).toEqual(tools);
  });

  test('aborted by the caller: the worker is let go', async () => {
    const release = createDeferred();
    worker.next(holdAt(2, release.promise));
    const stream = await client.chat({ model, messages, stream: true });
    const read = async () => {
      for await (const _ of stream) stream.abort();
    };
    await expect(read()).rejects.toThrow(/abort/i);
    expect(await worker.requests[0]?.completed).toBe(false);
    release.resolve();
  });
});

describe('the other calls', () => {
  test('generate', async () => {
    expect((await client.generate({ model, prompt: 'Once' })).response).toBe(said);
    let text = '';
    for await (const { response } of await client.generate({ model, prompt: 'Once', stream: true })) text += response;
    expect(text).toBe(said);
  });

  test('embed and embeddings', async () => {
    expect((await client.embed({ model, input: ['a', 'b'] })).embeddings).toHaveLength(2);
    expect((await client.embeddings({ model, prompt: 'a' })).embedding).toHaveLength(3);
  });

  test('list, show, ps, version', async () => {
    const { models } = await client.list();
    expect(models.map(({ name }) => name.replace(/:latest$/, ''))).toEqual([model]);
    expect(await client.show({ model })).toMatchObject({ details: expect.any(Object) });
    expect((await client.ps()).models).toEqual(expect.any(Array));
    expect((await client.version()).version).toMatch(/^\d+\.\d+\.\d+/);
  });

  test('a listed name can be used as it stands', async () => {
    const [listed] = (await client.list()).models;
    expect((await client.chat({ model: listed?.name ?? '', messages })).message.content).toBe(said);
  });
});

describe('errors carry the words and the status', () => {
  test.each([400, 404, 422, 500])("the worker's %d", async (status_code) => {
    worker.next(reply(status_code, { error: 'own words' }));
    await expect(client.chat({ model, messages })).rejects.toMatchObject({ error: 'own words', status_code });
  });

  test('a wrong key', async () => {
    const stranger = new Ollama({ host: gateway.origin });
    await expect(stranger.chat({ model, messages })).rejects.toMatchObject({ status_code: 401 });
  });

  test('an unknown model', async () => {
    const asked = client.chat({ model: 'none', messages });
    await expect(asked).rejects.toMatchObject({ status_code: 404, error: expect.stringContaining('none') });
    await expect(client.show({ model: 'none' })).rejects.toMatchObject({ status_code: 404 });
  });

  test('a worker that is gone', async () => {
    worker.behave(cut('before-head'));
    await expect(client.chat({ model, messages, stream: true })).rejects.toMatchObject({ status_code: 502 });
  });

  test.each([{ after: 2 }, { midEvent: 2 }])('a stream that is cut: %j', async (point) => {
    const complaints = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    worker.next(cut(point));
    const read = async () => {
      for await (const _ of await client.chat({ model, messages, stream: true }));
    };
    await expect(read()).rejects.toThrow(/./);
    complaints.mockRestore();
  });
});
