import { readFileSync } from 'node:fs';
import { att, idOf, sub } from './cloudformation.js';
import { urlFunctions } from './options.js';
import { restOrigin } from './rest.js';
import { routesOf } from './routes.js';

/** @typedef {import('./options.js').Options} Options */
/** @typedef {import('./endpoint-table.js').EndpointTable} EndpointTable */

/** AWS's managed policies `CachingDisabled` and `AllViewerExceptHostHeader`: a function URL answers its own host only. */
const CACHING_DISABLED = '4135ea2d-6df8-44a3-9df3-4b5a84be39ad';
const ALL_VIEWER_EXCEPT_HOST = 'b689b0a8-53d0-40ab-baf2-68738e2966ac';
const METHODS = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'POST', 'DELETE'];
/** Seconds CloudFront waits for the first byte and between two: its longest. */
const READ_TIMEOUT = 120;

/** @param {EndpointTable} table */
const pathsOf = ({ endpoints }) => endpoints.flatMap(({ paths }) => paths);

const viewerRequest = readFileSync(new URL('viewer-request.js', import.meta.url), 'utf8').replace(/^export /m, '');

/** @param {string} pattern a route's @returns {string} the regular expression that matches the same, as JavaScript writes it */
const expressionOf = (pattern) => {
  const escaped = pattern.split('*').map((text) => text.replace(/[\\^$.+?()[\]{}|/]/g, '\\$&'));
  return `/^${escaped.join('.*')}$/`;
};

/** The viewer-request function as it is deployed. @param {Options} options @param {EndpointTable} table */
const viewerRequestFor = ({ uploads }, table) => {
  const { routes, otherwise } = routesOf(
    pathsOf(table),
    (path) => table.dialectOf({ match: table.findEndpoint(path), path, headers: {}, family: 'openai' }).name,
  );
  const dialects = [...routes, /** @type {const} */ (['*', otherwise])].map(
    ([pattern, dialect]) => `[${expressionOf(pattern)}, '${dialect}']`,
  );
  return viewerRequest
    .replace('const DIALECTS = []', () => `const DIALECTS = [${dialects.join(', ')}]`)
    .replace('const TAKES_UPLOADS = false', `const TAKES_UPLOADS = ${uploads}`);
};

/** `{{resolve:secretsmanager:...}}`: CloudFormation puts the secret in, the template never holds it. */
const secretReference = sub(`{{resolve:secretsmanager:\${EdgeSecret}}}`);

/** What functions compare `x-origin-secret` with; undefined without an edge. @param {Options} options */
export const edgeSecretOf = ({ edge }) => (edge ? secretReference : undefined);

/** @param {string} name @returns {{ domain: object, path?: string }} */
const urlOrigin = (name) => ({
  // https://<id>.lambda-url.<region>.on.aws/
  domain: { 'Fn::Select': [2, { 'Fn::Split': ['/', att(idOf(name, 'LambdaFunctionUrl'), 'FunctionUrl')] }] },
});

/** @param {string} name @param {{ domain: object, path?: string }} place */
const origin = (name, { domain, path }) => ({
  Id: name,
  DomainName: domain,
  ...(path && { OriginPath: path }),
  CustomOriginConfig: {
    OriginProtocolPolicy: 'https-only',
    OriginSSLProtocols: ['TLSv1.2'],
    OriginReadTimeout: READ_TIMEOUT,
    OriginKeepaliveTimeout: 60,
  },
  // Written by CloudFront over whatever a client sends under this name.
  OriginCustomHeaders: [{ HeaderName: 'x-origin-secret', HeaderValue: secretReference }],
});

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
 * One CloudFront domain in front of all function URLs, which then answer nobody else.
 * @param {Options} options
 * @param {EndpointTable} table
 * @returns {import('./cloudformation.js').Piece}
 */
export const edge = (options, table) => {
  const { door, edge: isOn, edgeDomain, edgeCertificateArn, edgeSecretVersion, name } = options;
  if (!isOn) return {};
  const { routes, otherwise } = routesOf(pathsOf(table), table.functionFor);
  // One API knows the way to all functions.
  const isOneOrigin = door === 'rest';
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
      ViewerRequestFunction: {
        Type: 'AWS::CloudFront::Function',
        Properties: {
          Name: `${name}-viewer-request`,
          AutoPublish: true,
          FunctionCode: viewerRequestFor(options, table),
          FunctionConfig: { Comment: 'No compression; 413 in the dialect', Runtime: 'cloudfront-js-2.0' },
        },
      },
      Distribution: {
        Type: 'AWS::CloudFront::Distribution',
        Properties: {
          DistributionConfig: {
            Enabled: true,
            Comment: name,
            HttpVersion: 'http2and3',
            IPV6Enabled: true,
            Origins: isOneOrigin
              ? [origin('rest', restOrigin(options))]
              : urlFunctions.map((name) => origin(name, urlOrigin(name))),
            DefaultCacheBehavior: behaviour(isOneOrigin ? 'rest' : otherwise),
            CacheBehaviors: isOneOrigin
              ? []
              : routes.map(([PathPattern, name]) => ({ PathPattern, ...behaviour(name) })),
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
