import { att, idOf, ref, sub } from './cloudformation.js';

/** @typedef {import('./options.js').Options} Options */

/**
 * @typedef {{ port: number, cidr?: string, securityGroupId?: string | object, ingressId?: string }} Way to workers;
 *   `ingressId`: the logical id of the rule that lets the functions into a security group
 */

/** Where workers are: those of this stack, and the team's own. @param {Options} options @returns {Way[]} */
const waysToWorkers = ({ workers, workerPort, workerTargets }) => [
  ...(workers
    ? [{ port: workerPort, securityGroupId: att('WorkersSecurityGroup', 'GroupId'), ingressId: 'WorkersIngress' }]
    : []),
  ...workerTargets.map((target) => ({
    ...target,
    // Named by what it is, so that a longer list makes no other rule anew.
    ...(target.securityGroupId && { ingressId: `Sg${target.securityGroupId.slice(3)}Port${target.port}Ingress` }),
  })),
];

/** @param {Way} way */
const workerEgress = ({ port, cidr, securityGroupId }) => ({
  IpProtocol: 'tcp',
  FromPort: port,
  ToPort: port,
  ...(cidr === undefined ? { DestinationSecurityGroupId: securityGroupId } : { CidrIp: cidr }),
  Description: 'Workers',
});

/** @param {Way} way */
const workerIngress = ({ port, securityGroupId, ingressId }) =>
  ingressId === undefined
    ? {}
    : {
        [ingressId]: {
          Type: 'AWS::EC2::SecurityGroupIngress',
          Properties: {
            IpProtocol: 'tcp',
            FromPort: port,
            ToPort: port,
            GroupId: securityGroupId,
            SourceSecurityGroupId: att('FunctionsSecurityGroup', 'GroupId'),
            Description: 'Gateway functions',
          },
        },
      };

/** The way to SSM and ECS. @param {Options} options */
const awsEgress = ({ network, endpointSecurityGroupId }) => {
  const https = { IpProtocol: 'tcp', FromPort: 443, ToPort: 443 };
  if (network === 'endpoints') {
    return { ...https, DestinationSecurityGroupId: att('EndpointsSecurityGroup', 'GroupId'), Description: 'SSM, ECS' };
  }
  return endpointSecurityGroupId
    ? { ...https, DestinationSecurityGroupId: endpointSecurityGroupId, Description: 'SSM, ECS' }
    : { ...https, CidrIp: '0.0.0.0/0', Description: 'SSM, ECS through your NAT' };
};

/** S3's addresses, where uploads need them and nothing wider is open. @param {Options} options */
const s3Egress = ({ uploads, s3PrefixListId }) =>
  uploads && s3PrefixListId
    ? [{ IpProtocol: 'tcp', FromPort: 443, ToPort: 443, DestinationPrefixListId: s3PrefixListId, Description: 'S3' }]
    : [];

/** Interface endpoints by the name of their AWS SDK variable. @param {Options} options */
const endpointServices = ({ network, clusters }) =>
  network === 'endpoints' ? ['ssm', ...(clusters.length > 0 ? ['ecs'] : [])] : [];

/** @param {string} service @param {Options} options */
const endpoint = (service, { vpcId, subnetIds }) => ({
  Type: 'AWS::EC2::VPCEndpoint',
  Properties: {
    VpcEndpointType: 'Interface',
    ServiceName: sub(`com.amazonaws.\${AWS::Region}.${service}`),
    VpcId: vpcId,
    SubnetIds: subnetIds,
    SecurityGroupIds: [att('EndpointsSecurityGroup', 'GroupId')],
    // Private DNS would send the whole VPC's calls here; the functions are given the endpoint's own name instead.
    PrivateDnsEnabled: false,
  },
});

/** @param {Options} options */
const endpoints = (options) => ({
  EndpointsSecurityGroup: {
    Type: 'AWS::EC2::SecurityGroup',
    Properties: { GroupDescription: 'Interface endpoints of SSM and ECS', VpcId: options.vpcId },
  },
  EndpointsIngress: {
    Type: 'AWS::EC2::SecurityGroupIngress',
    Properties: {
      GroupId: att('EndpointsSecurityGroup', 'GroupId'),
      SourceSecurityGroupId: att('FunctionsSecurityGroup', 'GroupId'),
      IpProtocol: 'tcp',
      FromPort: 443,
      ToPort: 443,
    },
  },
  ...Object.fromEntries(
    endpointServices(options).map((service) => [idOf(service, 'Endpoint'), endpoint(service, options)]),
  ),
});

/**
 * The functions' place in the team's VPC. They may open connections to the workers' security groups and addresses, on
 * their ports, and to AWS's endpoints, and nowhere else: an address that ECS has given to another service meanwhile is
 * out of reach.
 * @param {Options} options
 * @returns {import('./cloudformation.js').Piece}
 */
export const network = (options) => {
  if (options.network === 'none') return {};
  const ways = waysToWorkers(options);
  return {
    Resources: {
      FunctionsSecurityGroup: {
        Type: 'AWS::EC2::SecurityGroup',
        Properties: {
          GroupDescription: 'Gateway functions: to the workers and to AWS, nothing else',
          VpcId: options.vpcId,
          SecurityGroupEgress: [...ways.map(workerEgress), awsEgress(options), ...s3Egress(options)],
        },
      },
      ...Object.assign({}, ...ways.map(workerIngress)),
      ...(options.network === 'endpoints' && endpoints(options)),
    },
    Outputs: {
      FunctionsSecurityGroupId: {
        Description: 'Who must be let in by workers that are known by their address',
        Value: att('FunctionsSecurityGroup', 'GroupId'),
      },
    },
  };
};

/** The `vpc` of a function. @param {Options} options */
export const vpcOf = ({ network: mode, subnetIds }) =>
  mode === 'none' ? undefined : { securityGroupIds: [ref('FunctionsSecurityGroup')], subnetIds };

/** `AWS_ENDPOINT_URL_SSM` and `_ECS`, where this stack has endpoints for them. @param {Options} options */
export const endpointUrls = (options) =>
  Object.fromEntries(
    endpointServices(options).map((service) => {
      // An entry is `<hosted zone>:<name>`, the first one regional.
      const name = {
        'Fn::Select': [1, { 'Fn::Split': [':', { 'Fn::Select': [0, att(idOf(service, 'Endpoint'), 'DnsEntries')] }] }],
      };
      return [service, { 'Fn::Join': ['', ['https://', name]] }];
    }),
  );
