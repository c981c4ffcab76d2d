import { each, only, outside, type Rule, tooMany } from './rule.ts';

const ECS = 'https://docs.aws.amazon.com/AmazonECS/latest/developerguide';
const ELB = 'https://docs.aws.amazon.com/elasticloadbalancing/latest/application';
const TASK = 'AWS::ECS::TaskDefinition';
const SERVICE = 'AWS::ECS::Service';
const BALANCER = 'AWS::ElasticLoadBalancingV2::LoadBalancer';
const LISTENER = 'AWS::ElasticLoadBalancingV2::Listener';
const TARGETS = 'AWS::ElasticLoadBalancingV2::TargetGroup';

interface Task {
  readonly RequiresCompatibilities?: readonly string[];
  readonly NetworkMode?: string;
  readonly Cpu?: string;
  readonly Memory?: string;
  readonly ExecutionRoleArn?: string;
  readonly ContainerDefinitions?: readonly {
    readonly Memory?: number;
    readonly StopTimeout?: number;
    readonly Privileged?: boolean;
    readonly LinuxParameters?: { readonly Capabilities?: { readonly Add?: readonly string[] } };
    readonly PortMappings?: readonly { readonly ContainerPort?: number; readonly HostPort?: number }[];
  }[];
}
type Attributes = readonly { readonly Key: string; readonly Value: string }[];
const attributeOf = (attributes: Attributes | undefined, key: string) =>
  attributes?.find(({ Key }) => Key === key)?.Value;

/** MiB by CPU units. */
const fargate: Readonly<Record<string, (memory: number) => boolean>> = {
  256: (memory) => [512, 1024, 2048].includes(memory),
  512: (memory) => memory >= 1024 && memory <= 4096 && memory % 1024 === 0,
  1024: (memory) => memory >= 2048 && memory <= 8192 && memory % 1024 === 0,
  2048: (memory) => memory >= 4096 && memory <= 16_384 && memory % 1024 === 0,
  4096: (memory) => memory >= 8192 && memory <= 30_720 && memory % 1024 === 0,
};
const onFargate = (look: (task: Task) => (string | false | undefined)[]) =>
  each<Task>(TASK, (task) => (task.RequiresCompatibilities?.includes('FARGATE') ? look(task) : []));
const fargateTask = (task: object) => only(TASK, { RequiresCompatibilities: ['FARGATE'], ...task });

