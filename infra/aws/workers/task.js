import { readFileSync } from 'node:fs';
import { att, ref } from '../cloudformation.js';

/** @typedef {import('../options.js').Options} Options */

/** Where the engine listens: on the task's own loopback, so that the only way in is the sidecar. */
const ENGINE_PORT = 8081;

const haproxyConfig = readFileSync(new URL('haproxy.cfg', import.meta.url), 'utf8');

/** @param {Record<string, string | number>} variables */
const environment = (variables) => Object.entries(variables).map(([Name, value]) => ({ Name, Value: String(value) }));

/** @param {string} prefix */
const logTo = (prefix) => ({
  LogDriver: 'awslogs',
  Options: {
    'awslogs-group': ref('WorkersLogGroup'),
    'awslogs-region': ref('AWS::Region'),
    'awslogs-stream-prefix': prefix,
  },
});

/** @param {string} command */
const healthCheck = (command) => ({ Command: ['CMD-SHELL', command], Interval: 15, Timeout: 5, Retries: 3 });

/** LocalAI on one GPU. Models and backends stay on the instance's volume, so that the next task starts quickly. @param {Options} options */
const engine = ({ workerImage, workerModels, workerConcurrency }) => ({
  Name: 'engine',
  Image: workerImage,
  Essential: true,
  Command: workerModels,
  ResourceRequirements: [{ Type: 'GPU', Value: '1' }],
  Environment: environment({
    LOCALAI_ADDRESS: `127.0.0.1:${ENGINE_PORT}`,
    LOCALAI_MODELS_PATH: '/models',
    LOCALAI_BACKENDS_PATH: '/backends',
    LOCALAI_PARALLEL_REQUESTS: 'true',
    LLAMACPP_PARALLEL: workerConcurrency,
  }),
  MountPoints: [
    { SourceVolume: 'models', ContainerPath: '/models' },
    { SourceVolume: 'backends', ContainerPath: '/backends' },
  ],
  // The service's grace period covers the first download of a model.
  HealthCheck: { ...healthCheck(`curl -fsS http://127.0.0.1:${ENGINE_PORT}/readyz`), StartPeriod: 300 },
  // By then the sidecar has gone, and with it every stream.
  StopTimeout: 30,
  LogConfiguration: logTo('engine'),
});

/**
 * The task's door. It depends on the engine, so at a stop it goes first: it lets streams end, for as long as the
 * instances' `ECS_CONTAINER_STOP_TIMEOUT` allows, and only then the engine is told to stop.
 * @param {Options} options
 */
const door = ({ haproxyImage, workerPort, workerConcurrency, workerStopSeconds }) => ({
  Name: 'door',
  Image: haproxyImage,
  Essential: true,
  Memory: 256,
  // ECS has no files to mount: the configuration comes as a variable and is written where only this container sees it.
  Command: ['sh', '-c', 'printf %s "$HAPROXY_CONFIG" > /tmp/haproxy.cfg && exec haproxy -db -f /tmp/haproxy.cfg'],
  Environment: environment({
    HAPROXY_CONFIG: haproxyConfig,
    WORKER_PORT: workerPort,
    WORKER_CONCURRENCY: workerConcurrency,
    ENGINE_PORT,
    // Its own end comes before the instance's, which is a kill.
    STOP_SECONDS: Math.max(1, workerStopSeconds - 5),
  }),
  PortMappings: [{ ContainerPort: workerPort, Protocol: 'tcp' }],
  DependsOn: [{ ContainerName: 'engine', Condition: 'START' }],
  HealthCheck: healthCheck(`wget -q -O /dev/null http://127.0.0.1:${workerPort}/metrics`),
  LogConfiguration: logTo('door'),
});

/** @param {Options} options */
export const taskDefinition = (options) => ({
  Type: 'AWS::ECS::TaskDefinition',
  Properties: {
    Family: `${options.name}-worker`,
    // An address of its own for every task: what the registrar finds and security groups can tell apart.
    NetworkMode: 'awsvpc',
    RequiresCompatibilities: ['EC2'],
    Cpu: String(options.workerCpu),
    Memory: String(options.workerMemoryMiB),
    ExecutionRoleArn: att('WorkersExecutionRole'),
    ContainerDefinitions: [engine(options), door(options)],
    Volumes: ['models', 'backends'].map((name) => ({ Name: name, Host: { SourcePath: `/var/lib/localai/${name}` } })),
  },
});
