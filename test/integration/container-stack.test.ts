import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { IDLE_SECONDS } from '../../infra/aws/container/times.js';
import { containerParams, fullParams, insideParams, withCertificate } from '../support/container-params.ts';
import { resourceText, statementsOf } from '../support/iam.ts';
import { packageTemplates, type Template } from '../support/osls.ts';
import { resourcesOf } from '../support/stack-resources.ts';

/** `door=container`: what is in the template, and that its parts agree with each other and with the process. */
const everything = { ...fullParams, corsOrigins: 'https://chat.example.org' };

let template: Template;
let functions: Template;
beforeAll(async () => {
  const templates = await packageTemplates([
    ['container', everything],
    ['functions', { uploads: 'on', corsOrigins: everything.corsOrigins }],
  ]);
  template = templates.get('container') as Template;
  functions = templates.get('functions') as Template;
}, 120_000);

const properties = ({ Resources }: Template, id: string) =>
  (Resources[id]?.Properties ?? {}) as Record<string, never> & { [name: string]: unknown };
const attributes = (of: Template, id: string, name: string) =>
  Object.fromEntries(
    (properties(of, id)[name] as unknown as { Key: string; Value: string }[]).map(({ Key, Value }) => [Key, Value]),
  );
interface ContainerDefinition {
  readonly Name: string;
  readonly Environment: readonly { readonly Name: string; readonly Value: unknown }[];
  readonly HealthCheck: { readonly Command: readonly string[] };
  readonly StopTimeout: number;
}
const containerOf = (of: Template): ContainerDefinition => {
  const [only] = properties(of, 'ContainerTaskDefinition').ContainerDefinitions as unknown as ContainerDefinition[];
  if (!only) throw new Error('no container');
  return only;
};
const variables = (of: Template): Record<string, unknown> =>
  Object.fromEntries(containerOf(of).Environment.map(({ Name, Value }) => [Name, Value]));
const idsOf = ({ Resources }: Template, type: string) =>
  Object.entries(Resources).flatMap(([id, { Type }]) => (Type === type ? [id] : []));

test('of the functions only the registrar is left, with its role and its log', () => {
  expect(idsOf(template, 'AWS::Lambda::Function')).toEqual(['RegistrarLambdaFunction']);
  expect(idsOf(template, 'AWS::Lambda::Url')).toEqual([]);
  expect(idsOf(template, 'AWS::Logs::LogGroup')).toEqual(['RegistrarLogGroup', 'WorkersLogGroup', 'ContainerLogGroup']);
  const lambdaRoles = idsOf(template, 'AWS::IAM::Role').filter((id) => !/^(Workers|Container)/.test(id));
  expect(lambdaRoles).toEqual(['RegistrarRole']);
});

describe('a task', () => {
  test('has the environment of a function, and what only a process has', () => {
    const { Environment } = properties(functions, 'AudioLambdaFunction') as never as {
      Environment: { Variables: Record<string, unknown> };
    };
    expect(variables(template)).toEqual({
      ...Environment.Variables,
      AWS_ENDPOINT_URL_SSM: expect.objectContaining({ 'Fn::Join': expect.anything() }),
      ...{ AWS_REGION: { Ref: 'AWS::Region' }, HOST: '0.0.0.0', PORT: '8080', GATEWAY_DRAIN_SECONDS: '110' },
    });
  });

  test('is nobody in particular, writes nothing, and is checked as its image says', () => {
    expect(containerOf(template)).toMatchObject({
      User: 'node',
      ReadonlyRootFilesystem: true,
      LinuxParameters: { Capabilities: { Drop: ['ALL'] } },
      LogConfiguration: { LogDriver: 'awslogs', Options: { mode: 'non-blocking' } },
    });
    expect(containerOf(template)).not.toHaveProperty('Command');
    const dockerfile = readFileSync(new URL('../../infra/container/Dockerfile', import.meta.url), 'utf8');
    const [, check = ''] = /^HEALTHCHECK .*CMD (\[.*\])$/m.exec(dockerfile) ?? [];
    expect(containerOf(template).HealthCheck.Command).toEqual(['CMD', ...JSON.parse(check)]);
  });

  test('is one of two at least, replaced before it goes, in zones that stay even', () => {
    const service = properties(template, 'ContainerService');
    expect(service).toMatchObject({
      LaunchType: 'FARGATE',
      DesiredCount: 2,
      AvailabilityZoneRebalancing: 'ENABLED',
      DeploymentConfiguration: {
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
      NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: 'DISABLED' } },
    });
    expect(properties(template, 'ContainerScaling')).toMatchObject({ MinCapacity: 2, MaxCapacity: 10 });
    const metrics = ['ContainerCpuScaling', 'ContainerMemoryScaling'].map((id) =>
      JSON.stringify(properties(template, id)),
    );
    expect(metrics.join()).toMatch(/CPUUtilization.*MemoryUtilization/);
  });

  test('starts when the registrar runs and everything it calls can be reached', () => {
    expect(template.Resources.ContainerService?.DependsOn).toEqual(
      expect.arrayContaining(['HttpListener', 'ContainerIngress', 'RegistrarEventsRuleSchedule1']),
    );
    const endpoints = idsOf(template, 'AWS::EC2::VPCEndpoint');
    expect(endpoints).toEqual([
      ...['SsmEndpoint', 'EcsEndpoint', 'EcrApiEndpoint', 'EcrDkrEndpoint', 'LogsEndpoint', 'S3Endpoint'],
    ]);
    for (const id of endpoints.slice(2)) expect(template.Resources.ContainerService?.DependsOn).toContain(id);
    // Nobody can tell Fargate another name.
    for (const id of endpoints.slice(2, 5)) expect(properties(template, id)).toHaveProperty('PrivateDnsEnabled', true);
    for (const id of endpoints.slice(0, 2)) expect(properties(template, id)).toHaveProperty('PrivateDnsEnabled', false);
  });
});