export const containerRules: readonly Rule[] = [
  {
    name: 'CPU and memory of a task on Fargate',
    source: `${ECS}/fargate-tasks-services.html#fargate-tasks-size`,
    breaches: onFargate(({ Cpu = '', Memory, ContainerDefinitions = [] }) => [
      !fargate[Cpu]?.(Number(Memory)) && `${Cpu} units with ${Memory} MiB`,
      ContainerDefinitions.reduce((sum, one) => sum + (one.Memory ?? 0), 0) > Number(Memory) && 'more than the task`s',
    ]),
    broken: fargateTask({ Cpu: '512', Memory: '8192' }),
  },
  {
    name: 'what a task on Fargate must and may not be',
    source: `${ECS}/fargate-tasks-services.html`,
    breaches: onFargate(({ NetworkMode, ExecutionRoleArn, ContainerDefinitions = [] }) => [
      NetworkMode !== 'awsvpc' && `network mode ${NetworkMode}`,
      !ExecutionRoleArn && 'no execution role for its image and log',
      ...ContainerDefinitions.flatMap(({ Privileged, LinuxParameters, PortMappings = [] }) => [
        Privileged && 'privileged',
        (LinuxParameters?.Capabilities?.Add ?? []).some((one) => one !== 'SYS_PTRACE') && 'a capability more',
        PortMappings.some(({ ContainerPort, HostPort = ContainerPort }) => HostPort !== ContainerPort) &&
          'another port',
      ]),
    ]),
    broken: fargateTask({ NetworkMode: 'bridge', ExecutionRoleArn: 'arn' }),
  },
  {
    name: 'seconds a container on Fargate has to stop',
    source: `${ECS}/task_definition_parameters.html#container_definition_timeout`,
    breaches: onFargate(({ ContainerDefinitions = [] }) =>
      ContainerDefinitions.map(({ StopTimeout }) => outside('StopTimeout', StopTimeout, 2, 120)),
    ),
    broken: fargateTask({ ContainerDefinitions: [{ StopTimeout: 900 }] }),
  },
  {
    name: 'zones are balanced only where tasks may be more than wanted for a while',
    source: `${ECS}/service-rebalancing.html`,
    breaches: each<{ AvailabilityZoneRebalancing?: string; DeploymentConfiguration?: { MaximumPercent?: number } }>(
      SERVICE,
      ({ AvailabilityZoneRebalancing, DeploymentConfiguration: { MaximumPercent = 200 } = {} }) => [
        AvailabilityZoneRebalancing === 'ENABLED' && MaximumPercent <= 100 && `at most ${MaximumPercent} %`,
      ],
    ),
    broken: only(SERVICE, {
      AvailabilityZoneRebalancing: 'ENABLED',
      DeploymentConfiguration: { MaximumPercent: 100 },
    }),
  },
  {
    name: 'two subnets and five security groups of a load balancer, and how long it waits',
    source: `${ELB}/application-load-balancers.html`,
    breaches: each<{
      Subnets?: readonly string[];
      SecurityGroups?: readonly string[];
      LoadBalancerAttributes?: Attributes;
    }>(BALANCER, ({ Subnets = [], SecurityGroups, LoadBalancerAttributes }) => [
      new Set(Subnets).size < 2 && `${Subnets.length} subnets`,
      tooMany('security groups', SecurityGroups, 5),
      outside('idle time-out', attributeOf(LoadBalancerAttributes, 'idle_timeout.timeout_seconds'), 1, 4000),
    ]),
    broken: only(BALANCER, { Subnets: ['subnet-1'] }),
  },
  {
    name: 'a listener has a certificate where it speaks TLS, and nowhere else',
    source: `${ELB}/create-https-listener.html`,
    breaches: each<{ Protocol?: string; Certificates?: readonly object[]; SslPolicy?: string }>(
      LISTENER,
      ({ Protocol, Certificates = [], SslPolicy }) => [
        Protocol === 'HTTPS' && Certificates.length !== 1 && `${Certificates.length} certificates`,
        Protocol === 'HTTP' && (Certificates.length > 0 || SslPolicy !== undefined) && 'a certificate for nothing',
      ],
    ),
    broken: only(LISTENER, { Protocol: 'HTTPS' }),
  },
  {
    name: 'times and thresholds of a target group',
    source: `${ELB}/target-group-health-checks.html`,
    breaches: each<Readonly<Record<string, number>> & { TargetGroupAttributes?: Attributes }>(TARGETS, (group) => [
      outside('interval', group.HealthCheckIntervalSeconds, 5, 300),
      outside('time-out', group.HealthCheckTimeoutSeconds, 2, 120),
      (group.HealthCheckTimeoutSeconds ?? 5) >= (group.HealthCheckIntervalSeconds ?? 30) && 'it waits into the next',
      outside('healthy', group.HealthyThresholdCount, 2, 10),
      outside('unhealthy', group.UnhealthyThresholdCount, 2, 10),
    ]),
    broken: only(TARGETS, { HealthCheckIntervalSeconds: 5, HealthCheckTimeoutSeconds: 5 }),
  },
  {
    name: 'how a target group hands out requests and lets targets go',
    source: `${ELB}/edit-target-group-attributes.html`,
    breaches: each<{ TargetGroupAttributes?: Attributes }>(TARGETS, ({ TargetGroupAttributes: given }) => [
      outside('deregistration delay', attributeOf(given, 'deregistration_delay.timeout_seconds'), 0, 3600),
      attributeOf(given, 'load_balancing.algorithm.type') === 'least_outstanding_requests' &&
        Number(attributeOf(given, 'slow_start.duration_seconds') ?? 0) > 0 &&
        'a slow start with least_outstanding_requests',
    ]),
    broken: only(TARGETS, {
      TargetGroupAttributes: [{ Key: 'deregistration_delay.timeout_seconds', Value: '4000' }],
    }),
  },
  {
    name: 'awsvpc tasks are targets by their addresses',
    source: `${ECS}/alb.html`,
    breaches: (template) => {
      const hasFargate = Object.values(template.Resources).some(
        ({ Type, Properties }) => Type === SERVICE && Properties?.LaunchType === 'FARGATE',
      );
      return each<{ TargetType?: string }>(TARGETS, ({ TargetType }) => [
        hasFargate && TargetType !== 'ip' && `targets by ${TargetType ?? 'instance'}`,
      ])(template);
    },
    broken: {
      Resources: {
        Service: { Type: SERVICE, Properties: { LaunchType: 'FARGATE' } },
        Targets: { Type: TARGETS, Properties: {} },
      },
    },
  },
  {
    name: 'least and most of what is scaled',
    source: 'https://docs.aws.amazon.com/autoscaling/application/APIReference/API_RegisterScalableTarget.html',
    breaches: each('AWS::ApplicationAutoScaling::ScalableTarget', ({ MinCapacity, MaxCapacity }) => [
      outside('MinCapacity', MinCapacity, 0, Number(MaxCapacity)),
    ]),
    broken: only('AWS::ApplicationAutoScaling::ScalableTarget', { MinCapacity: 3, MaxCapacity: 2 }),
  },
];
