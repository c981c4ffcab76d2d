import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { needs } from '../support/needs.ts';
import { type StandIn, startWorker } from '../support/stand-in-worker.ts';
import { until } from '../support/until.ts';
import { reply as answerWith, cut } from '../support/worker/behaviours.ts';

const model = 'test-model';
const SECRET_PROMPT = 'the-prompt-is-nobodys-business';
const body = (stream = true) => ({ model, stream, messages: [{ role: 'user', content: SECRET_PROMPT }] });
const KEY = 'key-that-must-not-be-logged';

/** One line a request, as the built functions write it under the real runtime client. */
needs('aws-lambda-ric')('the log line and metrics of a request', () => {
  let first: StandIn;
  let second: StandIn;
  let gateway: Gateway;

  beforeAll(async () => {
    [first, second] = (await Promise.all(['one', 'two'].map((name) => startWorker({ name, models: [model] })))) as [
      StandIn,
      StandIn,
    ];
    gateway = await startGateway({
      workers: [first, second],
      functions: ['openai'],
      env: { LOCALAI_API_KEY: KEY, GATEWAY_POLICY: 'random', OTEL_SERVICE_NAME: 'gateway-test' },
      runtime: 'ric',
    });
  }, 60_000);
  afterAll(async () => {
    await gateway?.close();
    await Promise.all([first, second].map((worker) => worker?.[Symbol.asyncDispose]()));
  });

  const lineOf = async (id: string): Promise<Record<string, unknown>> => {
    const find = () =>
      gateway.logs.find((line) => line.includes(`"correlation_id":"${id}"`) && line.includes('"request"'));
    expect(await until(() => find() !== undefined)).toBe(true);
    const line = find() ?? '';
    return JSON.parse(line.slice(line.indexOf('{'))) as Record<string, unknown>;
  };
  const ask = async (id: string, headers: Record<string, string> = { authorization: `Bearer ${KEY}` }) =>
    gateway.fetch('/v1/chat/completions', { headers: { 'x-correlation-id': id, ...headers }, body: body() });

  test('a success', async () => {
    const reply = await ask('success');
    const line = await lineOf('success');
    expect(line).toMatchObject({
      level: 'info',
      event: 'request',
      family: 'openai',
      operation: 'chat',
      'gen_ai.request.model': model,
      'gen_ai.response.model': model,
      node_id: reply.headers['x-localai-node'],
      attempts: 1,
      status: 200,
      bytes: reply.body.length,
      cold_start: true,
      ending: 'complete',
      'service.name': 'gateway-test',
      'gen_ai.operation.name': 'chat',
      'gateway.server_errors': 0,
      'gateway.failovers': 0,
    });
    expect(line['gen_ai.server.time_to_first_token']).toBe((line.first_byte_ms as number) / 1000);
    expect(line['gen_ai.server.request.duration']).toBe((line.total_ms as number) / 1000);
    expect(line.total_ms as number).toBeGreaterThanOrEqual(line.first_byte_ms as number);
    expect(line._aws).toHaveProperty(['CloudWatchMetrics', '0', 'Namespace'], 'LocalAIGateway');
  });

  test('a failover: two tries, the name of the worker that answered, one put out', async () => {
    // Whoever is asked first refuses; the other one answers.
    let isFirst = true;
    const treat = () => {
      if (!isFirst) return undefined;
      isFirst = false;
      return answerWith(503);
    };
    for (const worker of [first, second]) worker.behave(treat);
    const reply = await ask('failover');
    for (const worker of [first, second]) worker.behave(undefined);
    expect(reply.status).toBe(200);
    expect(await lineOf('failover')).toMatchObject({
      level: 'info',
      node_id: reply.headers['x-localai-node'],
      attempts: 2,
      status: 200,
      cold_start: false,
      ending: 'complete',
      'gateway.failovers': 1,
      'gateway.ejections': 1,
      'gateway.server_errors': 0,
    });
  });

  test('a cut stream: status 200, and yet an error', async () => {
    for (const worker of [first, second]) worker.behave(cut({ after: 2 }));
    const reply = await ask('cut');
    for (const worker of [first, second]) worker.behave(undefined);
    expect(reply.text).toMatch(/data: \{"error"/);
    expect(await lineOf('cut')).toMatchObject({
      level: 'error',
      attempts: 1,
      status: 200,
      ending: 'cut',
      bytes: reply.body.length,
      'gateway.server_errors': 1,
      'gateway.client_errors': 0,
    });
  });

  test('a 401: the client`s error, no worker, no inference', async () => {
    expect((await ask('refused', { authorization: 'Bearer mistaken' })).status).toBe(401);
    const line = await lineOf('refused');
    expect(line).toMatchObject({ level: 'info', status: 401, attempts: 0, 'gateway.client_errors': 1 });
    expect(line).not.toHaveProperty('node_id');
    expect(line).not.toHaveProperty(['gen_ai.server.request.duration']);
  });

  test('no prompt and no key in any line', () => {
    expect(gateway.logs.join('\n')).not.toContain(SECRET_PROMPT);
    expect(gateway.logs.join('\n')).not.toContain(KEY);
    expect(gateway.logs.join('\n')).not.toContain('mistaken');
  });
});
