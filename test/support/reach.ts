import { isIPv4 } from 'node:net';
import type { Template } from './osls.ts';
import { resolved } from './rules/rule.ts';

interface Rule {
  readonly FromPort: number;
  readonly ToPort: number;
  readonly IpProtocol: string;
  readonly CidrIp?: string;
  readonly DestinationSecurityGroupId?: string;
  readonly DestinationPrefixListId?: string;
  readonly SourceSecurityGroupId?: string;
  readonly GroupId?: string;
}

/** Where a connection goes: a security group (its id, or this stack's logical one), an address, or a prefix list. */
export interface Destination {
  readonly securityGroup?: string;
  readonly address?: string;
  readonly prefixList?: string;
  readonly port: number;
}

const number = (address: string) => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const contains = (cidr: string, address: string) => {
  const [network = '', bits = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(bits));
  return isIPv4(address) && Math.floor(number(address) / size) === Math.floor(number(network) / size);
};
/** A group of this stack is known by its logical id, whatever attribute of it is meant. */
const isGroup = (id: string | undefined, wanted: string) => id === wanted || id?.includes(`:${wanted}-ABC`) === true;

const rulesOf = (template: Template, type: string): Rule[] =>
  Object.values(template.Resources)
    .filter(({ Type }) => Type === type)
    .map(({ Properties }) => resolved(Properties) as Rule);

/** Whether the functions` security group lets a connection out. Outside of a VPC everything public is reached. */
export const letsOut = (template: Template, to: Destination): boolean => {
  const group = template.Resources.FunctionsSecurityGroup;
  if (!group) return to.address !== undefined && !/^(10|192\.168|172\.(1[6-9]|2\d|3[01]))\./.test(to.address);
  const { SecurityGroupEgress } = resolved(group.Properties) as { SecurityGroupEgress: Rule[] };
  return SecurityGroupEgress.some(
    (rule) =>
      rule.IpProtocol === 'tcp' &&
      rule.FromPort <= to.port &&
      to.port <= rule.ToPort &&
      ((to.securityGroup !== undefined && isGroup(rule.DestinationSecurityGroupId, to.securityGroup)) ||
        (to.prefixList !== undefined && rule.DestinationPrefixListId === to.prefixList) ||
        (rule.CidrIp !== undefined &&
          contains(rule.CidrIp, to.address ?? '203.0.113.1') &&
          (to.address ?? to.prefixList) !== undefined)),
  );
};

/** Whether a security group lets the functions in, by a rule of this stack. */
export const letsIn = (template: Template, securityGroup: string, port: number): boolean =>
  rulesOf(template, 'AWS::EC2::SecurityGroupIngress').some(
    (rule) =>
      isGroup(rule.GroupId, securityGroup) &&
      isGroup(rule.SourceSecurityGroupId, 'FunctionsSecurityGroup') &&
      rule.FromPort <= port &&
      port <= rule.ToPort,
  );

interface Endpoint {
  readonly PrivateDnsEnabled?: boolean;
  readonly SecurityGroupIds?: readonly string[];
}

/** What Fargate itself calls by public names, for a task with an image of ECR and a log. */
const waysOfFargate = (template: Template): string[] => {
  const isOurs = (name: string) =>
    rulesOf(template, 'AWS::EC2::VPCEndpoint').some((endpoint) => {
      const { ServiceName, PrivateDnsEnabled, SecurityGroupIds = [] } = endpoint as Endpoint & { ServiceName?: string };
      const [group = ''] = SecurityGroupIds;
      const id = /:(\w+)-ABC/.exec(group)?.[1] ?? '';
      return (
        ServiceName?.endsWith(`.${name}`) === true &&
        PrivateDnsEnabled === true &&
        letsOut(template, { securityGroup: id, port: 443 })
      );
    });
  return ['ecr.api', 'ecr.dkr', 'logs'].filter((name) => !isOurs(name)).map((name) => `no way to ${name}`);
};

/**
 * @returns the AWS APIs that are called and have no way to them: SSM, ECS where there are clusters, S3 with uploads, and
 *   what a container's image and log take.
 */
export const missingWays = (template: Template): string[] => {
  if (!template.Resources.FunctionsSecurityGroup) return [];
  const text = JSON.stringify(template);
  const ways: [api: string, isCalled: boolean][] = [
    ['Ssm', true],
    ['Ecs', text.includes('ecs:ListTasks')],
  ];
  const { SecurityGroupEgress } = resolved(template.Resources.FunctionsSecurityGroup.Properties) as {
    SecurityGroupEgress: Rule[];
  };
  const https = SecurityGroupEgress.filter(({ FromPort, ToPort }) => FromPort <= 443 && 443 <= ToPort);
  const isOpen = https.some(({ CidrIp }) => CidrIp === '0.0.0.0/0');
  // A group that is not this stack's is that of the team's own endpoints.
  const hasTeams = https.some(({ DestinationSecurityGroupId: id = '' }) => id.startsWith('sg-'));
  const missing = ways
    .filter(([api, isCalled]) => {
      const own = template.Resources[`${api}Endpoint`];
      const isReached =
        own !== undefined &&
        letsOut(template, { securityGroup: 'EndpointsSecurityGroup', port: 443 }) &&
        letsIn(template, 'EndpointsSecurityGroup', 443) &&
        // Without private DNS the functions must be told its name.
        (!text.includes('"AWS::Lambda::Function"') || text.includes(`"${api}Endpoint","DnsEntries"`));
      return isCalled && !isReached && !isOpen && !hasTeams;
    })
    .map(([api]) => `no way to ${api}`);
  const isFargate = 'ContainerService' in template.Resources;
  const fargate = isFargate && !isOpen && !hasTeams ? waysOfFargate(template) : [];
  const needsS3 = 'UploadBucket' in template.Resources || isFargate;
  const hasS3 = isOpen || https.some(({ DestinationPrefixListId }) => DestinationPrefixListId?.startsWith('pl-'));
  return [...missing, ...fargate, ...(needsS3 && !hasS3 ? ['no way to S3'] : [])];
};
