import { sub } from './cloudformation.js';
import { urlFunctions } from './options.js';

/** Filled in by CloudFormation. */
const REGION = `\${AWS::Region}`;
const WIDTH = 12;
const HEIGHT = 6;

/** @typedef {[namespace: string, metric: string, ...rest: (string | object)[]]} Line */

/** @param {string} title @param {Line[]} metrics @param {object} [more] */
const graph = (title, metrics, more = {}) => ({
  type: 'metric',
  properties: { title, region: REGION, view: 'timeSeries', period: 60, metrics, ...more },
});

/** @param {string} title @param {string} query @param {string} view @param {string} stack */
const logs = (title, query, view, stack) => {
  const groups = urlFunctions.map((name) => `SOURCE '/aws/lambda/${stack}-${name}'`).join(' | ');
  return { type: 'log', properties: { title, region: REGION, view, query: `${groups} | ${query}` } };
};

/**
 * The dashboard's body.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
 * @param {import('./options.js').Options} options
 * @param {string} namespace of the gateway's metrics
 * @param {string} logNamespace of what is counted from its log lines
 */
export const dashboard = ({ name: stack }, namespace, logNamespace) => {
  /** @param {string} metric @param {object} options @returns {Line} */
  const total = (metric, options) => [namespace, metric, 'service.name', stack, options];
  /** @param {string} metric @param {string} stat @returns {Line[]} */
  const byFamily = (metric, stat) =>
    urlFunctions.map((name) => [
      namespace,
      metric,
      'service.name',
      stack,
      'gateway.family',
      name,
      { stat, label: name },
    ]);
  /** @param {string} metric @param {string} stat @returns {Line[]} */
  const byFunction = (metric, stat) =>
    urlFunctions.map((name) => ['AWS/Lambda', metric, 'FunctionName', `${stack}-${name}`, { stat, label: name }]);
  const firstByte = 'gen_ai.server.time_to_first_token';
  const widgets = [
    graph('Requests a minute, by family', byFamily('gateway.server_errors', 'SampleCount'), { stacked: true }),
    graph(
      'Time to the first byte, s',
      ['p50', 'p95', 'p99'].map((stat) => total(firstByte, { stat, label: stat })),
    ),
    graph('Tokens out a minute, where workers say so', [
      [namespace, 'gen_ai.client.token.usage', 'service.name', stack, 'gen_ai.token.type', 'output', { stat: 'Sum' }],
    ]),
    graph('Failovers and ejections a minute', [
      total('gateway.failovers', { stat: 'Sum', label: 'failovers' }),
      total('gateway.ejections', { stat: 'Sum', label: 'ejections' }),
    ]),
    graph('Failed requests a minute, by family and so by dialect', byFamily('gateway.server_errors', 'Sum')),
    graph('Requests refused (4xx) a minute, by family', byFamily('gateway.client_errors', 'Sum')),
    logs(
      'Share of each node',
      'filter event = "request" and ispresent(node_id) | stats count() as requests, avg(first_byte_ms) as first_byte by node_id | sort requests desc',
      'table',
      stack,
    ),
    logs(
      'How responses ended',
      'filter event = "request" | stats count() as requests by family, status, ending | sort requests desc',
      'table',
      stack,
    ),
    graph('Healthy workers; configuration reads that SSM throttled', [
      [logNamespace, 'healthy_workers', { stat: 'Maximum', label: 'healthy workers' }],
      [logNamespace, 'ssm_throttled', { stat: 'Sum', label: 'throttled reads', yAxis: 'right' }],
    ]),
    graph(
      'Services asleep, waking, awake',
      ['awake', 'waking', 'asleep', 'failed'].map((state) => [
        logNamespace,
        `services_${state}`,
        { stat: 'Maximum', label: state },
      ]),
      { stacked: true },
    ),
    graph('Services that want a worker and have none', [
      [logNamespace, 'services_unserved', { stat: 'Maximum', label: 'without a worker' }],
    ]),
    graph('Environments at once', byFunction('ConcurrentExecutions', 'Maximum')),
    graph('Requests Lambda turned away', byFunction('Throttles', 'Sum')),
    graph('The registrar', [
      ['AWS/Lambda', 'Invocations', 'FunctionName', `${stack}-registrar`, { stat: 'Sum' }],
      ['AWS/Lambda', 'Errors', 'FunctionName', `${stack}-registrar`, { stat: 'Sum' }],
      ['AWS/Lambda', 'Duration', 'FunctionName', `${stack}-registrar`, { stat: 'p95', yAxis: 'right' }],
    ]),
  ];
  const placed = widgets.map((widget, index) => ({
    ...widget,
    x: (index % 2) * WIDTH,
    y: Math.floor(index / 2) * HEIGHT,
    width: WIDTH,
    height: HEIGHT,
  }));
  return sub(JSON.stringify({ widgets: placed }));
};
