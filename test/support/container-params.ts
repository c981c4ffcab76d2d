/** A VPC as operators name it. */
export const vpc = { vpcId: 'vpc-0123456789abcdef0', subnetIds: 'subnet-0aaaaaaaaaaaaaaaa,subnet-0bbbbbbbbbbbbbbbb' };

/** A container in it; what is in front of it and how it gets out is still to be said. */
const taskParams = {
  door: 'container',
  containerImage: '123456789012.dkr.ecr.us-east-1.amazonaws.com/localai-gateway:1',
  ...vpc,
};

/** The least that `door=container` asks for, with a NAT and workers of the team. */
export const containerParams = {
  ...taskParams,
  network: 'own',
  workerTargets: 'sg-0123456789abcdef0:8000,10.0.7.4:8080',
};

const certificate = {
  containerCertificateArn: 'arn:aws:acm:us-east-1:123456789012:certificate/1',
  containerDomain: 'llm.internal.example.org',
};

/** TLS as far as the load balancer. */
export const withCertificate = <T extends object>(params: T) => ({ ...params, ...certificate });

/** For callers in the VPC, without CloudFront. */
export const insideParams = withCertificate({
  ...taskParams,
  ...{ network: 'own', workerTargets: 'sg-0123456789abcdef0:8000,10.0.7.4:8080' },
  ...{ edge: 'off', containerCallers: 'sg-0fedcba9876543210,10.0.0.0/8' },
});

/** With endpoints, GPU workers and uploads. */
export const fullParams = {
  ...taskParams,
  ...{ network: 'endpoints', workers: 'on', clusters: 'llm', uploads: 'on' },
  ...{ s3PrefixListId: 'pl-63a5400a', routeTableIds: 'rtb-0123456789abcdef0' },
};
