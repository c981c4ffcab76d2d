import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { expectErrorIn } from '../support/dialect-errors.ts';
import { door, type Gateway, nodeIdOf, settingOf, startGateway } from '../support/gateway.ts';
import { canMeasureMemory, forgetPeak, memoryOf } from '../support/memory.ts';
import { operation } from '../support/operations.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { type Behaviour, combine, cut, inPiecesOf, redirect, reply, stallAfter } from '../support/worker/behaviours.ts';
import { pngOf } from '../support/worker/media.ts';

/** docs/contract.md section 2, "Images": no client gets a URL that only the worker can open, and no URL leads elsewhere. */
const model = 'test-model';
const png = pngOf('alpha').toString('base64');
const imagePath = '/generated-images/alpha.png';
const generation = operation('image generation');

let worker: StandIn;
let gateway: Gateway;
/** Stands where nobody may be sent. */
let canary: Server;
let visits = 0;
beforeAll(async () => {
  canary = createServer((_, response) => {
    visits += 1;
    response.end('secret');
  });
  await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve));
  worker = await startWorker({ name: 'alpha', models: [model] });
  gateway = await startGateway({
    workers: [settingOf(worker, { apiKey: 'worker-secret' })],
    functions: ['images'],
    env: { GATEWAY_IDLE_TIMEOUT_SECONDS: '0.4' },
  });
});
beforeEach(() => {
  worker.reset();
  visits = 0;
});
afterAll(async () => {
  canary?.closeAllConnections();
  await Promise.all([gateway?.close(), worker?.close(), new Promise((resolve) => canary?.close(resolve))]);
});

const canaryPort = () => (canary.address() as AddressInfo).port;
const ask = (fields: object = {}) =>
  gateway.fetch('/v1/images/generations', { body: { model, prompt: 'A llama', ...fields } });
/** The worker's answer, whatever it was asked for. */
const answers = (...urls: unknown[]): Behaviour => reply(200, { created: 1, data: urls.map((url) => ({ url })) });
const imagesIn = (received: { json: () => unknown }) => (received.json() as { data: Record<string, string>[] }).data;
const fetched = () => worker.probes.filter(({ path }) => path.includes('generated'));

describe('the form asked for', () => {
  test('is b64_json when the client did not choose; all else stays as it was written', async () => {
    const text = `{"model":"${model}","prompt":"ü","seed":12345678901234567890,"step":1.0,"size":"1x1"}`;
    const received = await gateway.fetch('/v1/images/generations', {
      headers: { 'content-type': 'application/json' },
      body: text,
    });
    expect(imagesIn(received)).toEqual([{ b64_json: png }]);
    expect(worker.requests[0]?.body.toString()).toBe(`${text.slice(0, -1)},"response_format":"b64_json"}`);
    expect(fetched()).toHaveLength(0);
  });

  test.each(['url', 'b64_json'])('is the client’s when it chose %s', async (response_format) => {
    const text = JSON.stringify({ response_format, model, prompt: 'A llama' });
    await gateway.fetch('/v1/images/generations', { headers: { 'content-type': 'application/json' }, body: text });
    expect(worker.requests[0]?.body.toString()).toBe(text);
  });

  test('is asked of LocalAI and of no other engine', async () => {
    await using others = await startGateway({
      workers: [settingOf(worker, { engine: 'openai' })],
      functions: ['images'],
    });
    const text = JSON.stringify({ model, prompt: 'A llama' });
    const headers = { 'content-type': 'application/json' };
    await others.fetch('/v1/images/generations', { headers, body: text });
    expect(worker.requests[0]?.body.toString()).toBe(text);
  });

  test('is left alone in a form', async () => {
    const form = new FormData();
    form.append('model', model);
    form.append('image', new Blob([new Uint8Array(9)]), 'a.png');
    const received = await gateway.fetch('/v1/images/inpainting', { body: form });
    expect(worker.requests[0]?.fields).not.toHaveProperty('response_format');
    expect(imagesIn(received)).toEqual([{ b64_json: png }]);
    expect(fetched()).toHaveLength(1);
  });
});

