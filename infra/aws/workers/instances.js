import { att, ref, sub, trust } from '../cloudformation.js';

/** @typedef {import('../options.js').Options} Options */

/** AWS's newest GPU image for ECS, looked up when the stack is deployed. */
const AMI = '{{resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id}}';

/** @param {string} cluster @param {number} stopSeconds */
const userData = (cluster, stopSeconds) =>
  [
    '#!/bin/bash',
    "cat >> /etc/ecs/ecs.config <<'CONFIG'",
    `ECS_CLUSTER=${cluster}`,
    'ECS_ENABLE_GPU_SUPPORT=true',
    // Tasks have addresses and roles of their own; the instance's are not for them.
    'ECS_AWSVPC_BLOCK_IMDS=true',
    `ECS_CONTAINER_STOP_TIMEOUT=${stopSeconds}s`,
    'CONFIG',
    '',
  ].join('\n');

/**
 * GPU instances that come and go with the tasks: a capacity provider scales the group, and never takes an instance on
 * which a task still runs, a stopping one with its last streams included.
 * @param {Options} options @param {string} cluster
 */
export const instances = (options, cluster) => ({
  WorkersInstanceRole: {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: trust('ec2.amazonaws.com'),
      ManagedPolicyArns: [
        sub(`arn:\${AWS::Partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role`),
      ],
    },
  },
  WorkersInstanceProfile: {
    Type: 'AWS::IAM::InstanceProfile',
    Properties: { Roles: [ref('WorkersInstanceRole')] },
  },
  WorkersInstanceSecurityGroup: {
    Type: 'AWS::EC2::SecurityGroup',
    Properties: { GroupDescription: 'Instances of the workers: nothing comes in', VpcId: options.vpcId },
  },
  WorkersLaunchTemplate: {
    Type: 'AWS::EC2::LaunchTemplate',
    Properties: {
      LaunchTemplateData: {
        ImageId: AMI,
        InstanceType: options.workerInstanceType,
        IamInstanceProfile: { Arn: att('WorkersInstanceProfile') },
        SecurityGroupIds: [att('WorkersInstanceSecurityGroup', 'GroupId')],
        MetadataOptions: { HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
        BlockDeviceMappings: [
          {
            DeviceName: '/dev/xvda',
            Ebs: { VolumeSize: options.workerVolumeGiB, VolumeType: 'gp3', Encrypted: true, DeleteOnTermination: true },
          },
        ],
        UserData: { 'Fn::Base64': userData(cluster, options.workerStopSeconds) },
        TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'Name', Value: cluster }] }],
      },
    },
  },
  WorkersAutoScalingGroup: {
    Type: 'AWS::AutoScaling::AutoScalingGroup',
    Properties: {
      MinSize: '0',
      MaxSize: String(options.workerMaxInstances),
      VPCZoneIdentifier: options.workerSubnetIds,
      LaunchTemplate: {
        LaunchTemplateId: ref('WorkersLaunchTemplate'),
        Version: att('WorkersLaunchTemplate', 'LatestVersionNumber'),
      },
      NewInstancesProtectedFromScaleIn: true,
      Tags: [{ Key: 'AmazonECSManaged', Value: 'true', PropagateAtLaunch: true }],
    },
  },
  WorkersCapacityProvider: {
    Type: 'AWS::ECS::CapacityProvider',
    Properties: {
      AutoScalingGroupProvider: {
        AutoScalingGroupArn: ref('WorkersAutoScalingGroup'),
        ManagedScaling: { Status: 'ENABLED', TargetCapacity: 100, MinimumScalingStepSize: 1 },
        ManagedTerminationProtection: 'ENABLED',
        ManagedDraining: 'ENABLED',
      },
    },
  },
});
