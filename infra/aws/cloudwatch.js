import { ref } from './cloudformation.js';

/** @typedef {import('./options.js').Options} Options */

/** Where the gateway's own metrics are: `lib/telemetry/metrics.ts`. */
export const NAMESPACE = 'LocalAIGateway';

/**
 * What is counted from log lines has no dimension that tells two stages apart: each has a namespace of its own.
 * @param {Options} options
 */
export const logNamespace = ({ name }) => `${NAMESPACE}/${name}`;

/** @param {string} logGroup @param {string} pattern @param {string} metric @param {string} value @param {Options} options */
export const countLines = (logGroup, pattern, metric, value, options) => ({
  Type: 'AWS::Logs::MetricFilter',
  Properties: {
    LogGroupName: ref(logGroup),
    FilterPattern: pattern,
    MetricTransformations: [{ MetricNamespace: logNamespace(options), MetricName: metric, MetricValue: value }],
  },
});

/** @param {string} id @param {string} namespace @param {string} metric @param {Record<string, string | object>} dimensions */
export const metricOf = (id, namespace, metric, dimensions, stat = 'Sum', period = 60) => ({
  Id: id,
  ReturnData: false,
  MetricStat: {
    Metric: {
      Namespace: namespace,
      MetricName: metric,
      Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
    },
    Stat: stat,
    Period: period,
  },
});

/** @param {string} expression @param {string} label */
export const result = (expression, label) => ({ Id: 'result', Expression: expression, Label: label, ReturnData: true });

/**
 * @param {Options} options
 * @param {{ about: string, metrics: object[], operator: string, threshold: number, minutes: [bad: number, of: number], missing?: string }} alarm
 */
export const alarm = (
  { alarmTopicArn },
  { about, metrics, operator, threshold, minutes: [bad, of], missing = 'notBreaching' },
) => ({
  Type: 'AWS::CloudWatch::Alarm',
  Properties: {
    AlarmDescription: about,
    Metrics: metrics,
    ComparisonOperator: operator,
    Threshold: threshold,
    DatapointsToAlarm: bad,
    EvaluationPeriods: of,
    TreatMissingData: missing,
    ...(alarmTopicArn && { AlarmActions: [alarmTopicArn], OKActions: [alarmTopicArn] }),
  },
});
