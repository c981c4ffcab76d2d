import { each, ill, only, outside, type Rule, tooMany } from './rule.ts';

const ECS = 'https://docs.aws.amazon.com/AmazonECS/latest/APIReference';
const EC2 = 'https://docs.aws.amazon.com/AWSEC2/latest/APIReference';
const GROUP = 'AWS::EC2::SecurityGroup';
const TASK = 'AWS::ECS::TaskDefinition';
const NAME = /^[\w-]+$/;

interface Group {
  readonly GroupName?: string;
  readonly GroupDescription?: string;
  readonly SecurityGroupEgress?: readonly GroupRule[];
  readonly SecurityGroupIngress?: readonly GroupRule[];
}
interface GroupRule {
  readonly Description?: string;
  readonly SourcePrefixListId?: string;
  readonly DestinationPrefixListId?: string;
}
/** A list of addresses counts as many rules as AWS says: CloudFront's, which alone come in, 55, and S3's one. */
const weightOf = ({ SourcePrefixListId }: GroupRule) => (SourcePrefixListId === undefined ? 1 : 55);
interface Task {
  readonly Family?: string;
  readonly ContainerDefinitions?: readonly {
    readonly Name?: string;
    readonly HealthCheck?: Readonly<Record<'Interval' | 'Timeout' | 'Retries' | 'StartPeriod', number | undefined>>;
  }[];
}
/** What a description of a group or a rule may be written with. */
const PROSE = /^[\w .:/()#,@[\]+=&;{}!$*-]*$/;

export const computeRules: readonly Rule[] = [
  {
    name: 'letters of a security group`s description, and of its rules`',
    source: `${EC2}/API_CreateSecurityGroup.html`,
    breaches: each<Group>(
      GROUP,
      ({ GroupName, GroupDescription, SecurityGroupEgress = [], SecurityGroupIngress = [] }) => [
        ill('name', GroupName, 255, PROSE),
        ill('description', GroupDescription, 255, PROSE),
        ...[...SecurityGroupEgress, ...SecurityGroupIngress].map(({ Description }) =>
          ill('description', Description, 255, PROSE),
        ),
      ],
    ),
    broken: only(GROUP, { GroupDescription: "the gateway's" }),
  },
  {
    name: 'the same of a rule that stands alone',
    source: `${EC2}/API_IpRange.html`,
    breaches: each('AWS::EC2::SecurityGroupIngress', ({ Description }) => [
      ill('description', Description, 255, PROSE),
    ]),
    broken: only('AWS::EC2::SecurityGroupIngress', { Description: 'who?' }),
  },
  {
    name: '60 rules a security group and direction, with the weight of lists, none of them twice',
    source: 'https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups',
    breaches: each<Group>(GROUP, ({ SecurityGroupEgress = [], SecurityGroupIngress = [] }) =>
      [SecurityGroupEgress, SecurityGroupIngress].flatMap((rules) => [
        outside(
          'rules',
          rules.reduce((sum, rule) => sum + weightOf(rule), 0),
          0,
          60,
        ),
        new Set(rules.map((rule) => JSON.stringify({ ...rule, Description: '' }))).size < rules.length &&
          'a rule twice',
      ]),
    ),
    broken: only(GROUP, { SecurityGroupEgress: [{ CidrIp: '10.0.0.0/8' }, { CidrIp: '10.0.0.0/8' }] }),
  },
  {
    name: '16 KB of user data',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html',
    breaches: ({ Resources }) =>
      Object.entries(Resources).flatMap(([id, { Properties = {} }]) => {
        const { LaunchTemplateData } = Properties as { LaunchTemplateData?: { UserData?: { 'Fn::Base64'?: string } } };
        return (LaunchTemplateData?.UserData?.['Fn::Base64']?.length ?? 0) > 16_384 ? [`${id}: user data`] : [];
      }),
    broken: only('AWS::EC2::LaunchTemplate', {
      LaunchTemplateData: { UserData: { 'Fn::Base64': 'x'.repeat(16_385) } },
    }),
  },
  {
    name: 'names of clusters, services and task families',
    source: `${ECS}/API_CreateService.html`,
    breaches: (template) => [
      ...each('AWS::ECS::Cluster', ({ ClusterName }) => [ill('cluster', ClusterName, 255, NAME)])(template),
      ...each('AWS::ECS::Service', ({ ServiceName }) => [ill('service', ServiceName, 255, NAME)])(template),
      ...each<Task>(TASK, ({ Family }) => [ill('family', Family, 255, NAME)])(template),
    ],
    broken: only('AWS::ECS::Service', { ServiceName: 'local.ai' }),
  },
  {
    name: 'a capacity provider`s name, which begins with no name of AWS',
    source: `${ECS}/API_CreateCapacityProvider.html`,
    breaches: each('AWS::ECS::CapacityProvider', ({ Name }) => [
      ill('name', Name, 255, NAME),
      /^(aws|ecs|fargate)/i.test(String(Name ?? '')) && `${Name}`,
    ]),
    broken: only('AWS::ECS::CapacityProvider', { Name: 'ecs-gpu' }),
  },
  {
    name: '10 containers and 64 KB a task definition',
    source: 'https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html',
    breaches: each<Task>(TASK, (task) => [
      tooMany('containers', task.ContainerDefinitions, 10),
      outside('bytes', Buffer.byteLength(JSON.stringify(task)), 0, 65_536),
    ]),
    broken: only(TASK, { ContainerDefinitions: Array.from({ length: 11 }, () => ({})) }),
  },
  {
    name: 'times of container health checks',
    source: `${ECS}/API_HealthCheck.html`,
    breaches: each<Task>(TASK, ({ ContainerDefinitions = [] }) =>
      ContainerDefinitions.flatMap(({ Name, HealthCheck }) => [
        ill('container', Name, 255, NAME),
        outside('Interval', HealthCheck?.Interval, 5, 300),
        outside('Timeout', HealthCheck?.Timeout, 2, 60),
        outside('Retries', HealthCheck?.Retries, 1, 10),
        outside('StartPeriod', HealthCheck?.StartPeriod, 0, 300),
      ]),
    ),
    broken: only(TASK, { ContainerDefinitions: [{ HealthCheck: { StartPeriod: 301 } }] }),
  },
  {
    name: 'one subnet an interface endpoint is named once',
    source: 'https://docs.aws.amazon.com/vpc/latest/privatelink/create-interface-endpoint.html',
    breaches: each<{ SubnetIds?: readonly string[] }>('AWS::EC2::VPCEndpoint', ({ SubnetIds = [] }) => [
      new Set(SubnetIds).size < SubnetIds.length && 'a subnet twice',
    ]),
    broken: only('AWS::EC2::VPCEndpoint', { SubnetIds: ['subnet-1', 'subnet-1'] }),
  },
];
