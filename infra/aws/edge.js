import { att, idOf, sub } from './cloudformation.js';
import { containerOrigin, vpcOrigin } from './container/vpc-origin.js';
import { restOrigin } from './rest.js';
import { routesOf } from './routes.js';
import { urlFunctions } from './url-functions.js';
import { viewerRequestFunction } from './viewer-request-function.js';

/** @typedef {import('./options.js').Options} Options */
/** @typedef {import('./endpoint-table.js').EndpointTable} EndpointTable */

/** AWS's managed policies `CachingDisabled` and `AllViewerExceptHostHeader`: a function URL answers its own host only. */
const CACHING_DISABLED = '4135ea2d-6df8-44a3-9df3-4b5a84be39ad';
const ALL_VIEWER_EXCEPT_HOST = 'b689b0a8-53d0-40ab-baf2-68738e2966ac';
const METHODS = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'POST', 'DELETE'];
/** Seconds CloudFront waits for the first byte and between two: its longest. */
const TIMES = { OriginReadTimeout: 120, OriginKeepaliveTimeout: 60 };

/** `{{resolve:secretsmanager:...}}`: CloudFormation puts the secret in, the template never holds it. */
const secretReference = sub(`{{resolve:secretsmanager:\${EdgeSecret}}}`);

/** What functions compare `x-origin-secret` with; undefined without an edge. @param {Options} options */
export const edgeSecretOf = ({ edge }) => (edge ? secretReference : undefined);

/**
 * @typedef {{ domain: object | string, path?: string, config?: object }} Place where CloudFront finds something; `config`:
 *   how it gets there, where that is not over the internet
 */

/** @param {string} name @returns {Place} */
const urlOrigin = (name) => ({
  // https://<id>.lambda-url.<region>.on.aws/
  domain: { 'Fn::Select': [2, { 'Fn::Split': ['/', att(idOf(name, 'LambdaFunctionUrl'), 'FunctionUrl')] }] },
});

const overInternet = {
  CustomOriginConfig: { OriginProtocolPolicy: 'https-only', OriginSSLProtocols: ['TLSv1.2'], ...TIMES },
};

/** @param {string} name @param {Place} place */
const origin = (name, { domain, path, config = overInternet }) => ({
  Id: name,
  DomainName: domain,
  ...(path && { OriginPath: path }),
  ...config,
  // Written by CloudFront over whatever a client sends under this name.
  OriginCustomHeaders: [{ HeaderName: 'x-origin-secret', HeaderValue: secretReference }],
});

/** What knows the way to all families by itself. @param {Options} options @returns {Place | undefined} */
const onePlace = (options) => {
  if (options.door === 'rest') return restOrigin(options);
  return options.door === 'container' ? containerOrigin(options, TIMES) : undefined;
};

/** @param {string} name */
const behaviour = (name) => ({
  TargetOriginId: name,
  ViewerProtocolPolicy: 'https-only',
  AllowedMethods: METHODS,
  CachePolicyId: CACHING_DISABLED,
  OriginRequestPolicyId: ALL_VIEWER_EXCEPT_HOST,
  Compress: false,
  FunctionAssociations: [{ EventType: 'viewer-request', FunctionARN: att('ViewerRequestFunction', 'FunctionARN') }],
});

/**
 * One CloudFront domain in front of the door, which then answers nobody else.
 * @param {Options} options
 * @param {EndpointTable} table
 * @returns {import('./cloudformation.js').Piece}
 */
export const edge = (options, table) => {
  const { door, edge: isOn, edgeDomain, edgeCertificateArn, edgeSecretVersion, name } = options;
  if (!isOn) return {};
  const { routes, otherwise } = routesOf(
    table.endpoints.flatMap(({ paths }) => paths),
    table.functionFor,
  );
  const place = onePlace(options);
  return {
    Resources: {
      EdgeSecret: {
        Type: 'AWS::SecretsManager::Secret',
        Properties: {
          // Another version is another secret, and so a new value everywhere it is used.
          Name: `${name}/edge-secret-${edgeSecretVersion}`,
          Description: 'Header x-origin-secret: the function URLs answer only what CloudFront sends',
          GenerateSecretString: { PasswordLength: 48, ExcludePunctuation: true },
        },
      },
      ViewerRequestFunction: viewerRequestFunction(options, table),
      ...(door === 'container' && vpcOrigin(options)),
      Distribution: {
        Type: 'AWS::CloudFront::Distribution',
        // Requests move to another door when it is open, and the one before is closed after that.
        ...(door === 'container' && { DependsOn: ['ContainerService'] }),
        Properties: {
          DistributionConfig: {
            Enabled: true,
            Comment: name,
            HttpVersion: 'http2and3',
            IPV6Enabled: true,
            Origins: place ? [origin(door, place)] : urlFunctions.map((name) => origin(name, urlOrigin(name))),
            DefaultCacheBehavior: behaviour(place ? door : otherwise),
            CacheBehaviors: place ? [] : routes.map(([PathPattern, name]) => ({ PathPattern, ...behaviour(name) })),
            ...(edgeDomain && {
              Aliases: [edgeDomain],
              ViewerCertificate: {
                AcmCertificateArn: edgeCertificateArn,
                SslSupportMethod: 'sni-only',
                MinimumProtocolVersion: 'TLSv1.2_2021',
              },
            }),
          },
        },
      },
    },
    Outputs: {
      GatewayUrl: {
        Description: 'Base URL of all families',
        Value: edgeDomain ? `https://${edgeDomain}` : sub(`https://\${Distribution.DomainName}`),
      },
      ...(edgeDomain && {
        EdgeTarget: {
          Description: `What the DNS record of ${edgeDomain} must name`,
          Value: att('Distribution', 'DomainName'),
        },
      }),
    },
  };
};