describe("a URL of the worker's own is inlined", () => {
  // A function URL's domain name has no port.
  const told = () => (door !== 'container' ? 'http://127.0.0.1' : gateway.origin);
  test.each([
    ['its origin', () => `${worker.url}${imagePath}`],
    ['its origin with a query', () => `${worker.url}${imagePath}?v=1`],
    ['the origin it was told of', () => `${told()}${imagePath}`],
    ['a path', () => imagePath],
    ['a path without a slash', () => imagePath.slice(1)],
    ['credentials in it', () => worker.url.replace('//', '//user:pass@') + imagePath],
    ['another case', () => `${worker.url.replace('http', 'HTTP')}${imagePath}`],
  ])('%s', async (_, url) => {
    worker.next(answers(url()));
    const received = await ask({ response_format: 'url' });
    expect([received.status, imagesIn(received)]).toEqual([200, [{ b64_json: png }]]);
    expect(received.headers['x-localai-node']).toBe(nodeIdOf(worker));
    expect(received.text).not.toContain(String(worker.port));
    expect(fetched()).toHaveLength(1);
    expect(fetched()[0]?.headers).toMatchObject({ authorization: 'Bearer worker-secret' });
  });

  test('with the client’s credentials kept back', async () => {
    worker.next(answers(imagePath));
    await gateway.fetch('/v1/images/generations', {
      body: generation.body(model),
      headers: { authorization: 'Bearer client-secret', cookie: 'token=client-secret', 'x-api-key': 'client-secret' },
    });
    expect(JSON.stringify(fetched()[0]?.rawHeaders)).not.toContain('client-secret');
  });

  test('among others, in order, with what stands beside it', async () => {
    worker.next(
      reply(200, {
        created: 7,
        data: [{ b64_json: 'AAAA' }, { url: imagePath, revised_prompt: 'a' }, { url: 'https://cdn.example/a.png' }, {}],
        usage: { total_tokens: 3 },
      }),
    );
    expect((await ask()).json()).toEqual({
      created: 7,
      data: [{ b64_json: 'AAAA' }, { b64_json: png, revised_prompt: 'a' }, { url: 'https://cdn.example/a.png' }, {}],
      usage: { total_tokens: 3 },
    });
  });

  test('an image of 8 MB', async () => {
    const large = Buffer.alloc(8_000_000, 'image');
    worker.next(answers(imagePath));
    worker.behave((request) =>
      request.method === 'GET' ? reply(200, large, { 'content-type': 'image/png' }) : undefined,
    );
    expect(imagesIn(await ask())[0]?.b64_json).toBe(large.toString('base64'));
  });
});

describe('a picture that is there stays', () => {
  test.each([
    ['beside no URL', ''],
    ['beside a URL of the worker', imagePath],
    ['beside any other', 'https://cdn.example/a.png'],
  ])('%s', async (_, url) => {
    worker.next(reply(200, { data: [{ b64_json: 'AAAA', url }] }));
    const received = await ask();
    expect(received.json()).toEqual({ data: [{ b64_json: 'AAAA', url }] });
    expect(fetched()).toHaveLength(0);
    // Nor has the worker done anything wrong.
    expect((await ask()).status).toBe(200);
  });

  test('a page in place of an image is none', async () => {
    worker.next(answers(imagePath));
    worker.behave((request) =>
      request.method === 'GET' ? reply(200, '<h1>LocalAI</h1>', { 'content-type': 'text/html' }) : undefined,
    );
    const received = await ask();
    expectErrorIn('openai', received);
    expect(received.status).toBe(502);
  });
});

describe('many and large images', () => {
  const MB = 1024 * 1024;
  const answersWith = (count: number, bytes: number) => {
    const image = Buffer.alloc(bytes, 'image');
    worker.next(answers(...Array.from({ length: count }, (_, at) => `/generated-images/${at}.png`)));
    worker.behave((request) =>
      request.method === 'GET' ? reply(200, image, { 'content-type': 'image/png' }) : undefined,
    );
    return image;
  };
  let patient: Gateway;
  beforeAll(async () => {
    patient = await startGateway({ workers: [worker], functions: ['images'], limits: { maxEnvironments: 1 } });
  });
  afterAll(() => patient?.close());
  const askPatient = () => patient.fetch('/v1/images/generations', { body: { model, prompt: 'A llama' } });
  const pidOf = () => patient.environments('images')[0]?.pid as number;

  (canMeasureMemory ? test : test.skip)(
    'five of 16 MB come whole, and none is in memory more often than it must',
    async () => {
      await askPatient();
      forgetPeak(pidOf());
      const image = answersWith(5, 16 * MB);
      const received = await askPatient();
      const encoded = image.toString('base64');
      expect(imagesIn(received).map(({ b64_json }) => b64_json === encoded)).toEqual(Array(5).fill(true));
      expect(memoryOf(pidOf(), 'VmHWM')).toBeLessThan(400);
    },
  );

  test('more than that is refused in words that help; the worker has done nothing wrong', async () => {
    answersWith(4, 50 * MB);
    const received = await askPatient();
    expect(expectErrorIn('openai', received)).toContain('fewer');
    expect([received.status, received.headers['x-should-retry']]).toEqual([502, 'false']);
    expect(received.headers['x-localai-node']).toBe(nodeIdOf(worker));
    worker.reset();
    expect((await askPatient()).status).toBe(200);
  });
});

