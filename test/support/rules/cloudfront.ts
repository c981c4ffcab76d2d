import { each, ill, only, outside, type Rule, tooMany } from './rule.ts';

const GUIDE = 'https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide';
const DISTRIBUTION = 'AWS::CloudFront::Distribution';
const FUNCTION = 'AWS::CloudFront::Function';

interface Times {
  readonly OriginReadTimeout?: number;
  readonly OriginKeepaliveTimeout?: number;
}
interface Distribution {
  readonly DistributionConfig: {
    readonly Comment?: string;
    readonly Aliases?: readonly string[];
    readonly Origins?: readonly {
      readonly Id?: string;
      readonly OriginCustomHeaders?: readonly { readonly HeaderName: string; readonly HeaderValue?: string }[];
      readonly CustomOriginConfig?: Times;
      readonly VpcOriginConfig?: Times;
      readonly S3OriginConfig?: object;
    }[];
    readonly CacheBehaviors?: readonly { readonly PathPattern: string }[];
  };
}
interface CodeFunction {
  readonly Name: string;
  readonly FunctionCode: string;
  readonly FunctionConfig: { readonly Comment: string };
}

/** To lower case; those with a star are beginnings. */
const deniedToOrigins = [
  ...['cache-control', 'connection', 'content-length', 'cookie', 'host', 'if-match', 'if-modified-since'],
  ...['if-none-match', 'if-range', 'if-unmodified-since', 'max-forwards', 'pragma', 'proxy-authenticate'],
  ...['proxy-authorization', 'proxy-connection', 'range', 'request-range', 'te', 'trailer', 'transfer-encoding'],
  ...['upgrade', 'via', 'x-amz-*', 'x-edge-*', 'x-real-ip'],
];
const deniedToFunctions = [
  ...['connection', 'expect', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection'],
  ...['trailer', 'upgrade', 'x-accel-*', 'x-amz-cf-*', 'x-amzn-*', 'x-cache', 'x-edge-*', 'x-forwarded-proto'],
  'x-real-ip',
];
const readOnlyToFunctions = ['content-length', 'host', 'transfer-encoding', 'via'];
const isOneOf = (list: readonly string[], name: string) =>
  list.some((one) =>
    one.endsWith('*') ? name.toLowerCase().startsWith(one.slice(0, -1)) : name.toLowerCase() === one,
  );

const distribution = (config: Distribution['DistributionConfig']) => only(DISTRIBUTION, { DistributionConfig: config });
const code = (FunctionCode: string, Name = 'f') =>
  only(FUNCTION, { Name, FunctionCode, FunctionConfig: { Comment: '' } });

export const cloudfrontRules: readonly Rule[] = [
  {
    name: 'headers that CloudFront adds to no origin request',
    source: `${GUIDE}/add-origin-custom-headers.html#add-origin-custom-headers-denylist`,
    breaches: each<Distribution>(DISTRIBUTION, ({ DistributionConfig: { Origins = [] } }) =>
      Origins.flatMap(({ OriginCustomHeaders = [] }) =>
        OriginCustomHeaders.map(({ HeaderName }) => isOneOf(deniedToOrigins, HeaderName) && HeaderName),
      ),
    ),
    broken: distribution({ Origins: [{ OriginCustomHeaders: [{ HeaderName: 'X-Edge-Secret' }] }] }),
  },
  {
    name: 'number and size of custom headers, origins, behaviours and aliases',
    source: `${GUIDE}/cloudfront-limits.html`,
    breaches: each<Distribution>(DISTRIBUTION, ({ DistributionConfig: { Origins = [], CacheBehaviors, Aliases } }) => [
      tooMany('behaviours', CacheBehaviors, 75),
      tooMany('origins', Origins, 25),
      tooMany('aliases', Aliases, 100),
      ...Origins.flatMap(({ OriginCustomHeaders = [] }) => [
        tooMany('headers', OriginCustomHeaders, 10),
        ...OriginCustomHeaders.flatMap(({ HeaderName, HeaderValue }) => [
          ill('header', HeaderName, 256),
          ill('value', HeaderValue, 1783),
        ]),
      ]),
    ]),
    broken: distribution({ CacheBehaviors: Array.from({ length: 76 }, (_, n) => ({ PathPattern: `/${n}` })) }),
  },
  {
    name: 'letters and length of path patterns, each of them once',
    source: `${GUIDE}/DownloadDistValuesCacheBehavior.html#DownloadDistValuesPathPattern`,
    breaches: each<Distribution>(DISTRIBUTION, ({ DistributionConfig: { CacheBehaviors = [] } }) => [
      ...CacheBehaviors.map(({ PathPattern }) => ill('pattern', PathPattern, 255, /^[\w\-.*$/~"'@:+&?]+$/)),
      new Set(CacheBehaviors.map(({ PathPattern }) => PathPattern)).size < CacheBehaviors.length && 'a pattern twice',
    ]),
    broken: distribution({ CacheBehaviors: [{ PathPattern: '/v1/{model}' }] }),
  },
  {
    name: 'seconds to wait for an origin, and to keep its connection',
    source: `${GUIDE}/DownloadDistValuesOrigin.html`,
    breaches: each<Distribution>(DISTRIBUTION, ({ DistributionConfig: { Origins = [] } }) =>
      Origins.flatMap(({ CustomOriginConfig = {}, VpcOriginConfig = {} }) =>
        [CustomOriginConfig, VpcOriginConfig].flatMap(({ OriginReadTimeout, OriginKeepaliveTimeout }) => [
          outside('OriginReadTimeout', OriginReadTimeout, 1, 120),
          outside('OriginKeepaliveTimeout', OriginKeepaliveTimeout, 1, 120),
        ]),
      ),
    ),
    broken: distribution({ Origins: [{ VpcOriginConfig: { OriginReadTimeout: 900 } }] }),
  },
  {
    name: 'an origin is one of three kinds',
    source: 'https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_Origin.html',
    breaches: each<Distribution>(DISTRIBUTION, ({ DistributionConfig: { Origins = [] } }) =>
      Origins.map(({ Id, CustomOriginConfig, VpcOriginConfig, S3OriginConfig }) => {
        const kinds = [CustomOriginConfig, VpcOriginConfig, S3OriginConfig].filter((one) => one !== undefined);
        return kinds.length !== 1 && `${Id}: ${kinds.length} kinds`;
      }),
    ),
    broken: distribution({ Origins: [{ Id: 'both', CustomOriginConfig: {}, VpcOriginConfig: {} }] }),
  },
  {
    name: 'length of a distribution`s comment',
    source: 'https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_DistributionConfig.html',
    breaches: each<Distribution>(DISTRIBUTION, ({ DistributionConfig: { Comment } }) => [ill('comment', Comment, 128)]),
    broken: distribution({ Comment: 'x'.repeat(129) }),
  },
  {
    name: 'name, comment and size of a function',
    source: 'https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateFunction.html',
    breaches: each<CodeFunction>(FUNCTION, ({ Name, FunctionCode, FunctionConfig: { Comment } }) => [
      ill('name', Name, 64, /^[\w-]+$/),
      ill('comment', Comment, 128),
      outside('bytes', Buffer.byteLength(FunctionCode), 1, 10_240),
    ]),
    broken: code('x', 'n'.repeat(65)),
  },
  {
    name: 'headers that a function may not touch, or only read',
    source: `${GUIDE}/edge-function-restrictions-all.html#function-restrictions-headers`,
    breaches: each<CodeFunction>(FUNCTION, ({ FunctionCode }) => {
      const names = [...FunctionCode.matchAll(/['"]([a-z][a-z-]+)['"]/gi)].map(([, name = '']) => name);
      const written = [
        ...FunctionCode.matchAll(/['"]([\w-]+)['"]\s*:\s*\{\s*value/g),
        ...FunctionCode.matchAll(/(?:delete\s+[\w.]*headers\[|headers\[(?=[^\]]*\]\s*=[^=]))['"]([\w-]+)/g),
      ].map(([, name = '']) => name);
      return [
        ...names.map((name) => isOneOf(deniedToFunctions, name) && name),
        ...written.map((name) => isOneOf(readOnlyToFunctions, name) && `${name} is read-only`),
      ];
    }),
    broken: code("function handler(event) { delete event.request.headers['host']; return event.request; }"),
  },
];
