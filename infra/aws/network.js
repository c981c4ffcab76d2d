import { att, ref } from './cloudformation.js';
import { awsEgress, endpoints } from './endpoints.js';

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

/**
 * The functions' place in the team's VPC, and that of the container's tasks: a door that is changed leaves the group, and
 * with it what workers let in, as they are. They may open connections to the workers' security groups and addresses, on
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
          SecurityGroupEgress: [...ways.map(workerEgress), ...awsEgress(options)],
        },
      },
      ...Object.assign({}, ...ways.map(workerIngress)),
      ...endpoints(options),
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
