import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import type { Endpoint } from '../../lib/endpoints/endpoint.ts';
import type { Family } from '../../lib/endpoints/family.ts';
import { endpoints } from '../../lib/endpoints/index.ts';
import { parseService } from '../../lib/registrar/services.ts';
import { circularResources, pathMatches, schemaProblems, unresolvedReferences } from '../support/cloudformation.ts';
import { spellings } from '../support/contract-paths.ts';
import { resourceText, statementsOf } from '../support/iam.ts';
import { packageTemplates, type Template } from '../support/osls.ts';

/** `serverless package` without an account, and what CloudFormation would be given. */
const vpc = { vpcId: 'vpc-0123456789abcdef0', subnetIds: 'subnet-0aaaaaaaaaaaaaaaa,subnet-0bbbbbbbbbbbbbbbb' };
const variants: Record<string, Record<string, string>> = {
  'as it is': {},
  'without edge and alarms': { edge: 'off', alarms: 'off' },
  'own workers, behind their own NAT': {
    ...vpc,
    network: 'own',
    workerTargets: 'sg-0123456789abcdef0:8000,10.0.7.4:8080',
    clusters: 'llm,speech',
    kmsKeyArn: 'arn:aws:kms:us-east-1:123456789012:key/1',
    registrarConcurrency: 'off',
    openaiConcurrency: '100',
    edgeDomain: 'llm.example.org',
    edgeCertificateArn: 'arn:aws:acm:us-east-1:123456789012:certificate/1',
    alarmTopicArn: 'arn:aws:sns:us-east-1:123456789012:oncall',
  },
  'behind a REST API': { door: 'rest', webAclArn: 'arn:aws:wafv2:us-east-1:123456789012:regional/webacl/a/b' },
  'with network, workers and uploads': {
    ...vpc,
    network: 'endpoints',
    workers: 'on',
    uploads: 'on',
    routeTableIds: 'rtb-0123456789abcdef0',
    s3PrefixListId: 'pl-63a5400a',
    corsOrigins: 'https://chat.example.org',
  },
};

let templates: ReadonlyMap<string, Template>;
beforeAll(async () => {
  templates = await packageTemplates(Object.entries(variants));
}, 300_000);
const templateOf = (variant: string): Template => {
  const template = templates.get(variant);
  if (!template) throw new Error(`${variant} was not packaged`);
  return template;
};
const ofType = (template: Template, type: string) =>
  Object.entries(template.Resources).filter(([, { Type }]) => Type === type);
const propertiesOf = (template: Template, id: string): Record<string, never> =>
  (template.Resources[id]?.Properties ?? {}) as Record<string, never>;
const functionIds = (template: Template) =>
  ofType(template, 'AWS::Lambda::Function').map(([id]) => id.replace('LambdaFunction', ''));

interface ServerlessYml {
  functions: Record<string, { timeout?: number; memorySize?: number; url?: unknown }>;
}
const serverlessYml = parse(readFileSync(new URL('../../serverless.yml', import.meta.url), 'utf8')) as ServerlessYml;

describe.each(Object.keys(variants))('the stack %s', (variant) => {
  test('has no property, value or type that AWS does not know, and nothing required is missing', () => {
    expect(schemaProblems(templateOf(variant))).toEqual([]);
  });

  test('refers to nothing that is not there, and to nothing in a circle', () => {
    expect(unresolvedReferences(templateOf(variant))).toEqual([]);
    expect(circularResources(templateOf(variant))).toEqual([]);
  });

  test('each function has a role of its own, and `*` stands only where IAM knows nothing narrower', () => {
    const template = templateOf(variant);
    const roles = functionIds(template).map((id) => propertiesOf(template, `${id}LambdaFunction`).Role);
    expect(new Set(roles.map((role) => JSON.stringify(role))).size).toBe(functionIds(template).length);
    const wide = statementsOf(template).filter(
      ({ Effect, Resource }) => Effect === 'Allow' && [Resource].flat().includes('*'),
    );
    for (const { Action, Condition } of wide) {
      if (Action === 'ecs:ListTasks') expect(Condition).toHaveProperty(['ArnEquals', 'ecs:cluster']);
      else expect(Action).toEqual(['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets']);
    }
    const actions = statementsOf(template).flatMap(({ Action }) => Action);
    expect(actions.filter((action) => action.includes('*'))).toEqual([]);
  });

  test('every function of serverless.yml, streaming where it has a URL, on Node 24 and arm64', () => {
    const template = templateOf(variant);
    const names = Object.keys(serverlessYml.functions);
    expect(functionIds(template).map((id) => id.toLowerCase())).toEqual(names);
    for (const id of functionIds(template)) {
      expect(propertiesOf(template, `${id}LambdaFunction`)).toMatchObject({
        Runtime: 'nodejs24.x',
        Architectures: ['arm64'],
      });
      const url = template.Resources[`${id}LambdaFunctionUrl`];
      if (variants[variant]?.door === 'rest') expect(url).toBeUndefined();
      else if (id !== 'Registrar')
        expect(url?.Properties).toMatchObject({ InvokeMode: 'RESPONSE_STREAM', AuthType: 'NONE' });
      expect(propertiesOf(template, `${id}LogGroup`)).toHaveProperty('RetentionInDays', 14);
    }
  });
});

