import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, test } from '@jest/globals';
import { letsIn, letsOut, missingWays } from '../support/reach.ts';
import { resourcesOf } from '../support/stack-resources.ts';

/** DEPLOY.md, walked through by somebody who has an account and takes it at its word. */
const guide = readFileSync(new URL('../../DEPLOY.md', import.meta.url), 'utf8');

/** Every command of its code blocks and of its text, on one line, without comments. */
const commands = [
  ...[...guide.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block
      .replace(/\\\n\s*/g, ' ')
      .replace(/\$\(openssl [^)]*\)/g, 'secret')
      .split('\n')
      .map((line) => line.replace(/(^|\s)#.*$/, '').trim()),
  ),
  ...[...guide.matchAll(/`((?:aws|npx|npm) [^`]+)`/g)].map(([, text = '']) => text.replace(/\n\s*/g, ' ')),
].filter(Boolean);

/** Words of a command as a shell splits them; what is in quotes stays one. */
const wordsOf = (command: string) => command.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [];
const optionsOf = (words: readonly string[]) =>
  words.filter((word) => /^-{1,2}[a-z]/.test(word)).map((word) => word.replace(/=.*/, '').replace(/^-+/, ''));
/** Where a command begins with a name, after a pipe or inside of `$(...)` too. */
const runsOf = (name: string) =>
  commands.flatMap((command) =>
    [
      ...command.matchAll(
        new RegExp(`(?:^|\\$\\(|\\| *(?:xargs (?:-\\w+ (?:\\d+ )?)*)?)(${name} .*?)(?=\\)$|\\)"|\\s\\||$)`, 'g'),
      ),
    ].map(([, found = '']) => found),
  );

/**
 * The AWS CLI's commands and the options used of each, as its reference has them.
 * @see https://docs.aws.amazon.com/cli/latest/reference/
 */
const awsCli: Readonly<Record<string, readonly string[]>> = {
  'ssm put-parameter': ['type', 'name', 'value', 'overwrite'],
  'ssm get-parameter': ['name', 'with-decryption'],
  'ssm get-parameters-by-path': ['path', 'recursive'],
  'ssm delete-parameters': ['names'],
  'ssm update-service-setting': ['setting-id', 'setting-value'],
  'cloudformation describe-stacks': ['stack-name'],
  'sts get-caller-identity': [],
  'ecr create-repository': ['repository-name', 'image-tag-mutability'],
  'ecr get-login-password': [],
  'ecs update-service': ['cluster', 'service', 'desired-count'],
  'ecs describe-services': ['cluster', 'services'],
  'ec2 create-image': ['instance-id', 'name'],
  'ec2 describe-subnets': ['filters'],
  'ec2 describe-vpc-endpoints': ['filters'],
  'ec2 describe-managed-prefix-lists': ['filters'],
  'autoscaling start-instance-refresh': ['auto-scaling-group-name', 'preferences'],
  'autoscaling describe-scaling-activities': ['auto-scaling-group-name'],
  'autoscaling describe-auto-scaling-groups': ['auto-scaling-group-names'],
  's3 rm': ['recursive'],
};
const everyAwsCommand = ['query', 'output', 'region'];

