/**
 * An osls plugin: with `--param webAclArn`, has AWS WAF look at what comes to the REST API. The association waits for the
 * stage, which osls makes with a deployment whose name is another one each time.
 */
export default class WebAcl {
  /** @param {any} serverless */
  constructor(serverless) {
    this.hooks = { 'before:package:finalize': () => addAssociation(serverless.service) };
  }
}

/** @param {{ provider: { compiledCloudFormationTemplate: { Resources: Record<string, { Type: string, [key: string]: unknown }> } }, custom?: { webAcl?: { arn?: string, stage?: string } } }} service */
const addAssociation = ({ provider, custom }) => {
  const { Resources } = provider.compiledCloudFormationTemplate;
  const { arn, stage } = custom?.webAcl ?? {};
  const deployment = Object.keys(Resources).find((id) => Resources[id]?.Type === 'AWS::ApiGateway::Deployment');
  if (!arn || !deployment) return;
  Resources.WebAclAssociation = {
    Type: 'AWS::WAFv2::WebACLAssociation',
    DependsOn: [deployment],
    Properties: {
      WebACLArn: arn,
      ResourceArn: {
        'Fn::Sub': `arn:\${AWS::Partition}:apigateway:\${AWS::Region}::/restapis/\${ApiGatewayRestApi}/stages/${stage}`,
      },
    },
  };
};
