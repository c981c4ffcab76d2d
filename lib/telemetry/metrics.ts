import type { RequestRecord } from './record.ts';

/** CloudWatch's place for them. */
export const NAMESPACE = 'LocalAIGateway';

type Unit = 'Seconds' | 'Count';

/**
 * By what CloudWatch keeps metrics apart: each list of field names makes a series for every combination of their values.
 * `fields`: what has one value only.
 */
const DIMENSIONS = {
  family: { names: [['service.name'], ['service.name', 'gateway.family']] },
  operation: { names: [['service.name'], ['service.name', 'gen_ai.operation.name']] },
  tokens: {
    names: [
      ['service.name', 'gen_ai.token.type'],
      ['service.name', 'gen_ai.operation.name', 'gen_ai.token.type'],
    ],
    fields: { 'gen_ai.token.type': 'output' },
  },
} as const satisfies Record<string, { names: readonly (readonly string[])[]; fields?: Record<string, string> }>;

interface Metric {
  readonly name: string;
  readonly unit: Unit;
  readonly dimensions: keyof typeof DIMENSIONS;
  /** @returns `undefined` where a request has no such thing. */
  value(record: RequestRecord, totalMs: number): number | undefined;
}

const seconds = (milliseconds: number) => Math.round(milliseconds) / 1000;

/** Whether the gateway or its workers failed the client: an error status, or a response that was not brought to its end. */
export const failed = ({ status = 0, ending }: RequestRecord): boolean =>
  status >= 500 || ending === 'cut' || ending === 'idle' || ending === 'deadline';

const hasReachedWorker = ({ operation, attempts }: RequestRecord) => operation !== undefined && attempts > 0;

/** The table: a metric is a row. Rows of the same dimensions stand together. */
const METRICS: readonly Metric[] = [
  {
    name: 'http.server.request.duration',
    unit: 'Seconds',
    dimensions: 'family',
    value: (_, totalMs) => seconds(totalMs),
  },
  {
    name: 'gateway.server_errors',
    unit: 'Count',
    dimensions: 'family',
    value: (record) => (failed(record) ? 1 : 0),
  },
  {
    name: 'gateway.client_errors',
    unit: 'Count',
    dimensions: 'family',
    value: (record) => (!failed(record) && (record.status ?? 0) >= 400 ? 1 : 0),
  },
  {
    name: 'gateway.failovers',
    unit: 'Count',
    dimensions: 'family',
    value: ({ attempts }) => Math.max(0, attempts - 1),
  },
  { name: 'gateway.ejections', unit: 'Count', dimensions: 'family', value: ({ ejections }) => ejections },
  {
    name: 'gen_ai.server.request.duration',
    unit: 'Seconds',
    dimensions: 'operation',
    value: (record, totalMs) => (hasReachedWorker(record) ? seconds(totalMs) : undefined),
  },
  {
    name: 'gen_ai.server.time_to_first_token',
    unit: 'Seconds',
    dimensions: 'operation',
    value: (record) =>
      hasReachedWorker(record) && record.firstByteMs !== undefined && (record.status ?? 0) < 400
        ? seconds(record.firstByteMs)
        : undefined,
  },
  {
    name: 'gen_ai.client.token.usage',
    unit: 'Count',
    dimensions: 'tokens',
    value: (record) => (hasReachedWorker(record) ? record.outputTokens : undefined),
  },
];

/** @returns what CloudWatch is told of these metrics, as JSON. */
const directivesOf = (metrics: readonly Metric[]): string =>
  Object.entries(DIMENSIONS)
    .map(([key, { names }]) => ({
      Namespace: NAMESPACE,
      Dimensions: names,
      Metrics: metrics
        .filter(({ dimensions }) => dimensions === key)
        .map(({ name, unit }) => ({ Name: name, Unit: unit })),
    }))
    .filter(({ Metrics }) => Metrics.length > 0)
    .map((directive) => JSON.stringify(directive))
    .join();

/** By which rows of the table a request has, a bit each; made once: two thirds of a line are the same in all of them. */
const directives = new Map<number, string>();

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
  const fields: Record<string, unknown> = { 'service.name': service, 'gateway.family': record.family };
  const operation = record.genAiOperation ?? record.operation;
  if (operation !== undefined) fields['gen_ai.operation.name'] = operation;
  let rows = 0;
  METRICS.forEach(({ name, dimensions, value }, row) => {
    const measured = value(record, totalMs);
    if (measured === undefined) return;
    rows |= 1 << row;
    fields[name] = measured;
    Object.assign(fields, (DIMENSIONS[dimensions] as { fields?: object }).fields);
  });
  let about = directives.get(rows);
  if (about === undefined) {
    about = directivesOf(METRICS.filter((_, row) => rows & (1 << row)));
    directives.set(rows, about);
  }
  return { fields, directives: `"_aws":{"Timestamp":${timestamp},"CloudWatchMetrics":[${about}]}` };
};
