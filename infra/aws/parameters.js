/**
 * What an operator switches at run time (docs/contract.md 9), with its values at the first deploy. A later deploy leaves
 * changed values alone: CloudFormation looks at its own template only. Keys are SecureStrings, which CloudFormation
 * cannot create, and the fleet is the registrar's.
 * @param {import('./options.js').Options} options
 * @returns {import('./cloudformation.js').Piece}
 */
export const parameters = ({ prefix }) => ({
  Resources: {
    ExposeNodeHeaderParameter: {
      Type: 'AWS::SSM::Parameter',
      Properties: {
        Name: `${prefix}/runtime/expose-node-header`,
        Type: 'String',
        Value: 'false',
        AllowedPattern: '^(true|false)$',
        Description: 'true: responses carry X-LocalAI-Node',
      },
    },
    AliasesParameter: {
      Type: 'AWS::SSM::Parameter',
      Properties: {
        Name: `${prefix}/runtime/aliases`,
        Type: 'String',
        Value: '{}',
        Description: 'JSON: the name a client uses -> the name workers know',
      },
    },
  },
});
