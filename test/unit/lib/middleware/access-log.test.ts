import { describe, expect, test } from '@jest/globals';
import type { GatewayRequest } from '../../../../lib/endpoints/gateway-request.ts';
import { findEndpoint } from '../../../../lib/endpoints/index.ts';
import { accessLog } from '../../../../lib/middleware/access-log.ts';
import type { RequestRecord } from '../../../../lib/telemetry/record.ts';

type Line = readonly [level: string, event: string, fields: Record<string, unknown>];

/** Runs requests through one environment's middleware; `serve` is the rest of the pipeline. */
const environment = () => {
  const lines: Line[] = [];
  const clock = { ms: 1000 };
  const { before } = accessLog({
    service: 'gateway-test',
    log: (level, event, fields = {}, members = '') =>
      lines.push([level, event, { ...fields, ...JSON.parse(`{${members}}`) }]),
    now: () => clock.ms,
  });
  const run = async (path: string, serve: (record: RequestRecord, request: GatewayRequest) => void) => {
    const about = {
      path,
      family: 'openai',
      match: findEndpoint(path),
      id: 'correlation',
      onHead: [],
      afterwards: [],
      headers: {},
    };
    const request = about as unknown as GatewayRequest;
    await before?.({ event: request } as never);
    serve(request.record as RequestRecord, request);
    for (const after of request.afterwards) await after();
    return lines.at(-1) as Line;
  };
  const head = (request: GatewayRequest, statusCode: number) => {
    for (const complete of request.onHead) complete({ statusCode, headers: {} });
  };
  return { run, head, clock, lines };
};

describe('the access log', () => {
  test('one line a request, with what the pipeline has found out', async () => {
    const { run, head, clock, lines } = environment();
    const [level, event, fields] = await run('/v1/chat/completions', (record, request) => {
      Object.assign(record, { requestedModel: 'gpt-4o', servedModel: 'qwen3', nodeId: 'node-1', attempts: 2 });
      clock.ms += 40;
      head(request, 200);
      clock.ms += 60.4;
      record.bytes = 512;
    });
    expect([level, event]).toEqual(['info', 'request']);
    expect(fields).toMatchObject({
      correlation_id: 'correlation',
      family: 'openai',
      operation: 'chat',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.response.model': 'qwen3',
      node_id: 'node-1',
      attempts: 2,
      status: 200,
      first_byte_ms: 40,
      total_ms: 100,
      bytes: 512,
      cold_start: true,
      ending: 'complete',
      'gateway.failovers': 1,
    });
    expect(lines).toHaveLength(1);
  });

  test('only the first request of an environment is its cold start', async () => {
    const { run, head } = environment();
    const cold = async () => (await run('/v1/models', (_, request) => head(request, 200)))[2].cold_start;
    expect([await cold(), await cold(), await cold()]).toEqual([true, false, false]);
  });

  test('a broken stream is an error in the log, whatever its status', async () => {
    const { run, head } = environment();
    const [level, , fields] = await run('/v1/chat/completions', (record, request) => {
      head(request, 200);
      record.ending = 'cut';
    });
    expect([level, fields.ending, fields.status]).toEqual(['error', 'cut', 200]);
  });

  test('an unknown path has no operation; a 401 is told', async () => {
    const { run, head } = environment();
    const [, , fields] = await run('/nowhere', (_, request) => head(request, 401));
    expect(fields.operation).toBeUndefined();
    expect(fields).toMatchObject({ status: 401, attempts: 0, 'gateway.client_errors': 1 });
  });

  test.each(['/healthz', '/readyz'])('%s: a line, no metrics', async (path) => {
    const { run, head } = environment();
    const [, , fields] = await run(path, (_, request) => head(request, 200));
    expect(fields).toHaveProperty('status', 200);
    expect(fields).not.toHaveProperty('_aws');
  });

  test('a model`s name cannot flood the log', async () => {
    const { run } = environment();
    const [, , fields] = await run('/v1/embeddings', (record) => {
      record.requestedModel = 'x'.repeat(100_000);
    });
    expect(String(fields['gen_ai.request.model'])).toHaveLength(200);
  });
});
