import { arn, att, idOf, policy, sub, trust } from './cloudformation.js';
import { uploadStatements } from './uploads.js';
import { urlFunctions } from './url-functions.js';

/** @typedef {import('./options.js').Options} Options */

/** Below `runtime/`: what a gateway reads. */
const configuration = ['expose-node-header', 'api-keys', 'admin-keys', 'worker-keys', 'aliases', 'fleet/*', 'wake/*'];

/** Its own log group only, which the stack makes. @param {string} logGroup its logical id */
export const writeLogs = (logGroup) => ({
  Effect: 'Allow',
  Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
  Resource: att(logGroup),
});

/** SecureStrings under the account's `aws/ssm` key need nothing more; under a key of the team, this. @param {Options} options */
const decrypt = ({ kmsKeyArn, prefix }) =>
  kmsKeyArn
    ? [
        {
          Effect: 'Allow',
          Action: 'kms:Decrypt',
          Resource: kmsKeyArn,
          Condition: {
            StringEquals: { 'kms:ViaService': sub(`ssm.\${AWS::Region}.amazonaws.com`) },
            StringLike: { 'kms:EncryptionContext:PARAMETER_ARN': arn('ssm', `parameter${prefix}/runtime/*`) },
          },
        },
      ]
    : [];

const interfaceActions = [
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:AssignPrivateIpAddresses',
  'ec2:UnassignPrivateIpAddresses',
];
const lookActions = ['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets'];

/**
 * What the Lambda service needs to hang a function into a VPC, denied to the function's own code.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
 * @param {Options} options @param {string} name
 */
const attachToVpc = ({ network, name: stack }, name) =>
  network === 'none'
    ? []
    : [
        { Effect: 'Allow', Action: interfaceActions, Resource: arn('ec2', '*/*') },
        // EC2 knows no narrower resource for these two.
        { Effect: 'Allow', Action: lookActions, Resource: '*' },
        {
          Effect: 'Deny',
          Action: [...interfaceActions, ...lookActions],
          Resource: '*',
          Condition: { ArnEquals: { 'lambda:SourceFunctionArn': arn('lambda', `function:${stack}-${name}`) } },
        },
      ];

/** @param {Options} options @param {string} action @param {string[]} names below `runtime/` */
const onParameters = ({ prefix }, action, names) => ({
  Effect: 'Allow',
  Action: action,
  Resource: names.map((name) => arn('ssm', `parameter${prefix}/runtime/${name}`)),
});

/**
 * One `GetParameters` with fixed names: refused as a whole when one of them is. What a gateway writes is when a service
 * was wanted, and nothing else: how many tasks that makes is the registrar's to say.
 * @param {Options} options
 */
const gateway = (options) => [
  onParameters(options, 'ssm:GetParameters', configuration),
  onParameters(options, 'ssm:PutParameter', ['wake/*']),
];

/**
 * `GET /api/services` tells since when a service has nothing to do, and a wake whether it is one that may sleep.
 * @param {Options} options
 */
const nodes = ({ prefix }) => ({
  Effect: 'Allow',
  Action: 'ssm:GetParameters',
  Resource: ['runtime/scale/*', 'services/*'].map((name) => arn('ssm', `parameter${prefix}/${name}`)),
});

/** @param {Options} options */
const registrar = (options) => [
  {
    Effect: 'Allow',
    Action: 'ssm:GetParametersByPath',
    Resource: ['services', 'services/*'].map((name) => arn('ssm', `parameter${options.prefix}/${name}`)),
  },
  onParameters(options, 'ssm:GetParameters', ['fleet/*', 'worker-keys', 'wake/*', 'scale/*']),
  onParameters(options, 'ssm:PutParameter', ['fleet/*', 'scale/*']),
  ...onClusters(options),
];

/** ECS, in these clusters and no other. @param {Options} options */
const onClusters = ({ clusters }) => [
  ...(clusters.length === 0
    ? []
    : [
        {
          Effect: 'Allow',
          Action: 'ecs:ListTasks',
          // Listing by service has no resource of its own; the cluster is held by the condition.
          Resource: '*',
          Condition: { ArnEquals: { 'ecs:cluster': clusters.map((cluster) => arn('ecs', `cluster/${cluster}`)) } },
        },
        {
          Effect: 'Allow',
          Action: 'ecs:DescribeTasks',
          Resource: clusters.map((cluster) => arn('ecs', `task/${cluster}/*`)),
        },
        {
          Effect: 'Allow',
          // The count is all it changes; IAM has no condition that says so.
          Action: ['ecs:DescribeServices', 'ecs:UpdateService'],
          Resource: clusters.map((cluster) => arn('ecs', `service/${cluster}/*`)),
        },
      ]),
];

/** @param {string} name @param {object[]} statements */
const role = (name, statements) => ({
  [idOf(name, 'Role')]: {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: trust('lambda.amazonaws.com'),
      Policies: [policy(name, [writeLogs(idOf(name, 'LogGroup')), ...statements])],
    },
  },
});

/**
 * What the gateway of these families may do.
 * @param {Options} options @param {readonly string[]} names one function's, or all that a container stands for
 */
export const gatewayStatements = (options, names) => [
  ...gateway(options),
  ...(names.includes('nodes') ? [nodes(options)] : []),
  ...uploadStatements(options, names),
  ...decrypt(options),
];

/**
 * One role per function: its own log group, its own parameters, its own clusters.
 * @param {Options} options
 * @returns {import('./cloudformation.js').Piece}
 */
export const iam = (options) => {
  const roleOf = (/** @type {string} */ name, /** @type {object[]} */ own) =>
    role(name, [...own, ...attachToVpc(options, name)]);
  const readers = options.door === 'container' ? [] : urlFunctions;
  return {
    Resources: Object.assign(
      {},
      ...readers.map((name) => roleOf(name, gatewayStatements(options, [name]))),
      roleOf('registrar', [...registrar(options), ...decrypt(options)]),
    ),
  };
};
