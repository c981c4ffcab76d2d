import { arn, policy, ref, trust } from '../cloudformation.js';
import { gatewayStatements, writeLogs } from '../iam.js';
import { urlFunctions } from '../url-functions.js';
import { repositoryOf } from './image.js';

/** @typedef {import('../options.js').Options} Options */

/** What pulling the image takes. @param {Options} options */
const pull = ({ containerImage }) => {
  const repository = repositoryOf(containerImage);
  return repository
    ? [
        // A token is for the whole registry: IAM knows no narrower resource.
        { Effect: 'Allow', Action: 'ecr:GetAuthorizationToken', Resource: '*' },
        {
          Effect: 'Allow',
          Action: ['ecr:BatchCheckLayerAvailability', 'ecr:BatchGetImage', 'ecr:GetDownloadUrlForLayer'],
          Resource: repository,
        },
      ]
    : [];
};

/**
 * Two roles: what the gateway in a task may do, all families' rights in one; and what Fargate may, to start it.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
 * @param {Options} options
 */
export const roles = (options) => ({
  ContainerTaskRole: {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: trust('ecs-tasks.amazonaws.com', {
        StringEquals: { 'aws:SourceAccount': ref('AWS::AccountId') },
        ArnLike: { 'aws:SourceArn': arn('ecs', '*') },
      }),
      Policies: [policy('gateway', gatewayStatements(options, urlFunctions))],
    },
  },
  ContainerExecutionRole: {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: trust('ecs-tasks.amazonaws.com'),
      Policies: [policy('start', [writeLogs('ContainerLogGroup'), ...pull(options)])],
    },
  },
});
