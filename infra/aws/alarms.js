import { idOf, ref } from './cloudformation.js';
import { alarm, countLines, logNamespace, metricOf, NAMESPACE, result } from './cloudwatch.js';
import { containerAlarms } from './container/alarms.js';
import { dashboard } from './dashboard.js';
import { urlFunctions } from './url-functions.js';

/** @typedef {import('./options.js').Options} Options */

/**
 * Fields of the registrar's `fleet` lines, and the metrics made of them. Services are those with `scale`, but for the
 * last: it is every service that should have a healthy worker by now and has none.
 */
const fleetMetrics = /** @type {const} */ ({
  healthy: 'healthy_workers',
  awake: 'services_awake',
  waking: 'services_waking',
  asleep: 'services_asleep',
  failed: 'services_failed',
  unserved: 'services_unserved',
});

/** Who serves requests: the functions, or the container for all of them. @param {Options} options */
const servers = ({ door }) => (door === 'container' ? ['container'] : urlFunctions);

/** @param {Options} options */
const filters = (options) => ({
  ...Object.fromEntries(
    Object.entries(fleetMetrics).map(([field, metric]) => [
      idOf(field, 'Metric'),
      countLines('RegistrarLogGroup', '{ $.event = "fleet" }', metric, `$.${field}`, options),
    ]),
  ),
  ...Object.fromEntries(
    servers(options).map((name) => [
      idOf(name, 'SsmThrottledMetric'),
      countLines(
        idOf(name, 'LogGroup'),
        '{ ($.event = "configuration_*") && ($.reason = "*Throttl*") }',
        'ssm_throttled',
        '1',
        options,
      ),
    ]),
  ),
});

/** @param {Options} options */
const functionAlarms = (options) => ({
  ThrottledAlarm: alarm(options, {
    about: "Lambda turns requests away: the account's concurrency, or a function's share of it, is used up.",
    metrics: [
      ...urlFunctions.map((name) =>
        metricOf(name, 'AWS/Lambda', 'Throttles', { FunctionName: ref(idOf(name, 'LambdaFunction')) }),
      ),
      result('SUM(METRICS())', 'requests turned away'),
    ],
    operator: 'GreaterThanThreshold',
    threshold: 0,
    minutes: [2, 5],
  }),
});

/** @param {Options} options */
const alarms = (options) => {
  const service = { 'service.name': options.name };
  const registrar = { FunctionName: ref('RegistrarLambdaFunction') };
  return {
    NoWorkerAlarm: alarm(options, {
      about: 'A service is wanted, should be up by now, and has no healthy worker. One that sleeps is not wanted.',
      metrics: [
        metricOf('unserved', logNamespace(options), fleetMetrics.unserved, {}, 'Minimum'),
        result('unserved', 'services without a worker'),
      ],
      operator: 'GreaterThanThreshold',
      threshold: 0,
      minutes: [3, 3],
    }),
    CannotWakeAlarm: alarm(options, {
      about: 'A service cannot wake: GET /api/services and the registrar`s log say why. It is tried again on demand.',
      metrics: [
        metricOf('failed', logNamespace(options), fleetMetrics.failed, {}, 'Maximum'),
        result('failed', 'services that cannot wake'),
      ],
      operator: 'GreaterThanThreshold',
      threshold: 0,
      minutes: [1, 1],
    }),
    RegistrarAlarm: alarm(options, {
      // A run may take five minutes while something wakes, and counts when it begins.
      about: 'The registrar has not had one good run in ten minutes; gateways serve the last fleet.',
      metrics: [
        metricOf('runs', 'AWS/Lambda', 'Invocations', registrar, 'Sum', 300),
        metricOf('errors', 'AWS/Lambda', 'Errors', registrar, 'Sum', 300),
        result('FILL(runs, 0) - FILL(errors, 0)', 'good runs'),
      ],
      operator: 'LessThanThreshold',
      threshold: 1,
      minutes: [2, 2],
      missing: 'breaching',
    }),
    ErrorRateAlarm: alarm(options, {
      about:
        'Over 5 % of at least 20 requests a minute failed: status 5xx, or a stream that was not brought to its end.',
      metrics: [
        metricOf('errors', NAMESPACE, 'gateway.server_errors', service),
        metricOf('requests', NAMESPACE, 'gateway.server_errors', service, 'SampleCount'),
        result('IF(requests >= 20, 100 * errors / requests, 0)', 'error rate, %'),
      ],
      operator: 'GreaterThanThreshold',
      threshold: 5,
      minutes: [3, 5],
    }),
    SsmThrottledAlarm: alarm(options, {
      about: 'SSM throttles the gateway: raise its throughput setting (DEPLOY.md), or GATEWAY_CONFIG_TTL_SECONDS.',
      metrics: [
        metricOf('throttled', logNamespace(options), 'ssm_throttled', {}),
        result('FILL(throttled, 0)', 'reads throttled'),
      ],
      operator: 'GreaterThanThreshold',
      threshold: 0,
      minutes: [3, 5],
    }),
    ...(options.door === 'container' ? containerAlarms(options) : functionAlarms(options)),
  };
};

/**
 * CloudWatch alarms and a dashboard.
 * @param {Options} options
 * @returns {import('./cloudformation.js').Piece}
 */
export const watch = (options) =>
  options.alarms
    ? {
        Resources: {
          ...filters(options),
          ...alarms(options),
          Dashboard: {
            Type: 'AWS::CloudWatch::Dashboard',
            Properties: {
              DashboardName: options.name,
              DashboardBody: dashboard(options, NAMESPACE, logNamespace(options)),
            },
          },
        },
      }
    : {};
