import { att, ref } from '../cloudformation.js';
import { frontOf } from './load-balancer.js';

/** @typedef {import('../options.js').Options} Options */

/**
 * One is not changed while a distribution uses it (409), so a stack that gets a certificate gets another one.
 * @param {Options} options
 */
const idOf = (options) => (frontOf(options).scheme === 'https' ? 'HttpsVpcOrigin' : 'HttpVpcOrigin');

/**
 * CloudFront's way into the VPC, to a load balancer that has no public address. WebSockets pass through it.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-vpc-origins.html
 * @param {Options} options
 */
export const vpcOrigin = (options) => {
  const { scheme, listener } = frontOf(options);
  return {
    [idOf(options)]: {
      Type: 'AWS::CloudFront::VpcOrigin',
      // It wants one that is at work.
      DependsOn: [listener],
      Properties: {
        VpcOriginEndpointConfig: {
          Name: `${options.name}-${scheme}`,
          Arn: ref('LoadBalancer'),
          HTTPPort: 80,
          HTTPSPort: 443,
          OriginProtocolPolicy: `${scheme}-only`,
          OriginSSLProtocols: ['TLSv1.2'],
        },
      },
    },
  };
};

/**
 * Where CloudFront finds the container. The domain leads nowhere, since the VPC origin does: it is the `Host` of requests
 * and the name that a certificate is checked for.
 * @param {Options} options @param {{ OriginReadTimeout: number, OriginKeepaliveTimeout: number }} times
 */
export const containerOrigin = (options, times) => ({
  domain: options.containerDomain || att('LoadBalancer', 'DNSName'),
  config: { VpcOriginConfig: { VpcOriginId: att(idOf(options), 'Id'), ...times } },
});
