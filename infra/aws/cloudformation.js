/**
 * CloudFormation's intrinsic functions, as short as in its YAML.
 * @see https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
 *
 * @typedef {{ Resources?: Record<string, object>, Outputs?: Record<string, object> }} Piece a part of the stack
 */

/** @param {string} logicalId */
export const ref = (logicalId) => ({ Ref: logicalId });

/** @param {string} logicalId @param {string} [attribute] */
export const att = (logicalId, attribute = 'Arn') => ({ 'Fn::GetAtt': [logicalId, attribute] });

/** @param {string} text with `${LogicalId}`, `${LogicalId.Attribute}` or `${AWS::Region}` in it */
export const sub = (text) => ({ 'Fn::Sub': text });

/** An ARN in this stack's partition, region and account. @param {string} service @param {string} resource */
export const arn = (service, resource) =>
  sub(`arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${resource}`);

/** osls's logical id of a part of a function: `openai`, `Role` -> `OpenaiRole`. @param {string} name @param {string} kind */
export const idOf = (name, kind) => `${name[0]?.toUpperCase()}${name.slice(1)}${kind}`;

/** @param {string} service who may take the role on, e.g. `lambda.amazonaws.com` @param {object} [condition] on whose behalf */
export const trust = (service, condition) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: service },
      Action: 'sts:AssumeRole',
      ...(condition && { Condition: condition }),
    },
  ],
});

/** @param {string} name @param {object[]} statements */
export const policy = (name, statements) => ({
  PolicyName: name,
  PolicyDocument: { Version: '2012-10-17', Statement: statements },
});
