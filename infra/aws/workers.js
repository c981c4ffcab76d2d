import { att, policy, ref, trust } from './cloudformation.js';
import { instances } from './workers/instances.js';
import { taskDefinition } from './workers/task.js';

/**
 * A service of LocalAI workers on GPU instances, in an ECS cluster of its own, and its entry among the registrar's
 * services.
 * @param {import('./options.js').Options} options
 * @returns {import('./cloudformation.js').Piece}
 */
export const workers = (options) => {
  if (!options.workers) return {};
  const cluster = `${options.name}-workers`;
  return {
    Resources: {
      WorkersCluster: {
        Type: 'AWS::ECS::Cluster',
        Properties: { ClusterName: cluster, ClusterSettings: [{ Name: 'containerInsights', Value: 'enabled' }] },
      },
      WorkersLogGroup: {
        Type: 'AWS::Logs::LogGroup',
        Properties: { LogGroupName: `/ecs/${cluster}`, RetentionInDays: 14 },
      },
      WorkersExecutionRole: {
        Type: 'AWS::IAM::Role',
        Properties: {
          AssumeRolePolicyDocument: trust('ecs-tasks.amazonaws.com'),
          Policies: [
            policy('logs', [
              {
                Effect: 'Allow',
                Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
                Resource: att('WorkersLogGroup'),
              },
            ]),
          ],
        },
      },
      // Who may come in is said in network.js; out it goes to fetch models.
      WorkersSecurityGroup: {
        Type: 'AWS::EC2::SecurityGroup',
        Properties: { GroupDescription: 'Workers: the gateway functions only', VpcId: options.vpcId },
      },
      ...instances(options, cluster),
      WorkersCapacityProviders: {
        Type: 'AWS::ECS::ClusterCapacityProviderAssociations',
        Properties: {
          Cluster: ref('WorkersCluster'),
          CapacityProviders: [ref('WorkersCapacityProvider')],
          DefaultCapacityProviderStrategy: [{ CapacityProvider: ref('WorkersCapacityProvider'), Weight: 1 }],
        },
      },
      WorkersTaskDefinition: taskDefinition(options),
      WorkersService: {
        Type: 'AWS::ECS::Service',
        DependsOn: ['WorkersCapacityProviders'],
        // For `task-count.js`, which has the last word on DesiredCount when it knows whether the service is there.
        Metadata: { TasksOnceItIsThere: options.workerScaleToZero ? 'as they are' : options.workerCount },
        Properties: {
          Cluster: ref('WorkersCluster'),
          ServiceName: 'localai',
          TaskDefinition: ref('WorkersTaskDefinition'),
          // CloudFormation waits for a service's tasks, for hours, and takes everything back if they do not come: the
          // gateway is not to depend on a GPU that is to be had.
          DesiredCount: 0,
          // It would end a task, and its streams, to start it in another zone.
          AvailabilityZoneRebalancing: 'DISABLED',
          CapacityProviderStrategy: [{ CapacityProvider: ref('WorkersCapacityProvider'), Weight: 1 }],
          // A new worker is there before an old one goes; a deployment that cannot start one is rolled back.
          DeploymentConfiguration: {
            MinimumHealthyPercent: 100,
            MaximumPercent: 200,
            DeploymentCircuitBreaker: { Enable: true, Rollback: true },
          },
          // The first start downloads backend and models.
          HealthCheckGracePeriodSeconds: 1800,
          NetworkConfiguration: {
            AwsvpcConfiguration: {
              Subnets: options.workerSubnetIds,
              SecurityGroups: [att('WorkersSecurityGroup', 'GroupId')],
            },
          },
        },
      },
      WorkersServiceParameter: {
        Type: 'AWS::SSM::Parameter',
        Properties: {
          Name: `${options.prefix}/services/localai`,
          Type: 'String',
          Value: JSON.stringify({
            cluster,
            service: 'localai',
            port: options.workerPort,
            engine: 'localai',
            load: 'haproxy',
            ...(options.workerScaleToZero && {
              // While it sleeps, nobody else could say what it would serve.
              models: options.workerModelNames,
              scale: {
                min: 0,
                max: options.workerCount,
                idleMinutes: options.workerIdleMinutes,
                wakeMinutes: options.workerWakeMinutes,
              },
            }),
          }),
          Description: 'Where the registrar finds the workers of this stack',
        },
      },
    },
    Outputs: {
      WorkersAutoScalingGroupName: {
        Description: 'The GPU instances',
        Value: ref('WorkersAutoScalingGroup'),
      },
    },
  };
};
