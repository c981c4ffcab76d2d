import { att, idOf, sub } from './cloudformation.js';

/** @typedef {import('./options.js').Options} Options */

/** Uploads lie in S3, and so do the layers of ECR's images. @param {Pick<Options, 'uploads' | 'door'>} options */
export const usesS3 = ({ uploads, door }) => uploads || door === 'container';

/** What the gateway's and the registrar's own code calls, by the name of its AWS SDK variable. @param {Options} options */
const calledServices = ({ network, clusters }) =>
  network === 'endpoints' ? ['ssm', ...(clusters.length > 0 ? ['ecs'] : [])] : [];

/** What Fargate calls to start a task and to keep its log; nobody can tell it another name than the public one. @param {Options} options */
const fargateServices = ({ network, door }) =>
  network === 'endpoints' && door === 'container' ? ['ecr.api', 'ecr.dkr', 'logs'] : [];

/** `ecr.api` -> `EcrApiEndpoint`. @param {string} service */
const endpointId = (service) =>
  idOf(
    service.replace(/\.(\w)/, (_, letter) => letter.toUpperCase()),
    'Endpoint',
  );

/** @param {string} service @param {Options} options @param {boolean} isPublicName whether the service's public name leads here */
const endpoint = (service, { vpcId, subnetIds }, isPublicName) => ({
  [endpointId(service)]: {
    Type: 'AWS::EC2::VPCEndpoint',
    Properties: {
      VpcEndpointType: 'Interface',
      ServiceName: sub(`com.amazonaws.\${AWS::Region}.${service}`),
      VpcId: vpcId,
      SubnetIds: subnetIds,
      SecurityGroupIds: [att(isPublicName ? 'FargateEndpointsSecurityGroup' : 'EndpointsSecurityGroup', 'GroupId')],
      // Private DNS sends the whole VPC's calls here; the functions are given the endpoint's own name instead.
      PrivateDnsEnabled: isPublicName,
    },
  },
});

/** Addresses of private networks (RFC 1918, RFC 6598): an endpoint has no others to be called from. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10'];

const https = { IpProtocol: 'tcp', FromPort: 443, ToPort: 443 };

/** Interface endpoints for what Fargate calls. @param {Options} options */
const fargateEndpoints = (options) => {
  const services = fargateServices(options);
  if (services.length === 0) return {};
  return {
    FargateEndpointsSecurityGroup: {
      Type: 'AWS::EC2::SecurityGroup',
      Properties: {
        GroupDescription: 'Interface endpoints of ECR and CloudWatch Logs',
        VpcId: options.vpcId,
        // Their names lead here from everywhere in the VPC: whoever was not let in would lose ECR and its log.
        SecurityGroupIngress: PRIVATE.map((CidrIp) => ({ ...https, CidrIp, Description: 'Whoever is in the VPC' })),
      },
    },
    ...Object.assign({}, ...services.map((service) => endpoint(service, options, true))),
  };
};

/** One endpoint of S3, of which a route table takes no second. @param {Options} options */
const s3Endpoint = (options) =>
  usesS3(options) && options.s3Endpoint === 'stack'
    ? {
        S3Endpoint: {
          Type: 'AWS::EC2::VPCEndpoint',
          Properties: {
            VpcEndpointType: 'Gateway',
            ServiceName: sub(`com.amazonaws.\${AWS::Region}.s3`),
            VpcId: options.vpcId,
            RouteTableIds: options.routeTableIds,
          },
        },
      }
    : {};

/** The stack's own endpoints of AWS's services. @param {Options} options */
export const endpoints = (options) =>
  options.network === 'endpoints'
    ? {
        EndpointsSecurityGroup: {
          Type: 'AWS::EC2::SecurityGroup',
          Properties: { GroupDescription: 'Interface endpoints of SSM and ECS', VpcId: options.vpcId },
        },
        EndpointsIngress: {
          Type: 'AWS::EC2::SecurityGroupIngress',
          Properties: {
            ...https,
            GroupId: att('EndpointsSecurityGroup', 'GroupId'),
            SourceSecurityGroupId: att('FunctionsSecurityGroup', 'GroupId'),
          },
        },
        ...Object.assign({}, ...calledServices(options).map((service) => endpoint(service, options, false))),
        ...fargateEndpoints(options),
        ...s3Endpoint(options),
      }
    : {};

/** What a connection to AWS's services may go to. @param {Options} options */
export const awsEgress = (options) => {
  const { network, endpointSecurityGroupId, s3PrefixListId } = options;
  const groups =
    network === 'endpoints'
      ? [
          { group: att('EndpointsSecurityGroup', 'GroupId'), about: 'SSM, ECS' },
          ...(fargateServices(options).length > 0
            ? [{ group: att('FargateEndpointsSecurityGroup', 'GroupId'), about: 'ECR, logs' }]
            : []),
        ]
      : [{ group: endpointSecurityGroupId, about: 'SSM, ECS' }].filter(({ group }) => group);
  return [
    ...groups.map(({ group, about }) => ({ ...https, DestinationSecurityGroupId: group, Description: about })),
    ...(groups.length > 0 ? [] : [{ ...https, CidrIp: '0.0.0.0/0', Description: 'SSM, ECS through your NAT' }]),
    ...(usesS3(options) && s3PrefixListId
      ? [{ ...https, DestinationPrefixListId: s3PrefixListId, Description: 'S3' }]
      : []),
  ];
};

/** Logical ids of what must be there before Fargate can start a task. @param {Options} options */
export const waysOfFargate = (options) => [
  ...fargateServices(options).map(endpointId),
  ...(options.network === 'endpoints' ? ['EndpointsIngress', ...Object.keys(s3Endpoint(options))] : []),
];

/** `AWS_ENDPOINT_URL_SSM` and `_ECS`, where this stack has endpoints for them. @param {Options} options */
export const endpointUrls = (options) =>
  Object.fromEntries(
    calledServices(options).map((service) => {
      // An entry is `<hosted zone>:<name>`, the first one regional.
      const name = {
        'Fn::Select': [1, { 'Fn::Split': [':', { 'Fn::Select': [0, att(endpointId(service), 'DnsEntries')] }] }],
      };
      return [service, { 'Fn::Join': ['', ['https://', name]] }];
    }),
  );
