import { att, ref } from '../cloudformation.js';
import { CONTAINER_PORT } from './task.js';
import { DEREGISTRATION_SECONDS, IDLE_SECONDS } from './times.js';

/** @typedef {import('../options.js').Options} Options */

/** @param {Record<string, string | number | boolean>} values */
const attributes = (values) => Object.entries(values).map(([Key, value]) => ({ Key, Value: String(value) }));

/**
 * TLS as far as here, where there is a certificate. What listens is another resource than without: when a stack gets one,
 * the old listener is there until CloudFront has moved to the new one.
 * @param {Options} options
 */
export const frontOf = ({ containerCertificateArn }) =>
  containerCertificateArn
    ? /** @type {const} */ ({ scheme: 'https', port: 443, listener: 'HttpsListener' })
    : /** @type {const} */ ({ scheme: 'http', port: 80, listener: 'HttpListener' });

/**
 * Who may come in. From CloudFront it is the managed list of its addresses, which no public client can reach this group
 * with: the load balancer has private addresses only, and to them leads nothing but a VPC origin of this account. A list
 * counts as 55 of a group's 60 rules, so one is for both ports, of which one listens.
 * @param {Options} options
 */
const callersOf = ({ edge, cloudFrontPrefixListId, containerCallers }) =>
  edge
    ? [{ SourcePrefixListId: cloudFrontPrefixListId, Description: 'CloudFront' }]
    : containerCallers.map(({ cidr, securityGroupId }) => ({
        ...(cidr === undefined ? { SourceSecurityGroupId: securityGroupId } : { CidrIp: cidr }),
        Description: 'Callers',
      }));

/** @param {Options} options */
const securityGroups = (options) => ({
  LoadBalancerSecurityGroup: {
    Type: 'AWS::EC2::SecurityGroup',
    Properties: {
      GroupDescription: 'Load balancer of the gateway: its callers in, its tasks out',
      VpcId: options.vpcId,
      SecurityGroupIngress: callersOf(options).map((caller) => ({
        IpProtocol: 'tcp',
        FromPort: 80,
        ToPort: 443,
        ...caller,
      })),
      SecurityGroupEgress: [
        {
          IpProtocol: 'tcp',
          FromPort: CONTAINER_PORT,
          ToPort: CONTAINER_PORT,
          DestinationSecurityGroupId: att('FunctionsSecurityGroup', 'GroupId'),
          Description: 'Tasks',
        },
      ],
    },
  },
  ContainerIngress: {
    Type: 'AWS::EC2::SecurityGroupIngress',
    Properties: {
      IpProtocol: 'tcp',
      FromPort: CONTAINER_PORT,
      ToPort: CONTAINER_PORT,
      GroupId: att('FunctionsSecurityGroup', 'GroupId'),
      SourceSecurityGroupId: att('LoadBalancerSecurityGroup', 'GroupId'),
      Description: 'Load balancer',
    },
  },
});

/**
 * A private load balancer in front of the tasks.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html
 * @param {Options} options
 */
export const loadBalancer = (options) => {
  const { vpcId, subnetIds, containerCertificateArn } = options;
  const { scheme, port, listener } = frontOf(options);
  return {
    ...securityGroups(options),
    LoadBalancer: {
      Type: 'AWS::ElasticLoadBalancingV2::LoadBalancer',
      Properties: {
        Type: 'application',
        Scheme: 'internal',
        IpAddressType: 'ipv4',
        Subnets: subnetIds,
        SecurityGroups: [att('LoadBalancerSecurityGroup', 'GroupId')],
        LoadBalancerAttributes: attributes({
          'idle_timeout.timeout_seconds': IDLE_SECONDS,
          // A WebSocket begins as HTTP/1.1, which its clients choose by themselves; all others may share a connection.
          'routing.http2.enabled': true,
          'routing.http.drop_invalid_header_fields.enabled': true,
          'routing.http.desync_mitigation_mode': 'defensive',
        }),
      },
    },
    [listener]: {
      Type: 'AWS::ElasticLoadBalancingV2::Listener',
      Properties: {
        LoadBalancerArn: ref('LoadBalancer'),
        Port: port,
        Protocol: scheme.toUpperCase(),
        ...(containerCertificateArn && {
          Certificates: [{ CertificateArn: containerCertificateArn }],
          SslPolicy: 'ELBSecurityPolicy-TLS13-1-2-2021-06',
        }),
        DefaultActions: [{ Type: 'forward', TargetGroupArn: ref('TargetGroup') }],
      },
    },
    TargetGroup: {
      Type: 'AWS::ElasticLoadBalancingV2::TargetGroup',
      Properties: {
        TargetType: 'ip',
        Protocol: 'HTTP',
        ProtocolVersion: 'HTTP1',
        Port: CONTAINER_PORT,
        VpcId: vpcId,
        HealthCheckPath: '/readyz',
        HealthCheckIntervalSeconds: 10,
        HealthCheckTimeoutSeconds: 5,
        HealthyThresholdCount: 2,
        UnhealthyThresholdCount: 3,
        Matcher: { HttpCode: '200' },
        TargetGroupAttributes: attributes({
          'deregistration_delay.timeout_seconds': DEREGISTRATION_SECONDS,
          // A stream is a request for as long as it lasts: in turns, one task may get all the long ones. It also rules a
          // slow start out, which a process that is ready does not need.
          'load_balancing.algorithm.type': 'least_outstanding_requests',
        }),
      },
    },
  };
};
