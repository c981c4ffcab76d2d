import { att, ref } from './cloudformation.js';

/** States on the way up: a worker counts once it runs, and the next minute's run lists it as pending. */
const early = ['PROVISIONING', 'PENDING', 'ACTIVATING'];

/**
 * Starts the registrar when a task of the workers' clusters starts to run, is told to stop or has stopped. A late
 * event is worth nothing (the schedule looks every minute), so none is kept.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
 * @param {import('./options.js').Options} options
 * @returns {import('./cloudformation.js').Piece}
 */
export const registrar = ({ clusters }) =>
  clusters.length === 0
    ? {}
    : {
        Resources: {
          RegistrarTaskRule: {
            Type: 'AWS::Events::Rule',
            Properties: {
              Description: 'ECS tasks of the inference workers come and go',
              EventPattern: {
                source: ['aws.ecs'],
                'detail-type': ['ECS Task State Change'],
                detail: {
                  clusterArn: clusters.map((cluster) => ({ suffix: `:cluster/${cluster}` })),
                  lastStatus: [{ 'anything-but': early }],
                },
              },
              Targets: [
                {
                  Id: 'registrar',
                  Arn: att('RegistrarLambdaFunction'),
                  RetryPolicy: { MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 1 },
                },
              ],
            },
          },
          RegistrarTaskRulePermission: {
            Type: 'AWS::Lambda::Permission',
            Properties: {
              FunctionName: ref('RegistrarLambdaFunction'),
              Action: 'lambda:InvokeFunction',
              Principal: 'events.amazonaws.com',
              SourceArn: att('RegistrarTaskRule'),
            },
          },
        },
      };
