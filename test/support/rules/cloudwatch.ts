import { each, ill, only, outside, type Rule, tooMany } from './rule.ts';

const API = 'https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference';
const LOGS = 'https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference';
const ALARM = 'AWS::CloudWatch::Alarm';
const FILTER = 'AWS::Logs::MetricFilter';

interface Alarm {
  readonly AlarmName?: string;
  readonly AlarmDescription?: string;
  readonly AlarmActions?: readonly string[];
  readonly EvaluationPeriods?: number;
  readonly DatapointsToAlarm?: number;
  readonly Metrics?: readonly {
    readonly Id: string;
    readonly Expression?: string;
    readonly ReturnData?: boolean;
    readonly MetricStat?: { readonly Period: number; readonly Metric: { readonly Dimensions?: readonly object[] } };
  }[];
}
interface Filter {
  readonly LogGroupName?: string;
  readonly FilterPattern?: string;
  readonly MetricTransformations?: readonly { readonly MetricNamespace?: string; readonly MetricName?: string }[];
}

export const cloudwatchRules: readonly Rule[] = [
  {
    name: 'an alarm`s metrics, names and times',
    source: `${API}/API_PutMetricAlarm.html`,
    breaches: each<Alarm>(ALARM, (alarm) => {
      const metrics = alarm.Metrics ?? [];
      const periods = metrics.flatMap(({ MetricStat }) => MetricStat?.Period ?? []);
      const longest = Math.max(0, ...periods);
      return [
        ill('name', alarm.AlarmName, 255),
        ill('description', alarm.AlarmDescription, 1024),
        tooMany('actions', alarm.AlarmActions, 5),
        tooMany('metrics', metrics, 10),
        ...metrics.flatMap(({ Id, Expression, MetricStat }) => [
          ill('id', Id, 255, /^[a-z]\w*$/),
          ill('expression', Expression, 1024),
          tooMany('dimensions', MetricStat?.Metric.Dimensions, 30),
        ]),
        ...periods.map((period) => ![10, 20, 30].includes(period) && period % 60 !== 0 && `a period of ${period}`),
        metrics.length > 0 &&
          metrics.filter(({ ReturnData }) => ReturnData).length !== 1 &&
          'not one metric is returned',
        outside('DatapointsToAlarm', alarm.DatapointsToAlarm, 1, alarm.EvaluationPeriods ?? 1),
        outside('seconds evaluated', longest * (alarm.EvaluationPeriods ?? 1), 0, longest >= 3600 ? 604_800 : 86_400),
      ];
    }),
    broken: only(ALARM, { Metrics: Array.from({ length: 11 }, (_, n) => ({ Id: `m${n}`, ReturnData: n === 0 })) }),
  },
  {
    name: 'a dashboard`s name and widgets',
    source: 'https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html',
    breaches: each<{ DashboardName?: string; DashboardBody?: string }>(
      'AWS::CloudWatch::Dashboard',
      ({ DashboardName, DashboardBody = '{}' }) => {
        const { widgets = [] } = JSON.parse(DashboardBody) as {
          widgets?: { properties?: { metrics?: unknown[]; query?: string } }[];
        };
        return [
          ill('name', DashboardName, 255, /^[\w-]+$/),
          tooMany('widgets', widgets, 500),
          tooMany(
            'metrics',
            widgets.flatMap(({ properties }) => properties?.metrics ?? []),
            2500,
          ),
          ...widgets.map(({ properties }) => tooMany('metrics of a widget', properties?.metrics, 500)),
          // Logs Insights looks into 50 groups at once.
          ...widgets.map(({ properties }) => tooMany('log groups', properties?.query?.match(/SOURCE '/g) ?? [], 50)),
        ];
      },
    ),
    broken: only('AWS::CloudWatch::Dashboard', { DashboardName: 'a.b' }),
  },
  {
    name: 'names of log groups, and days they keep',
    source: `${LOGS}/API_CreateLogGroup.html`,
    breaches: each('AWS::Logs::LogGroup', ({ LogGroupName, RetentionInDays }) => [
      ill('name', LogGroupName, 512, /^[.\-_/#A-Za-z0-9]+$/),
      ...(RetentionInDays === undefined || DAYS.has(Number(RetentionInDays)) ? [] : [`${RetentionInDays} days`]),
    ]),
    broken: only('AWS::Logs::LogGroup', { LogGroupName: '/aws/lambda/a b' }),
  },
  {
    name: 'patterns and metrics of filters',
    source: `${LOGS}/API_PutMetricFilter.html`,
    breaches: each<Filter>(FILTER, ({ FilterPattern, MetricTransformations = [] }) => [
      ill('pattern', FilterPattern, 1024),
      tooMany('metrics', MetricTransformations, 1),
      ...MetricTransformations.flatMap(({ MetricNamespace, MetricName }) => [
        ill('namespace', MetricNamespace, 255, /^[^:*$]*$/),
        /^AWS\//.test(MetricNamespace ?? '') && `${MetricNamespace} is AWS's`,
        ill('metric', MetricName, 255, /^[^:*$]*$/),
      ]),
    ]),
    broken: only(FILTER, { MetricTransformations: [{ MetricNamespace: 'gateway:dev' }] }),
  },
];

const DAYS = new Set([
  ...[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
]);
