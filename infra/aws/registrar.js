import { att, ref } from './cloudformation.js';

/** States on the way up: a worker counts once it runs, and the next minute's run lists it as pending. */
const early = ['PROVISIONING', 'PENDING', 'ACTIVATING'];

/**
 * A rule that starts the registrar. A late event is worth nothing (the schedule looks every minute), so none is kept.
 * @param {string} id @param {string} about @param {object} pattern
 */
const starting = (id, about, pattern) => ({
  [id]: {
    Type: 'AWS::Events::Rule',
    Properties: {
      Description: about,
      EventPattern: pattern,
      Targets: [
        {
          Id: 'registrar',
          Arn: att('RegistrarLambdaFunction'),
          RetryPolicy: { MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 1 },
        },
      ],
    },
  },
  [`${id}Permission`]: {
    Type: 'AWS::Lambda::Permission',
    Properties: {
      FunctionName: ref('RegistrarLambdaFunction'),
      Action: 'lambda:InvokeFunction',
      Principal: 'events.amazonaws.com',
      SourceArn: att(id),
    },
  },
});

/**
 * What starts the registrar beside its schedule: a task of the workers' clusters that starts to run, is told to stop or
 * has stopped; and a gateway that wants a service which sleeps.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
 * @see https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-cwe.html
 * @param {import('./options.js').Options} options
 * @returns {import('./cloudformation.js').Piece}
 */
export const registrar = ({ clusters, prefix }) =>
  clusters.length === 0
    ? {}
    : {
        Resources: {
          ...starting('RegistrarTaskRule', 'ECS tasks of the inference workers come and go', {
            source: ['aws.ecs'],
            'detail-type': ['ECS Task State Change'],
            detail: {
              clusterArn: clusters.map((cluster) => ({ suffix: `:cluster/${cluster}` })),
              lastStatus: [{ 'anything-but': early }],
            },
          }),
          ...starting('RegistrarWakeRule', 'Somebody asks for a service that may sleep', {
            source: ['aws.ssm'],
            'detail-type': ['Parameter Store Change'],
            detail: { name: [{ prefix: `${prefix}/runtime/wake/` }], operation: ['Create', 'Update'] },
          }),
        },
      };
