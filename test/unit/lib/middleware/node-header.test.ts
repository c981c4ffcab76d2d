import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import type { Snapshot } from '../../../../lib/discovery/source.ts';
import type { GatewayRequest } from '../../../../lib/endpoints/gateway-request.ts';
import { findEndpoint } from '../../../../lib/endpoints/index.ts';
import { UpstreamError } from '../../../../lib/errors.ts';
import { stamp, stampOf } from '../../../../lib/holder.ts';
import type { Reply } from '../../../../lib/http/reply.ts';
import { createHandler } from '../../../../lib/lambda/handler.ts';
import { renderError } from '../../../../lib/middleware/error-handler.ts';
import { nodeHeader } from '../../../../lib/middleware/node-header.ts';
import { createStack } from '../../../../lib/middleware/stack.ts';
import { installAwslambda, invokeStreaming } from '../../../support/awslambda.ts';
import { createDeferred } from '../../../support/deferred.ts';
import { operation, operations, pathOf } from '../../../support/operations.ts';
import { type StandIn, startWorker } from '../../../support/stand-in-worker.ts';
import { until } from '../../../support/until.ts';
import { cut, holdAt, reply, stallAfter } from '../../../support/worker/behaviours.ts';
import { createInProcessGateway, keepLogs, urlEvent } from '../in-process-gateway.ts';
import { written } from '../relay/bodies.ts';

/** docs/contract.md section 3, last paragraph: one test each. */
const header = 'x-localai-node';
keepLogs();

type Handler = (request: GatewayRequest) => Promise<Reply>;

/** The middleware alone, over the real head writer and the double of `awslambda`. */
const serve = async (exposeNodeHeader: boolean | undefined, handler: Handler) => {
  installAwslambda();
  const snapshot: Snapshot = {
    workers: [],
    exposeNodeHeader: exposeNodeHeader ?? false,
    apiKeys: [],
    adminKeys: [],
    aliases: {},
  };
  const requests: GatewayRequest[] = [];
  const run = createStack([nodeHeader()], handler);
  const lambda = createHandler({
    family: 'openai',
    marginMs: 0,
    run: (request) => {
      requests.push(request);
      request.snapshot = snapshot;
      return run(request);
    },
    renderError,
    settled: async () => {},
  });
  const running = invokeStreaming(lambda, await urlEvent('/v1/chat/completions', { body: {} }));
  return { ...running, requests };
};

const served = async (exposeNodeHeader: boolean, handler: Handler) => {
  const { done, requests } = await serve(exposeNodeHeader, handler);
  const capture = await done;
  return { capture, headers: capture.prelude?.headers ?? {}, status: capture.prelude?.statusCode, requests };
};

const buffered: Reply = { status: 200, headers: { 'content-type': 'application/json' }, body: '{}' };

describe('off', () => {
  test('never a header, even if something stamps', async () => {
    const { headers, status } = await served(false, async (request) => {
      stamp(request.holder, 'node-a');
      return buffered;
    });
    expect(status).toBe(200);
    expect(headers).not.toHaveProperty(header);
  });

  test('the response writer is untouched and no holder exists', async () => {
    let hooks = 0;
    const { requests } = await served(false, async (request) => {
      hooks = request.onHead.length;
      return buffered;
    });
    expect(requests[0]).not.toHaveProperty('holder');
    // The writer's own hook is the only one.
    expect(hooks).toBe(1);
  });
});