describe('any other URL is left alone, and nobody goes there', () => {
  test.each([
    ['another host', () => 'https://cdn.example/a.png'],
    ['another port', () => `http://127.0.0.1:${canaryPort()}/generated-images/a.png`],
    ['a host without a scheme', () => `//127.0.0.1:${canaryPort()}/a.png`],
    ['backslashes', () => `\\\\127.0.0.1:${canaryPort()}\\a.png`],
    ['the worker as a user name', () => `http://127.0.0.1:${worker.port}@127.0.0.1:${canaryPort()}/a.png`],
    ['the worker as a user name, backslash', () => `http://127.0.0.1:${canaryPort()}\\@127.0.0.1:${worker.port}/a.png`],
    ['the worker as the start of a name', () => `${worker.url}.evil.example/a.png`],
    ['another scheme', () => `https://127.0.0.1:${worker.port}/a.png`],
    ['a file', () => 'file:///etc/passwd'],
    ['metadata', () => 'http://169.254.169.254/latest/meta-data/iam/'],
    ['data', () => 'data:image/png;base64,AAAA'],
    ['a number', () => 7],
    ['nothing', () => null],
    ['an object', () => ({ toString: 'x' })],
  ])('%s', async (_, url) => {
    worker.next(answers(url()));
    const received = await ask({ response_format: 'url' });
    expect([received.status, visits, fetched().length]).toEqual([200, 0, 0]);
    expect(received.body.equals(worker.requests[0]?.sent() ?? Buffer.alloc(0))).toBe(true);
  });

  test.each([
    ['a redirect to another place', () => `http://127.0.0.1:${canaryPort()}/`],
    ['a redirect at home', () => imagePath],
  ])('%s instead of the image is not followed', async (_, location) => {
    worker.next(answers('/generated-images/moved.png'));
    worker.behave((request) => (request.path.includes('moved') ? redirect(location()) : undefined));
    const received = await ask();
    expectErrorIn('openai', received);
    expect([received.status, visits, fetched().length]).toEqual([502, 0, 1]);
    expect(received.headers['x-localai-node']).toBe(nodeIdOf(worker));
  });

  test('dots lead nowhere but to the worker', async () => {
    worker.next(answers(`/generated-images/../../..//127.0.0.1:${canaryPort()}/a.png`));
    const received = await ask();
    expect([received.status, visits]).toEqual([502, 0]);
    expect(worker.probes).toHaveLength(1);
  });
});

describe('what is not whole', () => {
  test.each([
    ['an image that is not there', reply(404, 'no'), 502],
    ['an image that is cut', cut('after-head'), 502],
    ['an image that does not come', stallAfter(-1), 504],
    ['an image that stops', combine(inPiecesOf(40), stallAfter(1)), 504],
  ] as [string, Behaviour, number][])('%s', async (_, behaviour, status) => {
    worker.next(answers(imagePath));
    worker.behave((request) => (request.method === 'GET' ? behaviour : undefined));
    const received = await ask();
    const endedAt = performance.now();
    expectErrorIn('openai', received);
    expect(received.status).toBe(status);
    if (status === 504) for (const { closed } of fetched()) expect((await closed) - endedAt).toBeLessThan(300);
  });

  test('an answer that is cut is 502, one that stops is 504', async () => {
    worker.next(cut({ midEvent: 0 }));
    const broken = await ask();
    expectErrorIn('openai', broken);
    expect(broken.status).toBe(502);
    worker.next(combine(inPiecesOf(20), stallAfter(2)));
    const stalled = await ask();
    expectErrorIn('openai', stalled);
    expect(stalled.status).toBe(504);
    expect(await worker.requests[1]?.closed).toBeLessThan(performance.now() + 200);
  });

  test('an answer that is no JSON passes as it is', async () => {
    for (const text of ['{"data":[{"url":', '{"data":{"url":"/a"}}', '["url"]', '"url"', '{"data":[null,1,"url"]}']) {
      worker.next(reply(200, text, { 'content-type': 'application/json' }));
      expect((await ask()).text).toBe(text);
    }
    const bytes = Buffer.from([0xff, 0xd8, 0xff]);
    worker.next(reply(200, bytes, { 'content-type': 'image/jpeg' }));
    expect((await ask()).body.equals(bytes)).toBe(true);
  });

  test('an error that speaks of URLs passes as it is', async () => {
    const body = { error: { message: 'no', url: imagePath }, data: [{ url: imagePath }] };
    worker.next(reply(400, body));
    expect((await ask()).json()).toEqual(body);
    expect(fetched()).toHaveLength(0);
  });
});
