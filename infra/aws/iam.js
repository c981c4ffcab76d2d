import { arn, att, idOf, policy, sub, trust } from './cloudformation.js';
import { urlFunctions } from './options.js';
import { uploadStatements } from './uploads.js';

/** @typedef {import('./options.js').Options} Options */

const settings = ['expose-node-header', 'api-keys', 'admin-keys', 'worker-keys', 'aliases'];

/** Its own log group only; osls creates the group, so that no function needs to. @param {string} name */
const writeLogs = (name) => ({
  Effect: 'Allow',
  Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
  Resource: att(idOf(name, 'LogGroup')),
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

/** One `GetParameters` with fixed names: refused as a whole when one of them is. @param {Options} options */
const readConfiguration = ({ prefix }) => ({
  Effect: 'Allow',
  Action: 'ssm:GetParameters',
  Resource: [...settings, 'fleet/*'].map((name) => arn('ssm', `parameter${prefix}/runtime/${name}`)),
});

/** @param {Options} options */
const registrar = ({ prefix, clusters }) => [
  {
    Effect: 'Allow',
    Action: 'ssm:GetParametersByPath',
    Resource: [arn('ssm', `parameter${prefix}/services`), arn('ssm', `parameter${prefix}/services/*`)],
  },
  {
    Effect: 'Allow',
    Action: 'ssm:GetParameters',
    Resource: ['fleet/*', 'worker-keys'].map((name) => arn('ssm', `parameter${prefix}/runtime/${name}`)),
  },
  { Effect: 'Allow', Action: 'ssm:PutParameter', Resource: arn('ssm', `parameter${prefix}/runtime/fleet/*`) },
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
      ]),
];

/** @param {string} name @param {object[]} statements */
const role = (name, statements) => ({
  [idOf(name, 'Role')]: {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: trust('lambda.amazonaws.com'),
      Policies: [policy(name, [writeLogs(name), ...statements])],
    },
  },
});

/**
 * One role per function: its own log group, its own parameters, its own clusters.
 * @param {Options} options
 * @returns {import('./cloudformation.js').Piece}
 */
export const iam = (options) => {
  const roleOf = (/** @type {string} */ name, /** @type {object[]} */ own) =>
    role(name, [...own, ...decrypt(options), ...attachToVpc(options, name)]);
  const readers = urlFunctions.map((name) =>
    roleOf(name, [readConfiguration(options), ...uploadStatements(options, name)]),
  );
  const writer = roleOf('registrar', registrar(options));
  return { Resources: Object.assign({}, ...readers, writer) };
};
