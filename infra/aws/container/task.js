import { att, ref } from '../cloudformation.js';
import { uploadBucketOf } from '../uploads.js';
import { DRAIN_SECONDS, STOP_SECONDS } from './times.js';

/** @typedef {import('../options.js').Options} Options */

/** What the process listens on. */
export const CONTAINER_PORT = 8080;

/** The image's own check (`infra/container/Dockerfile`), which ECS does not read. */
const HEALTH_CHECK = `fetch(\`http://127.0.0.1:\${process.env.PORT}/healthz\`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))`;

/**
 * Variables of the process: a function's, and what only the container has.
 * @param {Options} options
 * @param {Readonly<Record<string, unknown>>} shared `provider.environment` in `serverless.yml`
 */
const variablesOf = (options, shared) => ({
  ...shared,
  AWS_REGION: ref('AWS::Region'),
  HOST: '0.0.0.0',
  PORT: String(CONTAINER_PORT),
  GATEWAY_DRAIN_SECONDS: String(DRAIN_SECONDS),
  GATEWAY_UPLOAD_BUCKET: uploadBucketOf(options),
});

/** @param {Record<string, unknown>} variables those without a value are not there */
const environment = (variables) =>
  Object.entries(variables)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([Name, value]) => ({ Name, Value: typeof value === 'object' ? value : String(value) }));

/** @param {Options} options @param {Readonly<Record<string, unknown>>} shared */
const container = (options, shared) => ({
  Name: 'gateway',
  Image: options.containerImage,
  Essential: true,
  // The limit that the process sees, of which it holds a quarter in request bodies.
  Memory: options.containerMemoryMiB,
  User: 'node',
  ReadonlyRootFilesystem: true,
  LinuxParameters: { Capabilities: { Drop: ['ALL'] } },
  // A stream has a connection on either side.
  Ulimits: [{ Name: 'nofile', SoftLimit: 65_535, HardLimit: 65_535 }],
  Environment: environment(variablesOf(options, shared)),
  PortMappings: [{ ContainerPort: CONTAINER_PORT, Protocol: 'tcp' }],
  HealthCheck: { Command: ['CMD', 'node', '-e', HEALTH_CHECK], Interval: 30, Timeout: 5, Retries: 3, StartPeriod: 15 },
  StopTimeout: STOP_SECONDS,
  LogConfiguration: {
    LogDriver: 'awslogs',
    Options: {
      'awslogs-group': ref('ContainerLogGroup'),
      'awslogs-region': ref('AWS::Region'),
      'awslogs-stream-prefix': 'gateway',
      // Whoever waits for CloudWatch does not serve; lines beyond this are lost.
      mode: 'non-blocking',
      'max-buffer-size': '25m',
    },
  },
});

/** @param {Options} options @param {Readonly<Record<string, unknown>>} shared as in {@link variablesOf} */
export const taskDefinition = (options, shared) => ({
  Type: 'AWS::ECS::TaskDefinition',
  Properties: {
    Family: `${options.name}-gateway`,
    NetworkMode: 'awsvpc',
    RequiresCompatibilities: ['FARGATE'],
    RuntimePlatform: { OperatingSystemFamily: 'LINUX', CpuArchitecture: options.containerArchitecture.toUpperCase() },
    Cpu: String(options.containerCpu),
    Memory: String(options.containerMemoryMiB),
    TaskRoleArn: att('ContainerTaskRole'),
    ExecutionRoleArn: att('ContainerExecutionRole'),
    ContainerDefinitions: [container(options, shared)],
  },
});