describe('on', () => {
  test('and stamped: the header is on a buffered reply', async () => {
    const { headers } = await served(true, async (request) => {
      stamp(request.holder, 'node-a');
      return buffered;
    });
    expect(headers[header]).toBe('node-a');
  });

  test('and stamped, with an error written by the handler: header', async () => {
    const { headers, status } = await served(true, async (request) => {
      stamp(request.holder, 'node-a');
      return renderError(new UpstreamError('No worker could answer this request.'), request);
    });
    expect(status).toBe(502);
    expect(headers[header]).toBe('node-a');
  });

  test('and stamped, with an error that comes before the first byte: header', async () => {
    const { headers, status } = await served(true, async (request) => {
      stamp(request.holder, 'node-a');
      return {
        headers: {},
        // biome-ignore lint/correctness/useYield: it fails before it has anything to yield.
        body: written(async function* () {
          throw new UpstreamError('gone');
        }),
      };
    });
    expect(status).toBe(502);
    expect(headers[header]).toBe('node-a');
  });

  test('the handler can read back its own stamp', async () => {
    let seen: string | undefined;
    await served(true, async (request) => {
      stamp(request.holder, 'node-a');
      seen = stampOf(request.holder);
      return buffered;
    });
    expect(seen).toBe('node-a');
  });

  test('and never stamped: absent, not empty', async () => {
    const { headers, status } = await served(true, async () => buffered);
    expect(status).toBe(200);
    expect(headers).not.toHaveProperty(header);
  });

  test('head sent before any body byte: the header is already in it', async () => {
    const release = createDeferred();
    const { capture, done } = await serve(true, async (request) => {
      stamp(request.holder, 'node-a');
      return {
        headers: {},
        body: written(async function* () {
          yield '';
          await release.promise;
          yield 'late';
        }),
      };
    });
    expect(await until(() => capture.prelude !== undefined)).toBe(true);
    expect(capture.prelude?.headers[header]).toBe('node-a');
    expect(capture.body).toHaveLength(0);
    release.resolve();
    expect((await done).body.toString()).toBe('late');
  });

  test('body written with no explicit status: header before the implicit 200', async () => {
    const { headers, status } = await served(true, async (request) => {
      stamp(request.holder, 'node-a');
      return { headers: {}, body: 'hello' };
    });
    expect(status).toBe(200);
    expect(headers[header]).toBe('node-a');
  });

  test('late binding: read at the first byte, not at request entry', async () => {
    const { headers } = await served(true, async (request) => ({
      headers: {},
      body: written(async function* () {
        await new Promise((resolve) => setImmediate(resolve));
        stamp(request.holder, 'node-first');
        stamp(request.holder, 'node-late');
        yield 'hello';
      }),
    }));
    expect(headers[header]).toBe('node-late');
  });

  test('a stamp behind the first byte changes nothing', async () => {
    const { headers } = await served(true, async (request) => ({
      headers: {},
      body: written(async function* () {
        stamp(request.holder, 'node-a');
        yield 'hello';
        stamp(request.holder, 'node-b');
      }),
    }));
    expect(headers[header]).toBe('node-a');
  });
});