test('behind a REST API each function has its resources, streaming, and CloudFront one origin for all', () => {
  const template = templateOf('behind a REST API');
  const methods = ofType(template, 'AWS::ApiGateway::Method').map(([, { Properties }]) => JSON.stringify(Properties));
  expect(methods.length).toBeGreaterThan(80);
  for (const method of methods) {
    expect(method).toContain('"ResponseTransferMode":"STREAM"');
    expect(method).toContain('/response-streaming-invocations');
  }
  for (const id of functionIds(template).filter((one) => one !== 'Registrar')) {
    expect(methods.some((method) => method.includes(`"${id}LambdaFunction"`))).toBe(true);
  }
  const { DistributionConfig } = propertiesOf(template, 'Distribution') as never as {
    DistributionConfig: { Origins: { OriginPath: string; OriginCustomHeaders: object[] }[] };
  };
  expect(DistributionConfig.Origins).toMatchObject([
    { OriginPath: '/dev', OriginCustomHeaders: [{ HeaderName: 'x-origin-secret' }] },
  ]);
  expect(template.Resources.WebAclAssociation?.DependsOn).toEqual([expect.stringMatching(/^ApiGatewayDeployment\d+$/)]);
});

describe('concurrency', () => {
  const reserved = (variant: string) =>
    ofType(templateOf(variant), 'AWS::Lambda::Function')
      .map(([id, { Properties }]) => [id, Properties?.ReservedConcurrentExecutions] as const)
      .filter(([, count]) => count !== undefined);

  test('only the registrar`s is reserved, unless asked', () => {
    expect(reserved('as it is')).toEqual([['RegistrarLambdaFunction', 1]]);
    expect(reserved('own workers, behind their own NAT')).toEqual([['OpenaiLambdaFunction', 100]]);
  });
});

