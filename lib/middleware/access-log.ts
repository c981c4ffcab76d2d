import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { log as systemLog } from '../telemetry/log.ts';
import { failed, metricsLine } from '../telemetry/metrics.ts';
import { createOutputTokens } from '../telemetry/output-tokens.ts';
import { createRecord, type RequestRecord } from '../telemetry/record.ts';
import type { Middleware } from './middleware.ts';

export interface AccessLogOptions {
  /** `OTEL_SERVICE_NAME`: the name under which CloudWatch keeps the metrics. */
  readonly service: string;
  readonly log?: typeof systemLog;
  /** Milliseconds that only ever grow. */
  readonly now?: () => number;
}

/** A client may write anything here. */
const LONGEST_NAME = 200;

const line = (record: RequestRecord, request: GatewayRequest, totalMs: number) => ({
  correlation_id: request.id,
  family: record.family,
  operation: record.operation,
  'gen_ai.request.model': record.requestedModel?.slice(0, LONGEST_NAME),
  'gen_ai.response.model': record.servedModel?.slice(0, LONGEST_NAME),
  node_id: record.nodeId,
  translation: record.translation,
  attempts: record.attempts,
  status: record.status,
  first_byte_ms: record.firstByteMs === undefined ? undefined : Math.round(record.firstByteMs),
  total_ms: Math.round(totalMs),
  bytes: record.bytes,
  cold_start: record.coldStart,
  ending: record.ending,
});

/** Not `performance.now()`: the first look at `performance` loads `node:perf_hooks`, in the middle of a cold start. */
const monotonicMs = (): number => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
};

/**
 * One line a request, when it is over; CloudWatch reads its metrics from the same line. It comes first in the stack,
 * so that what later middlewares refuse is recorded too.
 */
export const accessLog = ({ service, log = systemLog, now = monotonicMs }: AccessLogOptions): Middleware => {
  let isFirst = true;
  return {
    before: function accessLogBefore({ event: request }) {
      const endpoint = request.match?.endpoint;
      const record = createRecord({
        startedAt: now(),
        coldStart: isFirst,
        family: request.family,
        operation: endpoint?.operation,
        genAiOperation: endpoint?.genAiOperation,
      });
      isFirst = false;
      request.record = record;
      const tokens = createOutputTokens();
      request.onChunk = (chunk) => {
        record.bytes += chunk.length;
        tokens.push(chunk);
      };
      request.onHead.push(({ statusCode }) => {
        record.status = statusCode;
        record.firstByteMs = now() - record.startedAt;
      });
      request.afterwards.push(async () => {
        const totalMs = now() - record.startedAt;
        record.outputTokens = tokens.count();
        const metrics = endpoint?.isUnmetered
          ? undefined
          : metricsLine(record, { totalMs, service, timestamp: Date.now() });
        const fields = { ...line(record, request, totalMs), ...metrics?.fields };
        log(failed(record) ? 'error' : 'info', 'request', fields, metrics?.directives);
      });
    },
  };
};
