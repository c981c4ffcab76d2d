import { describe, expect, test } from '@jest/globals';
import { endpoints } from '../../../../lib/endpoints/index.ts';
import { metricsLine, NAMESPACE } from '../../../../lib/telemetry/metrics.ts';
import { createRecord, type RequestRecord } from '../../../../lib/telemetry/record.ts';

interface Directive {
  readonly Namespace: string;
  readonly Dimensions: readonly (readonly string[])[];
  readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
}
const recordOf = (more: Partial<RequestRecord>): RequestRecord => ({
  ...createRecord({ startedAt: 0, coldStart: false, family: 'openai', operation: 'chat' }),
  ...more,
});
const fieldsOf = (more: Partial<RequestRecord>, totalMs = 1500): Record<string, unknown> => {
  const options = { totalMs, service: 'gateway-test', timestamp: 1_700_000_000_000 };
  const { fields, directives } = metricsLine(recordOf(more), options);
  return { ...fields, ...JSON.parse(`{${directives}}`) };
};
const directivesOf = (fields: Record<string, unknown>) =>
  (fields._aws as { CloudWatchMetrics: Directive[] }).CloudWatchMetrics;

const success = { attempts: 1, status: 200, firstByteMs: 120, bytes: 900, outputTokens: 42 };

describe('metrics', () => {
  test('follow the embedded metric format: every name and dimension is a field of the line', () => {
    const fields = fieldsOf(success);
    expect(fields._aws).toHaveProperty('Timestamp', 1_700_000_000_000);
    for (const { Namespace, Dimensions, Metrics } of directivesOf(fields)) {
      expect(Namespace).toBe(NAMESPACE);
      for (const { Name, Unit } of Metrics) {
        expect(typeof fields[Name]).toBe('number');
        expect(['Seconds', 'Count']).toContain(Unit);
      }
      for (const name of Dimensions.flat()) expect(typeof fields[name]).toBe('string');
      for (const set of Dimensions) expect(set.length).toBeLessThanOrEqual(30);
    }
  });

  test('a success: how long, how soon, how many tokens, no errors', () => {
    expect(fieldsOf(success)).toMatchObject({
      'service.name': 'gateway-test',
      'gateway.family': 'openai',
      'gen_ai.operation.name': 'chat',
      'gen_ai.token.type': 'output',
      'http.server.request.duration': 1.5,
      'gen_ai.server.request.duration': 1.5,
      'gen_ai.server.time_to_first_token': 0.12,
      'gen_ai.client.token.usage': 42,
      'gateway.server_errors': 0,
      'gateway.client_errors': 0,
      'gateway.failovers': 0,
      'gateway.ejections': 0,
    });
  });

  test('a failover counts the tries after the first, and who was put out', () => {
    expect(fieldsOf({ ...success, attempts: 3, ejections: 2 })).toMatchObject({
      'gateway.failovers': 2,
      'gateway.ejections': 2,
      'gateway.server_errors': 0,
    });
  });

  test.each(['cut', 'idle', 'deadline'] as const)(
    'a stream that ended with %s is an error, though its status was 200',
    (ending) => {
      expect(fieldsOf({ ...success, ending })).toMatchObject({
        'gateway.server_errors': 1,
        'gateway.client_errors': 0,
      });
    },
  );

  test('a client that left is nobody`s error', () => {
    expect(fieldsOf({ ...success, ending: 'client' })).toMatchObject({ 'gateway.server_errors': 0 });
  });

  test('a 401 is the client`s error, and no inference', () => {
    const fields = fieldsOf({ status: 401, firstByteMs: 2 });
    expect(fields).toMatchObject({ 'gateway.client_errors': 1, 'gateway.server_errors': 0 });
    expect(Object.keys(fields).filter((name) => /^gen_ai\.(server|client)/.test(name))).toEqual([]);
  });

  test('a worker`s own error has no time to a first token', () => {
    const fields = fieldsOf({ ...success, status: 500, outputTokens: undefined });
    expect(fields).toMatchObject({ 'gateway.server_errors': 1, 'gen_ai.server.request.duration': 1.5 });
    expect(fields).not.toHaveProperty(['gen_ai.server.time_to_first_token']);
    expect(fields).not.toHaveProperty(['gen_ai.client.token.usage']);
  });

  test('dimensions are bounded: nothing a client, a model or a worker can multiply', () => {
    const dimensions = directivesOf(
      fieldsOf({ ...success, requestedModel: 'any', servedModel: 'any', nodeId: 'node' }),
    ).flatMap(({ Dimensions }) => Dimensions.flat());
    expect(new Set(dimensions)).toEqual(
      new Set(['service.name', 'gateway.family', 'gen_ai.operation.name', 'gen_ai.token.type']),
    );
    const nameOf = (operation: string) => {
      const { genAiOperation } = endpoints.find((endpoint) => endpoint.operation === operation) ?? {};
      return fieldsOf({ ...success, operation, genAiOperation })['gen_ai.operation.name'];
    };
    const names = new Set(endpoints.map(({ operation }) => nameOf(operation)));
    expect(names.size).toBeLessThanOrEqual(48);
    expect(nameOf('messages')).toBe('chat');
    expect(nameOf('ollama_generate')).toBe('text_completion');
    expect(nameOf('speech')).toBe('speech');
  });
});
