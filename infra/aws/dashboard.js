import { sub } from './cloudformation.js';
import { urlFunctions } from './url-functions.js';

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

/** @param {string} title @param {string} query @param {string} view @param {readonly string[]} groups */
const logs = (title, query, view, groups) => {
  const sources = groups.map((group) => `SOURCE '${group}'`).join(' | ');
  return { type: 'log', properties: { title, region: REGION, view, query: `${sources} | ${query}` } };
};

/** @param {string} stack */
const functionGraphs = (stack) => {
  /** @param {string} metric @param {string} stat @returns {Line[]} */
  const byFunction = (metric, stat) =>
    urlFunctions.map((name) => ['AWS/Lambda', metric, 'FunctionName', `${stack}-${name}`, { stat, label: name }]);
  return [
    graph('Environments at once', byFunction('ConcurrentExecutions', 'Maximum')),
    graph('Requests Lambda turned away', byFunction('Throttles', 'Sum')),
  ];
};

/** @param {string} stack */
const containerGraphs = (stack) => {
  const balancer = ['LoadBalancer', `\${LoadBalancer.LoadBalancerFullName}`];
  const targets = [...balancer, 'TargetGroup', `\${TargetGroup.TargetGroupFullName}`];
  /** @param {string} metric @param {string[]} of @param {object} options @returns {Line} */
  const line = (metric, of, options) => ['AWS/ApplicationELB', metric, ...of, options];
  /** @param {string} metric @param {object} options @returns {Line} */
  const ofService = (metric, options) => ['AWS/ECS', metric, 'ClusterName', stack, 'ServiceName', 'gateway', options];
  return [
    graph('Tasks that are ready; connections open', [
      line('HealthyHostCount', targets, { stat: 'Minimum', label: 'ready' }),
      line('UnHealthyHostCount', targets, { stat: 'Maximum', label: 'not ready' }),
      line('ActiveConnectionCount', balancer, { stat: 'Sum', label: 'connections', yAxis: 'right' }),
    ]),
    graph('The busiest task, %', [
      ofService('CPUUtilization', { stat: 'Maximum', label: 'CPU' }),
      ofService('MemoryUtilization', { stat: 'Maximum', label: 'memory' }),
    ]),
    graph('Failed by the load balancer itself', [
      line('HTTPCode_ELB_5XX_Count', balancer, { stat: 'Sum', label: '5xx' }),
      line('RejectedConnectionCount', balancer, { stat: 'Sum', label: 'turned away' }),
      line('TargetConnectionErrorCount', balancer, { stat: 'Sum', label: 'task not reached' }),
    ]),
  ];
};

/**
 * The dashboard's body.
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
 * @param {import('./options.js').Options} options
 * @param {string} namespace of the gateway's metrics
 * @param {string} logNamespace of what is counted from its log lines
 */
export const dashboard = ({ name: stack, door }, namespace, logNamespace) => {
  const isContainer = door === 'container';
  const groups = isContainer ? [`/ecs/${stack}`] : urlFunctions.map((name) => `/aws/lambda/${stack}-${name}`);
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
      groups,
    ),
    logs(
      'How responses ended',
      'filter event = "request" and coalesce(operation, "") not in ["healthz", "readyz"] | stats count() as requests by family, status, ending | sort requests desc',
      'table',
      groups,
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
    ...(isContainer ? containerGraphs(stack) : functionGraphs(stack)),
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