describe('through the real router', () => {
  const model = 'test-model';
  const chat = operation('chat');
  const families = ['openai', 'anthropic', 'ollama', 'audio', 'images', 'rerank', 'vad'] as const;
  let alpha: StandIn;
  let beta: StandIn;
  let gateways: Map<string, ReturnType<typeof createInProcessGateway>>;
  const gatewayOf = (family: string) => {
    const gateway = gateways.get(family);
    if (!gateway) throw new Error(family);
    return gateway;
  };

  beforeAll(async () => {
    alpha = await startWorker({ name: 'alpha', models: [model] });
    beta = await startWorker({ name: 'beta', models: [model, 'only-beta'] });
    gateways = new Map(
      families.map((family) => [family, createInProcessGateway(family, [alpha, beta], { GATEWAY_POLICY: 'random' })]),
    );
    jest.spyOn(console, 'error').mockImplementation(() => {});
  });
  afterAll(() => Promise.all([alpha?.close(), beta?.close()]));
  beforeEach(() => {
    alpha.reset();
    beta.reset();
  });

  test('and a stream: header in the head, first event after it, the first chunk in the body', async () => {
    const release = createDeferred();
    alpha.behave(holdAt(1, release.promise));
    beta.behave(holdAt(1, release.promise));
    const gateway = gatewayOf('openai');
    const { capture, done } = await gateway.invoke(pathOf(chat, model), { body: chat.body(model, true) });
    expect(await until(() => capture.body.length > 0)).toBe(true);
    const worker = alpha.requests.length > 0 ? alpha : beta;
    expect(capture.prelude?.headers[header]).toBe(`node-${worker.name}`);
    expect(capture.body.equals(worker.requests[0]?.sent() ?? Buffer.alloc(0))).toBe(true);
    // Prelude and delimiter, then the worker's first event: nothing in between.
    expect(capture.chunks).toHaveLength(3);
    release.resolve();
    expect((await done).body.equals(worker.requests[0]?.sent() ?? Buffer.alloc(0))).toBe(true);
  });

  test('after a failover it names the worker that answered', async () => {
    const single = createInProcessGateway('openai', [alpha, beta], { GATEWAY_POLICY: 'random' });
    let first: StandIn | undefined;
    for (const worker of [alpha, beta]) {
      worker.behave(() => {
        if (first) return undefined;
        first = worker;
        return cut('before-head');
      });
    }
    const answer = await single.ask(pathOf(chat, model), { body: chat.body(model, true) });
    const second = first === alpha ? beta : alpha;
    expect(answer.headers[header]).toBe(`node-${second.name}`);
    expect(answer.text).toContain(second.name);
  });

  test('an error the gateway writes after a worker was tried names the last one tried', async () => {
    const single = createInProcessGateway('openai', [alpha, beta], { GATEWAY_POLICY: 'random' });
    alpha.behave(cut('before-head'));
    beta.behave(cut('before-head'));
    const answer = await single.ask(pathOf(chat, model), { body: chat.body(model) });
    expect(answer.status).toBe(502);
    const last = (alpha.requests[0]?.receivedAt ?? 0) > (beta.requests[0]?.receivedAt ?? 0) ? alpha : beta;
    expect(answer.headers[header]).toBe(`node-${last.name}`);
  });

  test("the worker's own error carries it, and its own header of that name does not pass", async () => {
    for (const worker of [alpha, beta]) {
      worker.behave(reply(400, { error: { message: 'no' } }, { 'X-LocalAI-Node': 'forged' }));
    }
    const answer = await gatewayOf('openai').ask(pathOf(chat, model), { body: chat.body(model) });
    expect(answer.status).toBe(400);
    expect(answer.headers[header]).toBe(`node-${alpha.requests.length > 0 ? 'alpha' : 'beta'}`);
  });

  test('a client cannot forge it', async () => {
    const answer = await gatewayOf('openai').ask(pathOf(chat, model), {
      body: chat.body('only-beta'),
      headers: { [header]: 'forged' },
    });
    expect(answer.headers[header]).toBe('node-beta');
    expect(beta.requests[0]?.headers).not.toHaveProperty(header);
  });

  test.each([
    ['404 path', '/nowhere', {}],
    ['405', '/v1/chat/completions', { method: 'GET' }],
    ['unknown model', '/v1/chat/completions', { body: { model: 'no-such', messages: [] } }],
    ['malformed body', '/v1/chat/completions', { body: '{' }],
    ['model list', '/v1/models', {}],
  ])('no worker contacted (%s): absent', async (_, path, asking) => {
    const answer = await gatewayOf('openai').ask(path, asking);
    expect(answer.status).toBeDefined();
    expect(answer.headers).not.toHaveProperty(header);
    expect([...alpha.requests, ...beta.requests]).toHaveLength(0);
  });

  test('off: absent on every reply, forged or routed, and in every body the gateway writes', async () => {
    const off = createInProcessGateway('openai', [alpha, beta], { LOCALAI_EXPOSE_NODE_HEADER: undefined });
    for (const worker of [alpha, beta]) worker.next(reply(200, { ok: true }, { 'X-LocalAI-Node': 'own' }));
    const good = await off.ask(pathOf(chat, model), { body: chat.body(model), headers: { [header]: 'forged' } });
    expect(good.status).toBe(200);
    expect(good.headers).not.toHaveProperty(header);
    alpha.reset();
    beta.reset();
    alpha.behave(cut('before-head'));
    beta.behave(cut('before-head'));
    const bad = await off.ask(pathOf(chat, model), { body: chat.body(model) });
    expect(bad.status).toBe(502);
    expect(JSON.stringify([bad.headers, bad.text])).not.toMatch(/node-|alpha|beta|127\.0\.0\.1/);
  });

  test('64 invocations, interleaved at random awaits through one instance: each its own', async () => {
    const fleet = await Promise.all(
      Array.from({ length: 4 }, (_, at) => startWorker({ name: `w${at}`, models: [model] })),
    );
    const gateway = createInProcessGateway('openai', fleet, { GATEWAY_POLICY: 'random' });
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(6), fc.boolean(), fc.nat(3), fc.boolean()), { minLength: 64, maxLength: 64 }),
          async (shapes) => {
            for (const worker of fleet) {
              worker.reset();
              worker.behave((request) => {
                const [turns = 0, , parts = 0] = shapes[Number(request.headers['x-session-id'])] ?? [];
                const later = async () => {
                  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
                };
                return holdAt(parts, later());
              });
            }
            const answers = await Promise.all(
              shapes.map(async ([turns, stream, , waits], at) => {
                for (let turn = 0; waits && turn < turns; turn += 1) await Promise.resolve();
                return gateway.ask('/v1/chat/completions', {
                  body: { model, stream, messages: [{ role: 'user', content: `turn ${at}` }] },
                  headers: { 'x-session-id': String(at), 'x-correlation-id': `request-${at}` },
                });
              }),
            );
            for (const [at, answer] of answers.entries()) {
              const worker = fleet.find(({ requests }) =>
                requests.some(({ headers }) => headers['x-session-id'] === String(at)),
              );
              expect(answer.status).toBe(200);
              expect(answer.headers[header]).toBe(`node-${worker?.name}`);
              expect(answer.headers['x-correlation-id']).toBe(`request-${at}`);
              expect(answer.text).toContain(` ${worker?.name}`);
            }
          },
        ),
        { numRuns: 10 },
      );
    } finally {
      await Promise.all(fleet.map((worker) => worker.close()));
    }
  });

  const required = [
    'chat',
    'completions',
    'embeddings',
    'messages',
    'ollama chat',
    'transcription',
    'speech',
    'inpainting',
    'image generation',
    'rerank',
    'vad',
  ];
  const others = operations.map(({ name }) => name).filter((name) => !required.includes(name));

  describe.each([...required, ...others])('%s', (name) => {
    const one = operation(name);
    const streams = one.streams ? [true, false] : [false];

    test.each(streams)("the invocation's own holder reaches the upstream call (stream: %s)", async (stream) => {
      const answer = await gatewayOf(one.family).ask(pathOf(one, model), { body: one.body(model, stream) });
      expect(answer.status).toBe(200);
      const worker = alpha.requests.length > 0 ? alpha : beta;
      expect(answer.headers[header]).toBe(`node-${worker.name}`);
      expect(findEndpoint(pathOf(one, model))?.endpoint.kind).toBe('forwarded');
    });

    test.each(streams)("the invocation's own signal reaches the upstream call (stream: %s)", async (stream) => {
      // The deadline is the only one who aborts here: 150 ms from now.
      for (const worker of [alpha, beta]) worker.behave(stallAfter(-1));
      const options = { remainingMs: 1650 };
      const { capture, done } = await gatewayOf(one.family).invoke(
        pathOf(one, model),
        { body: one.body(model, stream) },
        options,
      );
      const request = await Promise.race([alpha.arrival(), beta.arrival()]);
      await request.closed;
      await done;
      expect(capture.prelude?.statusCode).toBe(504);
      expect(capture.prelude?.headers[header]).toMatch(/^node-(alpha|beta)$/);
    });
  });
});
