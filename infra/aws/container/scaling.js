import { ref, sub } from '../cloudformation.js';

/** @typedef {import('../options.js').Options} Options */

/** @param {string} name @param {string} metric @param {number} percent */
const tracking = (name, metric, percent) => ({
  Type: 'AWS::ApplicationAutoScaling::ScalingPolicy',
  Properties: {
    PolicyName: name,
    PolicyType: 'TargetTrackingScaling',
    ScalingTargetId: ref('ContainerScaling'),
    TargetTrackingScalingPolicyConfiguration: {
      PredefinedMetricSpecification: { PredefinedMetricType: metric },
      TargetValue: percent,
      ScaleOutCooldown: 60,
      // A task that goes has its streams to end first.
      ScaleInCooldown: 900,
    },
  },
});

/**
 * As many tasks as load asks for. What runs out in a process that relays is its core, with each token of each stream, and
 * memory, with large bodies and slow readers; how many requests came in a minute (`ALBRequestCountPerTarget`) says little:
 * a stream counts once, in the minute it began, and an embedding as much as it.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-autoscaling-targettracking.html
 * @param {Options} options
 */
export const scaling = ({ containerMinTasks, containerMaxTasks }) => ({
  ContainerScaling: {
    Type: 'AWS::ApplicationAutoScaling::ScalableTarget',
    Properties: {
      ServiceNamespace: 'ecs',
      ScalableDimension: 'ecs:service:DesiredCount',
      ResourceId: sub(`service/\${ContainerCluster}/\${ContainerService.Name}`),
      MinCapacity: containerMinTasks,
      MaxCapacity: containerMaxTasks,
      // Without a role it is the account's service-linked one, which AWS makes with the first of these.
    },
  },
  // Far from full: one core is saturated long before the average of a minute says so.
  ContainerCpuScaling: tracking('cpu', 'ECSServiceAverageCPUUtilization', 50),
  ContainerMemoryScaling: tracking('memory', 'ECSServiceAverageMemoryUtilization', 70),
});