describe('how one ends', () => {
  const source = readFileSync(new URL('../../lib/server/server.ts', import.meta.url), 'utf8');

  test('the load balancer lets it drain, then it drains by itself, then it is killed', () => {
    expect(attributes(template, 'TargetGroup', 'TargetGroupAttributes')).toMatchObject({
      'deregistration_delay.timeout_seconds': '900',
    });
    const drain = Number(variables(template).GATEWAY_DRAIN_SECONDS);
    // What is cut at the end is told so, which takes a moment as well.
    expect(containerOf(template).StopTimeout).toBeGreaterThanOrEqual(drain + 5);
  });

  test('the process keeps a silent connection longer than the load balancer', () => {
    const [, keepAlive = ''] = /const KEEP_ALIVE_MS = ([\d_]+);/.exec(source) ?? [];
    expect(source).toContain('keepAliveTimeout: KEEP_ALIVE_MS');
    expect(attributes(template, 'LoadBalancer', 'LoadBalancerAttributes')).toMatchObject({
      'idle_timeout.timeout_seconds': String(IDLE_SECONDS),
    });
    expect(Number(keepAlive.replaceAll('_', ''))).toBeGreaterThan(IDLE_SECONDS * 1000);
  });

  test('streams are spread by how many are under way', () => {
    expect(attributes(template, 'TargetGroup', 'TargetGroupAttributes')).toMatchObject({
      'load_balancing.algorithm.type': 'least_outstanding_requests',
    });
    expect(properties(template, 'TargetGroup')).toHaveProperty('HealthCheckPath', '/readyz');
  });
});

describe('who gets in', () => {
  const ingress = (of: Template, id: string) => properties(of, id).SecurityGroupIngress;

  test('CloudFront through a VPC origin, with the secret; nobody else into the load balancer', () => {
    expect(properties(template, 'LoadBalancer')).toHaveProperty('Scheme', 'internal');
    expect(ingress(template, 'LoadBalancerSecurityGroup')).toEqual([
      { IpProtocol: 'tcp', FromPort: 80, ToPort: 443, SourcePrefixListId: 'pl-3b927c52', Description: 'CloudFront' },
    ]);
    const { DistributionConfig } = properties(template, 'Distribution') as never as {
      DistributionConfig: { Origins: object[]; CacheBehaviors: object[] };
    };
    expect(DistributionConfig.CacheBehaviors).toEqual([]);
    expect(DistributionConfig.Origins).toEqual([
      expect.objectContaining({
        VpcOriginConfig: expect.objectContaining({ VpcOriginId: { 'Fn::GetAtt': ['HttpVpcOrigin', 'Id'] } }),
        OriginCustomHeaders: [{ HeaderName: 'x-origin-secret', HeaderValue: variables(template).GATEWAY_EDGE_SECRET }],
      }),
    ]);
    // Requests move when tasks are ready for them.
    expect(template.Resources.Distribution?.DependsOn).toEqual(['ContainerService']);
  });

  test('the load balancer alone into the tasks, and the tasks into workers and endpoints', () => {
    const rules = idsOf(template, 'AWS::EC2::SecurityGroupIngress').map((id) => properties(template, id));
    const group = (id: string) => ({ 'Fn::GetAtt': [id, 'GroupId'] });
    expect(rules.map(({ GroupId, SourceSecurityGroupId }) => [GroupId, SourceSecurityGroupId])).toEqual([
      [group('WorkersSecurityGroup'), group('FunctionsSecurityGroup')],
      [group('EndpointsSecurityGroup'), group('FunctionsSecurityGroup')],
      [group('FunctionsSecurityGroup'), group('LoadBalancerSecurityGroup')],
    ]);
    // Names that lead here from all of the VPC are answered to all of it.
    expect(ingress(template, 'FargateEndpointsSecurityGroup')).toHaveLength(4);
  });

  test('with a certificate: TLS, the name it is for, and listener and VPC origin of its own, beside which the old ones stay until CloudFront has moved', async () => {
    const secured = await resourcesOf(withCertificate(everything));
    expect(properties(secured, 'HttpsListener')).toMatchObject({
      Protocol: 'HTTPS',
      Port: 443,
      Certificates: [{ CertificateArn: expect.stringContaining(':certificate/') }],
    });
    // One change after another would be a while without a door.
    for (const id of ['LoadBalancer', 'LoadBalancerSecurityGroup', 'TargetGroup']) {
      expect(properties(secured, id)).toEqual(properties(template, id));
    }
    expect(secured.Resources).not.toHaveProperty('HttpListener');
    expect(idsOf(secured, 'AWS::CloudFront::VpcOrigin')).toEqual(['HttpsVpcOrigin']);
    expect(properties(secured, 'HttpsVpcOrigin')).toHaveProperty(
      'VpcOriginEndpointConfig.OriginProtocolPolicy',
      'https-only',
    );
    expect(JSON.stringify(properties(secured, 'Distribution'))).toContain('"DomainName":"llm.internal.example.org"');
  });

  test('with edge=off: the callers that were named, over TLS, and nothing of CloudFront', async () => {
    const alone = await resourcesOf(insideParams);
    expect(ingress(alone, 'LoadBalancerSecurityGroup')).toMatchObject([
      { ToPort: 443, SourceSecurityGroupId: 'sg-0fedcba9876543210' },
      { ToPort: 443, CidrIp: '10.0.0.0/8' },
    ]);
    expect(JSON.stringify(alone)).not.toMatch(/CloudFront|EDGE_SECRET/);
    expect(alone.Outputs?.GatewayUrl?.Value).toBe('https://llm.internal.example.org');
  });
});

