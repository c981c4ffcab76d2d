import { each, ill, only, outside, type Rule, tooMany } from './rule.ts';

const GUIDE = 'https://docs.aws.amazon.com/lambda/latest/dg';
const API = 'https://docs.aws.amazon.com/lambda/latest/api';
const FUNCTION = 'AWS::Lambda::Function';

interface Lambda {
  readonly FunctionName?: string;
  readonly Description?: string;
  readonly Handler?: string;
  readonly Timeout?: number;
  readonly MemorySize?: number;
  readonly Environment?: { readonly Variables?: Readonly<Record<string, string>> };
  readonly VpcConfig?: { readonly SubnetIds?: readonly string[]; readonly SecurityGroupIds?: readonly string[] };
}

const reserved = new Set([
  ...['_HANDLER', '_X_AMZN_TRACE_ID', 'AWS_DEFAULT_REGION', 'AWS_REGION', 'AWS_EXECUTION_ENV'],
  ...['AWS_LAMBDA_FUNCTION_NAME', 'AWS_LAMBDA_FUNCTION_MEMORY_SIZE', 'AWS_LAMBDA_FUNCTION_VERSION'],
  ...['AWS_LAMBDA_INITIALIZATION_TYPE', 'AWS_LAMBDA_LOG_GROUP_NAME', 'AWS_LAMBDA_LOG_STREAM_NAME'],
  ...['AWS_ACCESS_KEY', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'],
  ...['AWS_LAMBDA_RUNTIME_API', 'LAMBDA_TASK_ROOT', 'LAMBDA_RUNTIME_DIR', 'AWS_LAMBDA_MAX_CONCURRENCY'],
]);
const variables = (names: Readonly<Record<string, string>>) => only(FUNCTION, { Environment: { Variables: names } });

export const lambdaRules: readonly Rule[] = [
  {
    name: 'a function`s name, description and handler',
    source: `${API}/API_CreateFunction.html`,
    breaches: each<Lambda>(FUNCTION, ({ FunctionName, Description, Handler }) => [
      ill('name', FunctionName, 64, /^[\w-]+$/),
      ill('description', Description, 256),
      ill('handler', Handler, 128, /^\S+$/),
    ]),
    broken: only(FUNCTION, { FunctionName: 'n'.repeat(65) }),
  },
  {
    name: 'a function`s memory, time and place in a VPC',
    source: `${GUIDE}/gettingstarted-limits.html`,
    breaches: each<Lambda>(FUNCTION, ({ Timeout, MemorySize, VpcConfig: { SubnetIds, SecurityGroupIds } = {} }) => [
      outside('Timeout', Timeout, 1, 900),
      outside('MemorySize', MemorySize, 128, 10_240),
      tooMany('subnets', SubnetIds, 16),
      tooMany('security groups', SecurityGroupIds, 5),
    ]),
    broken: only(FUNCTION, { Timeout: 901 }),
  },
  {
    name: 'names of environment variables that are Lambda`s own, or no names',
    source: `${GUIDE}/configuration-envvars.html#configuration-envvars-runtime`,
    breaches: each<Lambda>(FUNCTION, ({ Environment: { Variables = {} } = {} }) =>
      Object.keys(Variables).map((name) => (reserved.has(name) || !/^[A-Za-z]\w+$/.test(name)) && name),
    ),
    broken: variables({ AWS_REGION: 'us-east-1' }),
  },
  {
    name: '4 KB of environment variables',
    source: `${GUIDE}/configuration-envvars.html`,
    // A secret of 48 characters stands behind its reference.
    breaches: each<Lambda>(FUNCTION, ({ Environment: { Variables = {} } = {} }) => [
      outside('bytes of variables', Buffer.byteLength(JSON.stringify(Variables)), 0, 4096),
    ]),
    broken: variables({ LONG: 'x'.repeat(4096) }),
  },
  {
    name: 'age and retries of asynchronous events',
    source: `${API}/API_PutFunctionEventInvokeConfig.html`,
    breaches: each('AWS::Lambda::EventInvokeConfig', ({ MaximumEventAgeInSeconds, MaximumRetryAttempts }) => [
      outside('MaximumEventAgeInSeconds', MaximumEventAgeInSeconds, 60, 21_600),
      outside('MaximumRetryAttempts', MaximumRetryAttempts, 0, 2),
    ]),
    broken: only('AWS::Lambda::EventInvokeConfig', { MaximumEventAgeInSeconds: 30 }),
  },
];