/** `npx serverless deploy`s, their placeholders filled in. */
const deploys = runsOf('npx serverless deploy')
  .filter((command) => command.includes('--param='))
  .map((command) => {
    const filled = command
      .replace(/\b(vpc|sg|pl)-\.\.\./g, (_, kind) => `${kind}-0123456789abcdef0`)
      .replaceAll('$IMAGE', '123456789012.dkr.ecr.us-east-1.amazonaws.com/localai-gateway:0a1b2c3')
      .replaceAll('subnet-...,subnet-...', 'subnet-0aaaaaaaaaaaaaaaa,subnet-0bbbbbbbbbbbbbbbb')
      .replaceAll('rtb-...,rtb-...', 'rtb-0aaaaaaaaaaaaaaaa,rtb-0bbbbbbbbbbbbbbbb');
    const params = [...filled.matchAll(/--param="(\w+)=([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]);
    return { command, params: Object.fromEntries(params) as Record<string, string> };
  });

describe('its commands', () => {
  test('are there', () => {
    expect(commands.length).toBeGreaterThan(25);
    expect(runsOf('aws').length).toBeGreaterThan(15);
    expect(deploys.length).toBeGreaterThan(4);
  });

  test.each(runsOf('aws'))('%s', (command) => {
    const words = wordsOf(command);
    const known = awsCli[words.slice(1, 3).join(' ')];
    expect(known).toBeDefined();
    expect(optionsOf(words.slice(3)).filter((name) => ![...(known ?? []), ...everyAwsCommand].includes(name))).toEqual(
      [],
    );
  });

  test.each(runsOf('npx serverless'))('%s', (command) => {
    const schema = createRequire(import.meta.url)('osls/lib/cli/commands-schema/aws-service') as Map<
      string,
      { options: Record<string, unknown> }
    >;
    const words = wordsOf(command).slice(2);
    const name = words.filter((word) => /^[a-z]+$/.test(word)).slice(0, 2);
    const options = (schema.get(name.join(' ')) ?? schema.get(name[0] ?? ''))?.options;
    expect(options).toBeDefined();
    expect(optionsOf(words).filter((option) => !Object.hasOwn(options ?? {}, option))).toEqual([]);
  });

  test.each(runsOf('npm run doctor'))('%s', (command) => {
    const source = readFileSync(new URL('../../infra/doctor/doctor.ts', import.meta.url), 'utf8');
    const declared = [...(/options: \{([\s\S]*?)\n {2}\},/.exec(source)?.[1] ?? '').matchAll(/^\s+'?([\w-]+)'?: \{/gm)];
    const names = declared.map(([, name]) => name);
    expect(names).toContain('url');
    expect(optionsOf(wordsOf(command)).filter((option) => !names.includes(option))).toEqual([]);
  });

  test('ask instances to be replaced in words that AWS takes', () => {
    const [refresh = ''] = runsOf('aws autoscaling start-instance-refresh');
    const preferences = JSON.parse(/--preferences '([^']+)'/.exec(refresh)?.[1] ?? '{}') as object;
    // All instances are protected: without it the refresh waits for an hour and fails.
    expect(preferences).toEqual({ ScaleInProtectedInstances: 'Refresh' });
  });
});

describe('what it names', () => {
  test.each(deploys.map(({ command, params }) => [command, params] as const))('%s', async (_, params) => {
    await expect(resourcesOf(params)).resolves.toBeDefined();
  });

  test('outputs, the cluster, its service and parameters are the template`s', async () => {
    const vpc = deploys.find(({ params }) => params.workers === 'on' && params.uploads === 'on')?.params ?? {};
    const edge = {
      edgeDomain: 'llm.example.org',
      edgeCertificateArn: 'arn:aws:acm:us-east-1:123456789012:certificate/1',
    };
    const template = await resourcesOf({ ...vpc, ...edge });
    const outputs = Object.keys(template.Outputs ?? {});
    for (const name of [
      'GatewayUrl',
      'EdgeTarget',
      'FunctionsSecurityGroupId',
      'WorkersAutoScalingGroupName',
      'UploadBucketName',
    ]) {
      expect(guide).toContain(name);
      expect(outputs).toContain(name);
    }
    const inContainer = deploys.filter(({ params }) => params.door === 'container').map(({ params }) => params);
    const containers = await Promise.all(inContainer.map(resourcesOf));
    expect(containers.map(({ Outputs = {} }) => 'ContainerTarget' in Outputs)).toEqual([false, false, true]);
    const text = JSON.stringify([template, ...containers]);
    for (const command of runsOf('aws ecs')) {
      expect(text).toContain(`"ClusterName":"${/--cluster (\S+)/.exec(command)?.[1]}"`);
      expect(text).toContain(`"ServiceName":"${/--services? (\S+)/.exec(command)?.[1]}"`);
    }
  });
});

describe('the traffic of its examples', () => {
  interface Service {
    readonly port?: number;
    readonly cluster?: string;
    readonly workers?: readonly { readonly url: string }[];
  }
  /** `services/<name>` as they are written into SSM, by section. */
  const services = guide.split(/^## /m).flatMap((section) =>
    [...section.matchAll(/\/services\/(\w+)[\s\\]+--value '([^']+)'/g)].map(([, name = '', json = '']) => ({
      name,
      title: section.slice(0, section.indexOf('\n')),
      service: JSON.parse(json) as Service,
    })),
  );

  test.each(deploys.map(({ command, params }) => [command, params] as const))(
    '%s: the functions reach SSM, ECS, S3 and the workers',
    async (_, params) => {
      const template = await resourcesOf(params);
      expect(missingWays(template)).toEqual([]);
      if (params.workers === 'on') {
        expect(letsOut(template, { securityGroup: 'WorkersSecurityGroup', port: 8080 })).toBe(true);
        expect(letsIn(template, 'WorkersSecurityGroup', 8080)).toBe(true);
      }
    },
  );

  test('every service has its way through the security groups of the deployment beside it', async () => {
    expect(services.map(({ name }) => name)).toEqual(['vllm', 'vllm', 'lab', 'doctor']);
    const adding = deploys.find(({ params }) => params.workerTargets?.includes(','))?.params ?? {};
    const template = await resourcesOf(adding);
    const group = /sg-\w+/.exec(adding.workerTargets ?? '')?.[0] ?? '';
    for (const { name, service, title } of services.filter(({ name }) => name !== 'doctor')) {
      expect(['GPUs that sleep', 'Adding a service']).toContain(title);
      if (service.port !== undefined) {
        expect([name, letsOut(template, { securityGroup: group, port: service.port })]).toEqual([name, true]);
        expect([name, letsIn(template, group, service.port)]).toEqual([name, true]);
        expect(adding.clusters?.split(',')).toContain(service.cluster);
      }
      for (const { url } of service.workers ?? []) {
        const { hostname, port } = new URL(url);
        expect([name, letsOut(template, { address: hostname, port: Number(port) })]).toEqual([name, true]);
      }
    }
  });

  test('so has the doctor`s own worker, in the workers` group', async () => {
    const { service } = services.find(({ name }) => name === 'doctor') ?? {};
    const port = Number(/:(\d+)$/.exec(service?.workers?.[0]?.url ?? '')?.[1]);
    expect(runsOf('npm run doctor').join()).toContain(`--serve ${port} --host 0.0.0.0`);
    const template = await resourcesOf(deploys.find(({ params }) => params.workers === 'on')?.params ?? {});
    expect(letsOut(template, { securityGroup: 'WorkersSecurityGroup', port })).toBe(true);
    expect(letsIn(template, 'WorkersSecurityGroup', port)).toBe(true);
  });
});
