import { att, ref } from './cloudformation.js';
import { frontOf, loadBalancer } from './container/load-balancer.js';
import { roles } from './container/roles.js';
import { scaling } from './container/scaling.js';
import { CONTAINER_PORT, taskDefinition } from './container/task.js';
import { GRACE_SECONDS } from './container/times.js';
import { waysOfFargate } from './endpoints.js';

/** @typedef {import('./options.js').Options} Options */

/** osls's schedule of the registrar, without which a new task would never hear of a fleet. */
const REGISTRAR = ['RegistrarEventsRuleSchedule1', 'RegistrarLambdaPermissionEventsRuleSchedule1'];

/** @param {Options} options */
const service = (options) => ({
  Type: 'AWS::ECS::Service',
  DependsOn: [frontOf(options).listener, 'ContainerIngress', ...REGISTRAR, ...waysOfFargate(options)],
  // For `task-count.js`: once it is there, load says how many.
  Metadata: { TasksOnceItIsThere: 'as they are' },
  Properties: {
    Cluster: ref('ContainerCluster'),
    ServiceName: 'gateway',
    TaskDefinition: ref('ContainerTaskDefinition'),
    LaunchType: 'FARGATE',
    DesiredCount: options.containerMinTasks,
    AvailabilityZoneRebalancing: 'ENABLED',
    // New tasks are ready before old ones go; a deployment whose tasks do not get so far is rolled back.
    DeploymentConfiguration: {
      MinimumHealthyPercent: 100,
      MaximumPercent: 200,
      DeploymentCircuitBreaker: { Enable: true, Rollback: true },
    },
    HealthCheckGracePeriodSeconds: GRACE_SECONDS,
    LoadBalancers: [{ ContainerName: 'gateway', ContainerPort: CONTAINER_PORT, TargetGroupArn: ref('TargetGroup') }],
    NetworkConfiguration: {
      AwsvpcConfiguration: {
        Subnets: options.subnetIds,
        SecurityGroups: [att('FunctionsSecurityGroup', 'GroupId')],
        AssignPublicIp: 'DISABLED',
      },
    },
  },
});

/**
 * The gateway of all families as one service on Fargate, behind a private load balancer (docs/contract.md 12).
 * @param {Options} options
 * @param {unknown} _table
 * @param {Readonly<Record<string, unknown>>} environment what every function's environment has
 * @returns {import('./cloudformation.js').Piece}
 */
export const container = (options, _table, environment) => {
  if (options.door !== 'container') return {};
  return {
    Resources: {
      ContainerCluster: { Type: 'AWS::ECS::Cluster', Properties: { ClusterName: options.name } },
      ContainerLogGroup: {
        Type: 'AWS::Logs::LogGroup',
        Properties: { LogGroupName: `/ecs/${options.name}`, RetentionInDays: 14 },
      },
      ...loadBalancer(options),
      ...roles(options),
      ContainerTaskDefinition: taskDefinition(options, environment),
      ContainerService: service(options),
      ...scaling(options),
    },
    Outputs: options.edge
      ? {}
      : {
          GatewayUrl: {
            Description: 'Base URL of all families, inside the VPC',
            Value: `${frontOf(options).scheme}://${options.containerDomain}`,
          },
          ContainerTarget: {
            Description: `What the DNS record of ${options.containerDomain} must name`,
            Value: att('LoadBalancer', 'DNSName'),
          },
        },
  };
};