describe('DEPLOY.md', () => {
  test('its table of the two roles is the template`s, word for word', () => {
    const guide = readFileSync(new URL('../../DEPLOY.md', import.meta.url), 'utf8');
    const table =
      /<!-- iam of the container:[\s\S]*?-->([\s\S]*?)<!-- \/iam of the container -->/.exec(guide)?.[1] ?? '';
    const quoted = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word ?? '');
    const written = table
      .split('\n')
      .filter((line) => /^\| (task|execution)/.test(line))
      .flatMap((line) => {
        const [, who = '', actions = '', resources = ''] = line.split('|');
        const [name] = who.trim().split(' ');
        const on = quoted(resources);
        return quoted(actions).flatMap((action) =>
          (on.length > 0 ? on : [resources.trim()]).map((resource) => `${name} ${action} ${resource}`),
        );
      });
    const granted = statementsOf(template)
      .filter(({ Effect, role }) => Effect === 'Allow' && role.startsWith('Container'))
      .flatMap(({ role, Action, Resource }) =>
        [Action].flat().flatMap((action) =>
          [Resource].flat().map((one) => {
            const shown = resourceText(one)
              .replace('/localai-gateway/dev', '<p>')
              .replace(/^arn:.*:repository\/.*$/, "the image's repository");
            return `${role === 'ContainerTaskRole' ? 'task' : 'execution'} ${action} ${shown}`;
          }),
        ),
      );
    expect(written.sort()).toEqual(granted.sort());
  });
});

describe('its rights', () => {
  const rightsOf = (of: Template, roles: (role: string) => boolean) =>
    new Set(
      statementsOf(of)
        .filter(({ Effect, role }) => Effect === 'Allow' && roles(role))
        .flatMap(({ Action, Resource }) =>
          [Action].flat().flatMap((action) => [Resource].flat().map((one) => `${action} ${resourceText(one)}`)),
        ),
    );

  test('are those of all functions together, and no more', async () => {
    const others = await resourcesOf({ ...everything, door: 'url', containerImage: '', cloudFrontPrefixListId: '' });
    const theirs = rightsOf(others, (role) => !/^(Registrar|Workers)/.test(role));
    const needed = [...theirs].filter((right) => !/^(logs|ec2):/.test(right)).sort();
    expect(needed.length).toBeGreaterThan(10);
    expect([...rightsOf(template, (role) => role === 'ContainerTaskRole')].sort()).toEqual(needed);
  });

  test('are for tasks of this account, and Fargate`s own are its image and its log', async () => {
    expect(JSON.stringify(properties(template, 'ContainerTaskRole').AssumeRolePolicyDocument)).toMatch(
      /ecs-tasks\.amazonaws\.com.*aws:SourceAccount.*aws:SourceArn/,
    );
    const repository = `arn:\${AWS::Partition}:ecr:us-east-1:123456789012:repository/localai-gateway`;
    expect([...rightsOf(template, (role) => role === 'ContainerExecutionRole')]).toEqual([
      'logs:CreateLogStream ContainerLogGroup',
      'logs:PutLogEvents ContainerLogGroup',
      'ecr:GetAuthorizationToken *',
      ...['BatchCheckLayerAvailability', 'BatchGetImage', 'GetDownloadUrlForLayer'].map(
        (one) => `ecr:${one} ${repository}`,
      ),
    ]);
    const elsewhere = await resourcesOf({ ...containerParams, containerImage: 'ghcr.io/team/gateway:1' });
    expect(JSON.stringify(elsewhere)).not.toContain('ecr:');
  });
});
