import { readFileSync } from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import { watch } from '../../../../infra/aws/alarms.js';
import { readOptions } from '../../../../infra/aws/options.js';
import { SsmError } from '../../../../lib/aws/ssm-client.ts';
import { createTelling } from '../../../../lib/registrar/report.ts';
import { metricsLine, NAMESPACE } from '../../../../lib/telemetry/metrics.ts';
import { createRecord } from '../../../../lib/telemetry/record.ts';
import { systemClock } from '../../../../lib/time/clock.ts';
import { containerParams } from '../../../support/container-params.ts';
import { readParams } from '../../../support/stack-params.ts';

/** What a request with everything known puts out, and so all there is to watch. */
const emitted = metricsLine(
  {
    ...createRecord({ startedAt: 0, coldStart: true, family: 'openai', operation: 'chat' }),
    attempts: 1,
    status: 200,
    firstByteMs: 1,
    outputTokens: 1,
  },
  { totalMs: 1, service: 'localai-gateway-dev', timestamp: 0 },
);
interface Directive {
  Dimensions: string[][];
  Metrics: { Name: string }[];
}
const directives: Directive[] = JSON.parse(`{${emitted.directives}}`)._aws.CloudWatchMetrics;
/** `name|dimension,dimension` of everything CloudWatch keeps. */
const kept = new Set(
  directives.flatMap(({ Dimensions, Metrics }) =>
    Metrics.flatMap(({ Name }) => Dimensions.map((set) => `${Name}|${set.join()}`)),
  ),
);
interface Filter {
  readonly MetricTransformations: readonly { readonly MetricName: string; readonly MetricValue: string }[];
}
interface Properties {
  readonly DashboardBody?: { 'Fn::Sub': string };
  readonly FilterPattern?: string;
  readonly Metrics?: readonly {
    MetricStat?: { Metric: { Namespace: string; MetricName: string; Dimensions: { Name: string }[] } };
  }[];
}
const optionsOf = (params: Record<string, string>) =>
  readOptions({ ...readParams(), ...params }, { service: 'localai-gateway', stage: 'dev', region: 'us-east-1' });

const ours = (namespace: string) => namespace.startsWith(NAMESPACE);

describe.each([
  ['functions', {}],
  ['a container', containerParams],
])('alarms and dashboard of %s', (_, params) => {
  const options = optionsOf(params);
  const resources = Object.entries(
    watch(options).Resources as Record<string, { Type: string; Properties: Properties }>,
  );
  /** Counted from log lines, by the name of the log group: metric -> field. */
  const filters = resources
    .filter(([, { Type }]) => Type === 'AWS::Logs::MetricFilter')
    .flatMap(([, { Properties }]) => (Properties as Partial<Filter>).MetricTransformations ?? []);
  const fromLogs = new Set(filters.map(({ MetricName }) => `${MetricName}|`));

  test('alarms look at metrics that exist, under dimensions they are kept by', () => {
    const watched = resources
      .flatMap(([, { Properties }]) => Properties.Metrics ?? [])
      .flatMap(({ MetricStat }) => MetricStat?.Metric ?? [])
      .filter(({ Namespace }) => ours(Namespace))
      .map(({ MetricName, Dimensions }) => `${MetricName}|${Dimensions.map(({ Name }) => Name).join()}`);
    expect(watched.length).toBeGreaterThan(3);
    expect(watched.filter((one) => !kept.has(one) && !fromLogs.has(one))).toEqual([]);
  });

  test('so does the dashboard, and the log fields it asks for are in the access log', () => {
    const body = resources.find(([, { Type }]) => Type.endsWith('Dashboard'))?.[1].Properties.DashboardBody?.[
      'Fn::Sub'
    ];
    const { widgets } = JSON.parse(body ?? '') as {
      widgets: { type: string; properties: { title: string; metrics?: unknown[][]; query?: string } }[];
    };
    const lines = widgets.flatMap(({ properties }) => properties.metrics ?? []);
    const named = lines
      .filter(([namespace]) => ours(String(namespace)))
      .map(
        ([, metric, ...rest]) =>
          `${metric}|${rest.filter((part, at) => at % 2 === 0 && typeof part === 'string').join()}`,
      );
    expect(named.filter((one) => !kept.has(one) && !fromLogs.has(one))).toEqual([]);
    const asked = widgets.flatMap(({ properties }) => properties.query?.match(/by [\w, ]+/g) ?? []).join();
    const accessLog = readFileSync(new URL('../../../../lib/middleware/access-log.ts', import.meta.url), 'utf8');
    for (const field of asked.match(/node_id|family|status|ending/g) ?? []) expect(accessLog).toContain(`${field}:`);
    const titles = widgets.map(({ properties }) => properties.title).join('; ');
    for (const topic of [
      'Requests',
      'first byte',
      'Tokens out',
      'Failovers',
      'ejections',
      'each node',
      'dialect',
      'SSM',
      'asleep, waking, awake',
    ]) {
      expect(titles).toContain(topic);
    }
  });

  test('what is counted from log lines is really logged under that name', () => {
    const source = readFileSync(new URL('../../../../lib/discovery/cached.ts', import.meta.url), 'utf8');
    const patterns = resources.flatMap(([, { Properties }]) => Properties.FilterPattern ?? []);
    expect(new Set(patterns)).toEqual(
      new Set(['{ $.event = "fleet" }', '{ ($.event = "configuration_*") && ($.reason = "*Throttl*") }']),
    );
    const fields = filters.flatMap(({ MetricValue }) => /^\$\.(\w+)$/.exec(MetricValue)?.[1] ?? []);
    expect(fields).toEqual(['healthy', 'awake', 'waking', 'asleep', 'failed', 'unserved']);
    const log = jest.fn();
    const report = { outcome: 'written', services: 0, workers: 0, healthy: 0, generation: 1, milliseconds: 1 } as const;
    createTelling({ log, clock: systemClock })({ report, services: [], unserved: 0, isFirst: true });
    const zeros = Object.fromEntries(fields.map((field) => [field, 0]));
    expect(log.mock.calls).toEqual([['info', 'fleet', expect.objectContaining(zeros)]]);
    expect(source).toMatch(/'configuration_unavailable' : 'configuration_refresh_failed'/);
    expect(new SsmError('ThrottlingException', { status: 400 }).message).toMatch(/^.*Throttl.*$/);
  });

  test('nothing is watched that is not there', () => {
    const text = JSON.stringify(resources);
    const isContainer = options.door === 'container';
    expect(text.includes('AWS/ApplicationELB')).toBe(isContainer);
    expect(text.includes('/ecs/localai-gateway-dev')).toBe(isContainer);
    expect(/OpenaiLambdaFunction|-openai|OpenaiLogGroup/.test(text)).toBe(!isContainer);
  });

  test('off: none of it', () => {
    expect(watch({ ...options, alarms: false })).toEqual({});
  });
});
