import { att, ref } from '../cloudformation.js';
import { alarm, metricOf, result } from '../cloudwatch.js';

/** @typedef {import('../options.js').Options} Options */

/** Of the memory limit: a process that reaches it is killed, and its streams with it. */
const MEMORY_PERCENT = 85;

/**
 * What goes wrong with the container beside what its requests say.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/available-metrics.html
 * @param {Options} options
 */
export const containerAlarms = (options) => {
  const balancer = { LoadBalancer: att('LoadBalancer', 'LoadBalancerFullName') };
  const targets = { ...balancer, TargetGroup: att('TargetGroup', 'TargetGroupFullName') };
  const service = { ClusterName: ref('ContainerCluster'), ServiceName: att('ContainerService', 'Name') };
  const ofBalancer = (/** @type {string} */ id, /** @type {string} */ metric) =>
    metricOf(id, 'AWS/ApplicationELB', metric, balancer);
  return {
    TooFewTasksAlarm: alarm(options, {
      about: 'Fewer tasks than containerMinTasks are ready: ECS says in the events of the service why none starts.',
      metrics: [
        metricOf('healthy', 'AWS/ApplicationELB', 'HealthyHostCount', targets, 'Minimum'),
        result('healthy', 'tasks that are ready'),
      ],
      operator: 'LessThanThreshold',
      threshold: options.containerMinTasks,
      minutes: [5, 5],
      missing: 'breaching',
    }),
    UnhealthyTaskAlarm: alarm(options, {
      about: 'A task lives and is not ready: it has no settings, no key or no fleet (GET /readyz says which).',
      metrics: [
        metricOf('unhealthy', 'AWS/ApplicationELB', 'UnHealthyHostCount', targets, 'Maximum'),
        result('unhealthy', 'tasks that are not ready'),
      ],
      operator: 'GreaterThanThreshold',
      threshold: 0,
      minutes: [5, 5],
    }),
    LoadBalancerAlarm: alarm(options, {
      about: 'The load balancer itself fails requests (5xx), turns connections away, or reaches a task no more.',
      metrics: [
        ofBalancer('failed', 'HTTPCode_ELB_5XX_Count'),
        ofBalancer('rejected', 'RejectedConnectionCount'),
        ofBalancer('unreached', 'TargetConnectionErrorCount'),
        result('SUM(METRICS())', 'requests and connections that failed'),
      ],
      operator: 'GreaterThanThreshold',
      threshold: 0,
      minutes: [3, 5],
    }),
    ContainerMemoryAlarm: alarm(options, {
      about: 'A task is close to its memory limit, where it is killed: raise containerMemoryMiB or containerMinTasks.',
      metrics: [
        metricOf('memory', 'AWS/ECS', 'MemoryUtilization', service, 'Maximum'),
        result('memory', 'memory in use, %'),
      ],
      operator: 'GreaterThanThreshold',
      threshold: MEMORY_PERCENT,
      minutes: [3, 5],
    }),
  };
};