describe('the edge', () => {
  interface Behaviour {
    readonly PathPattern: string;
    readonly TargetOriginId: string;
  }
  interface Distribution {
    readonly DistributionConfig: {
      readonly DefaultCacheBehavior: Behaviour;
      readonly CacheBehaviors: readonly Behaviour[];
      readonly Origins: readonly {
        Id: string;
        CustomOriginConfig: object;
        OriginCustomHeaders: unknown;
        DomainName: unknown;
      }[];
      readonly Aliases?: readonly string[];
    };
  }
  const configOf = (variant: string) =>
    (propertiesOf(templateOf(variant), 'Distribution') as unknown as Distribution).DistributionConfig;
  const firstMatch = (path: string) => {
    const { CacheBehaviors, DefaultCacheBehavior } = configOf('as it is');
    return CacheBehaviors.find(({ PathPattern }) => pathMatches(PathPattern, path)) ?? DefaultCacheBehavior;
  };
  const allPaths = endpoints.flatMap(({ paths, families }: Endpoint) =>
    paths.flatMap((path) => spellings(path).map((spelt) => [spelt, families] as const)),
  );

  test.each([...new Map(allPaths)])('%s goes to a function that serves it', (path, families) => {
    expect(families).toContain(firstMatch(path).TargetOriginId as Family);
  });

  test('no behaviour is hidden behind another one', () => {
    const used = new Set(allPaths.map(([path]) => firstMatch(path).PathPattern));
    expect(configOf('as it is').CacheBehaviors.filter(({ PathPattern }) => !used.has(PathPattern))).toEqual([]);
  });

  test('every behaviour lets all methods and headers but host through, caches and compresses nothing', () => {
    const { CacheBehaviors, DefaultCacheBehavior } = configOf('as it is');
    for (const behaviour of [...CacheBehaviors, DefaultCacheBehavior]) {
      expect(behaviour).toMatchObject({
        AllowedMethods: ['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'POST', 'DELETE'],
        CachePolicyId: '4135ea2d-6df8-44a3-9df3-4b5a84be39ad',
        OriginRequestPolicyId: 'b689b0a8-53d0-40ab-baf2-68738e2966ac',
        Compress: false,
        ViewerProtocolPolicy: 'https-only',
        FunctionAssociations: [{ EventType: 'viewer-request' }],
      });
    }
  });

  test('every function URL is an origin, waited for as long as CloudFront can, told by a secret', () => {
    const template = templateOf('as it is');
    const { Origins } = configOf('as it is');
    expect(Origins.map(({ Id }) => Id)).toEqual(
      Object.entries(serverlessYml.functions).flatMap(([name, { url }]) => (url ? [name] : [])),
    );
    const secret = { 'Fn::Sub': `{{resolve:secretsmanager:\${EdgeSecret}}}` };
    for (const { Id, CustomOriginConfig, OriginCustomHeaders, DomainName } of Origins) {
      expect(CustomOriginConfig).toMatchObject({ OriginReadTimeout: 120, OriginProtocolPolicy: 'https-only' });
      expect(OriginCustomHeaders).toEqual([{ HeaderName: 'x-origin-secret', HeaderValue: secret }]);
      const logicalId = `${Id[0]?.toUpperCase()}${Id.slice(1)}`;
      expect(JSON.stringify(DomainName)).toContain(`"${logicalId}LambdaFunctionUrl","FunctionUrl"`);
      const { Environment } = propertiesOf(template, `${logicalId}LambdaFunction`) as { Environment?: object };
      expect(Environment).toHaveProperty('Variables.GATEWAY_EDGE_SECRET', secret);
    }
  });

  test('without it there is no secret either, and a name of your own comes with its certificate', () => {
    const without = templateOf('without edge and alarms');
    expect(JSON.stringify(without)).not.toMatch(/EDGE_SECRET|CloudFront|secretsmanager/);
    expect(configOf('own workers, behind their own NAT')).toMatchObject({
      Aliases: ['llm.example.org'],
      ViewerCertificate: { SslSupportMethod: 'sni-only' },
    });
  });
});

describe('the network', () => {
  const egressOf = (variant: string) =>
    (propertiesOf(templateOf(variant), 'FunctionsSecurityGroup') as { SecurityGroupEgress?: unknown })
      .SecurityGroupEgress;

  test('functions reach the workers on their port and the endpoints, and nothing else', () => {
    const template = templateOf('with network, workers and uploads');
    expect(egressOf('with network, workers and uploads')).toEqual([
      expect.objectContaining({
        FromPort: 8080,
        ToPort: 8080,
        DestinationSecurityGroupId: { 'Fn::GetAtt': ['WorkersSecurityGroup', 'GroupId'] },
      }),
      expect.objectContaining({
        FromPort: 443,
        ToPort: 443,
        DestinationSecurityGroupId: { 'Fn::GetAtt': ['EndpointsSecurityGroup', 'GroupId'] },
      }),
      expect.objectContaining({ FromPort: 443, ToPort: 443, DestinationPrefixListId: 'pl-63a5400a' }),
    ]);
    for (const id of functionIds(template)) {
      expect(propertiesOf(template, `${id}LambdaFunction`)).toHaveProperty('VpcConfig.SecurityGroupIds', [
        { Ref: 'FunctionsSecurityGroup' },
      ]);
      expect(JSON.stringify(propertiesOf(template, `${id}LambdaFunction`))).toContain('"SsmEndpoint","DnsEntries"');
    }
    expect(ofType(template, 'AWS::EC2::VPCEndpoint').map(([id]) => id)).toEqual([
      'SsmEndpoint',
      'EcsEndpoint',
      'S3Endpoint',
    ]);
  });

  test('only the functions come into workers and endpoints', () => {
    const template = templateOf('with network, workers and uploads');
    const ingress = ofType(template, 'AWS::EC2::SecurityGroupIngress').map(([, { Properties }]) => Properties);
    expect(ingress).toHaveLength(2);
    for (const rule of ingress) {
      expect(rule).toHaveProperty('SourceSecurityGroupId', { 'Fn::GetAtt': ['FunctionsSecurityGroup', 'GroupId'] });
    }
    for (const [, { Properties }] of ofType(template, 'AWS::EC2::SecurityGroup')) {
      expect(Properties).not.toHaveProperty('SecurityGroupIngress');
    }
  });

  test('workers of the team: each target is a way out, and a security group is opened', () => {
    const own = 'own workers, behind their own NAT';
    expect(egressOf(own)).toEqual([
      expect.objectContaining({ FromPort: 8000, ToPort: 8000, DestinationSecurityGroupId: 'sg-0123456789abcdef0' }),
      expect.objectContaining({ FromPort: 8080, ToPort: 8080, CidrIp: '10.0.7.4/32' }),
      expect.objectContaining({ FromPort: 443, ToPort: 443, CidrIp: '0.0.0.0/0' }),
    ]);
    expect(ofType(templateOf(own), 'AWS::EC2::SecurityGroupIngress').map(([, { Properties }]) => Properties)).toEqual([
      expect.objectContaining({ GroupId: 'sg-0123456789abcdef0', FromPort: 8000, ToPort: 8000 }),
    ]);
  });

  test('with a way of their own there are no endpoints; without a VPC, no security groups', () => {
    const own = templateOf('own workers, behind their own NAT');
    expect(ofType(own, 'AWS::EC2::VPCEndpoint')).toEqual([]);
    expect(JSON.stringify(templateOf('as it is'))).not.toMatch(/VpcConfig|SecurityGroup|ec2:/);
  });
});

describe('the workers', () => {
  test('are none, and no instance, and stay in their zone', () => {
    const template = templateOf('with network, workers and uploads');
    expect(propertiesOf(template, 'WorkersService')).toMatchObject({
      DesiredCount: 0,
      AvailabilityZoneRebalancing: 'DISABLED',
    });
    const group = propertiesOf(template, 'WorkersAutoScalingGroup');
    expect(group).toHaveProperty('MinSize', '0');
    expect(group).not.toHaveProperty('DesiredCapacity');
  });

  test('sleep until somebody asks for one of their models, which their parameter names', () => {
    const { Value } = propertiesOf(templateOf('with network, workers and uploads'), 'WorkersServiceParameter');
    const service = parseService(Value ?? '');
    expect(service).toMatchObject({
      cluster: 'localai-gateway-dev-workers',
      service: 'localai',
      engine: 'localai',
      load: 'haproxy',
      models: ['qwen3-0.6b'],
    });
    expect(JSON.parse(Value ?? '')).toHaveProperty('scale', { min: 0, max: 1, idleMinutes: 15, wakeMinutes: 40 });
  });

  test('nothing of the gateway waits for them', () => {
    const { Resources } = templateOf('with network, workers and uploads');
    const isWorkers = (id: string) => id.startsWith('Workers') && id !== 'WorkersSecurityGroup';
    const waiting = Object.entries(Resources).filter(
      ([id, { DependsOn = [], Properties }]) =>
        !isWorkers(id) && /"Workers(?!SecurityGroup|Ingress)\w+"/.test(JSON.stringify([DependsOn, Properties ?? {}])),
    );
    expect(waiting.map(([id]) => id)).toEqual([]);
  });
});

describe('the registrar', () => {
  test('runs every minute, and when a task of a known cluster changes', () => {
    const template = templateOf('with network, workers and uploads');
    expect(propertiesOf(template, 'RegistrarEventsRuleSchedule1')).toHaveProperty(
      'ScheduleExpression',
      'rate(1 minute)',
    );
    expect(propertiesOf(template, 'RegistrarTaskRule')).toHaveProperty('EventPattern', {
      source: ['aws.ecs'],
      'detail-type': ['ECS Task State Change'],
      detail: {
        clusterArn: [{ suffix: ':cluster/localai-gateway-dev-workers' }],
        lastStatus: [{ 'anything-but': ['PROVISIONING', 'PENDING', 'ACTIVATING'] }],
      },
    });
    expect(propertiesOf(template, 'WorkersCluster')).toHaveProperty('ClusterName', 'localai-gateway-dev-workers');
  });

  test('runs when a gateway wants what sleeps, and has time to see it wake', () => {
    const template = templateOf('with network, workers and uploads');
    expect(propertiesOf(template, 'RegistrarWakeRule')).toMatchObject({
      EventPattern: {
        source: ['aws.ssm'],
        'detail-type': ['Parameter Store Change'],
        detail: { name: [{ prefix: '/localai-gateway/dev/runtime/wake/' }], operation: ['Create', 'Update'] },
      },
      Targets: [{ Arn: { 'Fn::GetAtt': ['RegistrarLambdaFunction', 'Arn'] } }],
    });
    for (const rule of ['RegistrarTaskRule', 'RegistrarWakeRule']) {
      expect(propertiesOf(template, `${rule}Permission`)).toHaveProperty('SourceArn', { 'Fn::GetAtt': [rule, 'Arn'] });
    }
    expect(propertiesOf(template, 'RegistrarLambdaFunction')).toHaveProperty('Timeout', 300);
    expect(JSON.stringify(templateOf('as it is'))).not.toMatch(/RegistrarWakeRule|ecs:/);
  });

  test('may write the fleet and what it remembers, and look into its clusters and count there only', () => {
    const statements = statementsOf(templateOf('own workers, behind their own NAT')).filter(
      ({ role }) => role === 'RegistrarRole',
    );
    const resourcesOf = (action: string) =>
      statements.filter(({ Action }) => [Action].flat().includes(action)).flatMap(({ Resource }) => Resource);
    const arn = (resource: string) => ({
      'Fn::Sub': `arn:\${AWS::Partition}:${resource.replace(':', `:\${AWS::Region}:\${AWS::AccountId}:`)}`,
    });
    expect(resourcesOf('ssm:PutParameter')).toEqual(
      ['fleet', 'scale'].map((name) => arn(`ssm:parameter/localai-gateway/dev/runtime/${name}/*`)),
    );
    expect(resourcesOf('ecs:DescribeTasks')).toEqual([arn('ecs:task/llm/*'), arn('ecs:task/speech/*')]);
    for (const action of ['ecs:DescribeServices', 'ecs:UpdateService']) {
      expect(resourcesOf(action)).toEqual([arn('ecs:service/llm/*'), arn('ecs:service/speech/*')]);
    }
    expect(statements.find(({ Action }) => Action === 'ecs:ListTasks')?.Condition).toEqual({
      ArnEquals: { 'ecs:cluster': [arn('ecs:cluster/llm'), arn('ecs:cluster/speech')] },
    });
  });

  test('who answers operators reads what they are told of services, and nobody else does', () => {
    const readers = statementsOf(templateOf('as it is')).filter(
      ({ role, Action, Resource }) =>
        role !== 'RegistrarRole' &&
        [Action].flat().includes('ssm:GetParameters') &&
        [Resource].flat().some((one) => /\/services\/|\/scale\//.test(resourceText(one))),
    );
    expect(readers.map(({ role, Resource }) => [role, [Resource].flat().map(resourceText)])).toEqual([
      ['NodesRole', ['runtime/scale', 'services'].map((name) => `ssm:parameter/localai-gateway/dev/${name}/*`)],
    ]);
  });

  test('nobody else asks ECS, or writes more than that a service is wanted', () => {
    for (const { role, Action, Resource } of statementsOf(templateOf('with network, workers and uploads'))) {
      if (role === 'RegistrarRole') continue;
      expect([Action].flat().join()).not.toContain('ecs:');
      if ([Action].flat().includes('ssm:PutParameter')) {
        expect([Action, [Resource].flat().map(resourceText)]).toEqual([
          'ssm:PutParameter',
          ['ssm:parameter/localai-gateway/dev/runtime/wake/*'],
        ]);
      }
    }
  });
});

describe('uploads', () => {
  const variablesOf = (template: Template, id: string) =>
    (propertiesOf(template, `${id}LambdaFunction`) as { Environment?: { Variables: object } }).Environment?.Variables;

  test('a private, encrypted bucket that forgets after a day, known to the functions that use it', () => {
    const template = templateOf('with network, workers and uploads');
    expect(propertiesOf(template, 'UploadBucket')).toMatchObject({
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets: true },
      LifecycleConfiguration: { Rules: [{ Status: 'Enabled', ExpirationInDays: 1 }] },
      CorsConfiguration: { CorsRules: [{ AllowedOrigins: ['https://chat.example.org'] }] },
    });
    const users = functionIds(template).filter((id) => 'GATEWAY_UPLOAD_BUCKET' in (variablesOf(template, id) ?? {}));
    expect(users).toEqual(['Audio', 'Images']);
    const allowed = statementsOf(template).filter(({ Action }) => [Action].flat().some((one) => one.startsWith('s3:')));
    expect(new Set(allowed.map(({ role }) => role))).toEqual(new Set(['AudioRole', 'ImagesRole']));
  });

  test('off, there is none', () => {
    expect(JSON.stringify(templateOf('as it is'))).not.toMatch(/UPLOAD_BUCKET|UploadBucket/);
  });
});

describe('the settings', () => {
  test('the header`s switch is off at the first deploy', () => {
    expect(propertiesOf(templateOf('as it is'), 'ExposeNodeHeaderParameter')).toMatchObject({
      Name: '/localai-gateway/dev/runtime/expose-node-header',
      Value: 'false',
    });
  });

  test('a misspelt parameter stops the packaging and is named', async () => {
    await expect(packageTemplates([['misspelt', { egde: 'off' }]])).rejects.toThrow('--param egde');
  }, 60_000);
});

describe('DEPLOY.md', () => {
  const text = readFileSync(new URL('../../DEPLOY.md', import.meta.url), 'utf8');
  const quoted = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word ?? '');
  /** `function action resource` of every row; a row of "each function" stands for all of them. */
  const written = () => {
    const names = Object.keys(serverlessYml.functions);
    const table = /<!-- iam:[\s\S]*?-->([\s\S]*?)<!-- \/iam -->/.exec(text)?.[1] ?? '';
    return table
      .split('\n')
      .filter((line) => line.startsWith('| ') && line.includes(':'))
      .flatMap((line) => {
        const [, who = '', actions = '', resources = ''] = line.split('|');
        const whom = who.includes('each function') ? names : quoted(who);
        const [what = ''] = resources.split(' if ');
        return whom.flatMap((name) => {
          const on = what.includes('its own log group') ? [`${name} log group`] : quoted(what);
          return quoted(actions).flatMap((action) => on.map((resource) => `${name} ${action} ${resource}`));
        });
      });
  };
  const granted = () =>
    statementsOf(templateOf('with network, workers and uploads'))
      .filter(({ Effect, role }) => Effect === 'Allow' && !role.startsWith('Workers'))
      .flatMap(({ role, Action, Resource }) => {
        const name = role.replace('Role', '').toLowerCase();
        return [Action].flat().flatMap((action) =>
          [Resource].flat().map((resource) => {
            const shown = resourceText(resource)
              .replace('/localai-gateway/dev', '<p>')
              .replace('localai-gateway-dev-workers', '<cluster>')
              .replace(/^\w+LogGroup$/, `${name} log group`);
            return `${name} ${action} ${shown}`;
          }),
        );
      });

  test('its table of roles is the template`s, word for word', () => {
    expect(written().length).toBeGreaterThan(100);
    expect(written().sort()).toEqual(granted().sort());
  });

  test('names every parameter`s piece, and files and commands that exist', () => {
    for (const [, file = ''] of text.matchAll(/`((?:infra|test)\/[\w./-]+)`/g)) {
      expect(() => readFileSync(new URL(`../../${file}`, import.meta.url))).not.toThrow();
    }
    const params = Object.keys((serverlessYml as { params?: { default: object } }).params?.default ?? {});
    for (const [, name = ''] of text.matchAll(/--param="(\w+)=/g)) expect(['name', ...params]).toContain(name);
  });
});
