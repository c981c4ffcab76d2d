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
type Metrics = Readonly<Record<string, number>>;

const seconds = (milliseconds: number) => Math.round(milliseconds) / 1000;

/** Whether the gateway or its workers failed the client: an error status, or a response that was not brought to its end. */
export const failed = ({ status = 0, ending }: RequestRecord): boolean =>
  status >= 500 || ending === 'cut' || ending === 'idle' || ending === 'deadline';

const byFamily = (record: RequestRecord, totalMs: number): Metrics => ({
  'http.server.request.duration': seconds(totalMs),
  'gateway.server_errors': failed(record) ? 1 : 0,
  'gateway.client_errors': !failed(record) && (record.status ?? 0) >= 400 ? 1 : 0,
  'gateway.failovers': Math.max(0, record.attempts - 1),
  'gateway.ejections': record.ejections,
});

/** What CloudWatch is told of a metric, as JSON; made once: two thirds of a line are the same in all of them. */
const directive = (metrics: Readonly<Record<string, Unit>>, ...dimensions: readonly (readonly string[])[]): string =>
  JSON.stringify({
    Namespace: NAMESPACE,
    Dimensions: dimensions,
    Metrics: Object.entries(metrics).map(([Name, Unit]) => ({ Name, Unit })),
  });

const FAMILY = directive(
  {
    'http.server.request.duration': 'Seconds',
    'gateway.server_errors': 'Count',
    'gateway.client_errors': 'Count',
    'gateway.failovers': 'Count',
    'gateway.ejections': 'Count',
  },
  ['service.name'],
  ['service.name', 'gateway.family'],
);
const OPERATION = [['service.name'], ['service.name', 'gen_ai.operation.name']] as const;
const DURATION = directive({ 'gen_ai.server.request.duration': 'Seconds' }, ...OPERATION);
const DURATION_AND_FIRST_TOKEN = directive(
  { 'gen_ai.server.request.duration': 'Seconds', 'gen_ai.server.time_to_first_token': 'Seconds' },
  ...OPERATION,
);
const USAGE = directive(
  { 'gen_ai.client.token.usage': 'Count' },
  ['service.name', 'gen_ai.token.type'],
  ['service.name', 'gen_ai.operation.name', 'gen_ai.token.type'],
);

/** A log line's part that is metrics. */
export interface MetricsLine {
  readonly fields: Record<string, unknown>;
  /** `"_aws":{...}`, as JSON. */
  readonly directives: string;
}

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
export const metricsLine = (
  record: RequestRecord,
  { totalMs, service, timestamp }: { totalMs: number; service: string; timestamp: number },
): MetricsLine => {
  const { operation, attempts, firstByteMs, outputTokens, status = 0 } = record;
  const fields: Record<string, unknown> = { 'service.name': service, 'gateway.family': record.family };
  const directives = [FAMILY];
  Object.assign(fields, byFamily(record, totalMs));
  if (operation !== undefined) fields['gen_ai.operation.name'] = operationName(operation);
  if (operation !== undefined && attempts > 0) {
    fields['gen_ai.server.request.duration'] = seconds(totalMs);
    const isAnswered = firstByteMs !== undefined && status < 400;
    if (isAnswered) fields['gen_ai.server.time_to_first_token'] = seconds(firstByteMs);
    directives.push(isAnswered ? DURATION_AND_FIRST_TOKEN : DURATION);
    if (outputTokens !== undefined) {
      fields['gen_ai.token.type'] = 'output';
      fields['gen_ai.client.token.usage'] = outputTokens;
      directives.push(USAGE);
    }
  }
  return { fields, directives: `"_aws":{"Timestamp":${timestamp},"CloudWatchMetrics":[${directives.join()}]}` };
};
