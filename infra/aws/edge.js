import { readFileSync } from 'node:fs';
import { att, idOf, sub } from './cloudformation.js';
import { urlFunctions } from './options.js';

/** @typedef {import('./options.js').Options} Options */

/** AWS's managed policies `CachingDisabled` and `AllViewerExceptHostHeader`: a function URL answers its own host only. */
const CACHING_DISABLED = '4135ea2d-6df8-44a3-9df3-4b5a84be39ad';
const ALL_VIEWER_EXCEPT_HOST = 'b689b0a8-53d0-40ab-baf2-68738e2966ac';
const METHODS = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'PATCH', 'POST', 'DELETE'];
/** Seconds CloudFront waits for the first byte and between two: its longest. */
const READ_TIMEOUT = 120;

/**
 * Which function serves a path; the first match counts, what matches nothing is `openai`'s.
 * @type {readonly (readonly [pattern: string, functionName: string])[]}
 */
const routes = [
  ['/api/nodes*', 'nodes'],
  ['/api/*', 'ollama'],
  ['/', 'ollama'],
  ['/v1/messages*', 'anthropic'],
  ['/messages*', 'anthropic'],
  ['/v1/audio/*', 'audio'],
  ['/audio/*', 'audio'],
  ['/tts*', 'audio'],
  ['/v1/text-to-speech/*', 'audio'],
  ['/v1/sound-generation*', 'audio'],
  ['/v1/uploads*', 'audio'],
  ['/v1/images/*', 'images'],
  ['/images/*', 'images'],
  ['/v1/rerank*', 'rerank'],
  ['/rerank*', 'rerank'],
  ['/v1/vad*', 'vad'],
  ['/vad*', 'vad'],
];

const viewerRequest = readFileSync(new URL('viewer-request.js', import.meta.url), 'utf8').replace(/^export /m, '');

/** The viewer-request function as it is deployed. @param {Options} options */
const viewerRequestFor = ({ uploads }) =>
  uploads ? viewerRequest.replace('const TAKES_UPLOADS = false', 'const TAKES_UPLOADS = true') : viewerRequest;

/** `{{resolve:secretsmanager:...}}`: CloudFormation puts the secret in, the template never holds it. */
const secretReference = sub(`{{resolve:secretsmanager:\${EdgeSecret}}}`);

/** What functions compare `x-origin-secret` with; undefined without an edge. @param {Options} options */
export const edgeSecretOf = ({ edge }) => (edge ? secretReference : undefined);

/** @param {string} name */
const origin = (name) => ({
  Id: name,
  // https://<id>.lambda-url.<region>.on.aws/
  DomainName: { 'Fn::Select': [2, { 'Fn::Split': ['/', att(idOf(name, 'LambdaFunctionUrl'), 'FunctionUrl')] }] },
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
 * @returns {import('./cloudformation.js').Piece}
 */
export const edge = (options) => {
  const { edge: isOn, edgeDomain, edgeCertificateArn, edgeSecretVersion, name } = options;
  if (!isOn) return {};
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
          FunctionCode: viewerRequestFor(options),
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
            Origins: urlFunctions.map(origin),
            DefaultCacheBehavior: behaviour('openai'),
            CacheBehaviors: routes.map(([PathPattern, target]) => ({ PathPattern, ...behaviour(target) })),
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
    },
  };
};
