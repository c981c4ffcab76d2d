import type { RequestRecord } from './record.ts';

/** CloudWatch's place for them. */
export const NAMESPACE = 'LocalAIGateway';

/** Operations under their well-known names of OpenTelemetry's `gen_ai.operation.name`; the others keep ours. */
const OPERATION_NAMES: Readonly<Record<string, string>> = {
  chat: 'chat',
  responses: 'chat',
  messages: 'chat',
  ollama_chat: 'chat',
  completions: 'text_completion',
  ollama_generate: 'text_completion',
  embeddings: 'embeddings',
  ollama_embed: 'embeddings',
  ollama_embeddings: 'embeddings',
};

/** @returns a name of a fixed, small set: it is a dimension. */
export const operationName = (operation: string): string => OPERATION_NAMES[operation] ?? operation;

type Unit = 'Seconds' | 'Count';
type Metric = readonly [name: string, unit: Unit, value: number];

const seconds = (milliseconds: number) => Math.round(milliseconds) / 1000;

/** Whether the gateway or its workers failed the client: an error status, or a response that was not brought to its end. */
export const failed = ({ status = 0, ending }: RequestRecord): boolean =>
  status >= 500 || ending === 'cut' || ending === 'idle' || ending === 'deadline';

const byFamily = (record: RequestRecord, totalMs: number): Metric[] => [
  ['http.server.request.duration', 'Seconds', seconds(totalMs)],
  ['gateway.server_errors', 'Count', failed(record) ? 1 : 0],
  ['gateway.client_errors', 'Count', !failed(record) && (record.status ?? 0) >= 400 ? 1 : 0],
  ['gateway.failovers', 'Count', Math.max(0, record.attempts - 1)],
  ['gateway.ejections', 'Count', record.ejections],
];

const byOperation = (record: RequestRecord, totalMs: number): Metric[] => {
  if (record.attempts === 0 || record.operation === undefined) return [];
  const metrics: Metric[] = [['gen_ai.server.request.duration', 'Seconds', seconds(totalMs)]];
  if (record.firstByteMs !== undefined && (record.status ?? 0) < 400) {
    metrics.push(['gen_ai.server.time_to_first_token', 'Seconds', seconds(record.firstByteMs)]);
  }
  return metrics;
};

const tokens = ({ attempts, operation, outputTokens }: RequestRecord): Metric[] =>
  attempts === 0 || operation === undefined || outputTokens === undefined
    ? []
    : [['gen_ai.client.token.usage', 'Count', outputTokens]];

const directive = (metrics: readonly Metric[], ...dimensions: readonly (readonly string[])[]) =>
  metrics.length === 0
    ? []
    : [
        {
          Namespace: NAMESPACE,
          Dimensions: dimensions,
          Metrics: metrics.map(([Name, Unit]) => ({ Name, Unit })),
        },
      ];

/**
 * A request's metrics in CloudWatch's embedded metric format: fields for its log line, from which CloudWatch makes the
 * metrics, with no call of ours. Names are OpenTelemetry's where it has them (GenAI and HTTP semantic conventions);
 * dimensions are the service, the family and the operation, so that their number does not grow with models, workers or
 * clients.
 *
 * @param service `OTEL_SERVICE_NAME`.
 * @param timestamp milliseconds since 1970.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/
 */
export const metricFields = (
  record: RequestRecord,
  { totalMs, service, timestamp }: { totalMs: number; service: string; timestamp: number },
): Record<string, unknown> => {
  const family = byFamily(record, totalMs);
  const operation = byOperation(record, totalMs);
  const usage = tokens(record);
  return {
    _aws: {
      Timestamp: timestamp,
      CloudWatchMetrics: [
        ...directive(family, ['service.name'], ['service.name', 'gateway.family']),
        ...directive(operation, ['service.name'], ['service.name', 'gen_ai.operation.name']),
        ...directive(
          usage,
          ['service.name', 'gen_ai.token.type'],
          ['service.name', 'gen_ai.operation.name', 'gen_ai.token.type'],
        ),
      ],
    },
    'service.name': service,
    'gateway.family': record.family,
    ...(record.operation !== undefined && { 'gen_ai.operation.name': operationName(record.operation) }),
    ...(usage.length > 0 && { 'gen_ai.token.type': 'output' }),
    ...Object.fromEntries([...family, ...operation, ...usage].map(([name, , value]) => [name, value])),
  };
};
