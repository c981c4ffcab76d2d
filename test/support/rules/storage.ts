import { each, ill, only, type Rule, tooMany } from './rule.ts';

const PARAMETER = 'AWS::SSM::Parameter';
const BUCKET = 'AWS::S3::Bucket';

interface Bucket {
  readonly BucketName?: string;
  readonly CorsConfiguration?: { readonly CorsRules: readonly { readonly AllowedOrigins: readonly string[] }[] };
  readonly LifecycleConfiguration?: { readonly Rules: readonly { readonly Id?: string }[] };
}

export const storageRules: readonly Rule[] = [
  {
    name: 'a parameter`s name, depth, value and description',
    source: 'https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html',
    breaches: each<Readonly<Record<'Name' | 'Value' | 'Description' | 'AllowedPattern', string | undefined>>>(
      PARAMETER,
      ({ Name = '', Value, Description, AllowedPattern }) => [
        // With `arn:<partition>:ssm:<region>:<account>:parameter` in front, 1,011 in all.
        ill('name', Name, 1011 - 'arn:aws-us-gov:ssm:ap-southeast-1:123456789012:parameter'.length, /^[\w.\-/]+$/),
        /^\/?(aws|ssm)/i.test(Name) && `${Name} begins as AWS's own do`,
        tooMany('levels', Name.split('/').filter(Boolean), 15),
        ill('value', Value, 4096),
        ill('description', Description, 1024),
        ill('pattern', AllowedPattern, 1024),
        !new RegExp(AllowedPattern ?? '').test(Value ?? '') && `${Value} is not ${AllowedPattern}`,
      ],
    ),
    broken: only(PARAMETER, { Name: '/aws/gateway' }),
  },
  {
    name: 'a secret`s name and description',
    source: 'https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html',
    breaches: each('AWS::SecretsManager::Secret', ({ Name, Description }) => [
      ill('name', Name, 512, /^[\w/+=.@-]+$/),
      /-\w{6}$/.test(String(Name ?? '')) && `${Name} ends as the ARN of another would`,
      ill('description', Description, 2048),
    ]),
    broken: only('AWS::SecretsManager::Secret', { Name: 'gateway secret' }),
  },
  {
    name: 'a bucket`s name',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html',
    breaches: each<Bucket>(BUCKET, ({ BucketName }) => [ill('name', BucketName, 63, /^[a-z0-9][a-z0-9.-]+[a-z0-9]$/)]),
    broken: only(BUCKET, { BucketName: 'Uploads' }),
  },
  {
    name: 'a bucket`s CORS and lifecycle rules',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html',
    breaches: each<Bucket>(BUCKET, ({ CorsConfiguration, LifecycleConfiguration }) => [
      tooMany('CORS rules', CorsConfiguration?.CorsRules, 100),
      ...(CorsConfiguration?.CorsRules ?? []).flatMap(({ AllowedOrigins }) =>
        AllowedOrigins.map((origin) => origin.split('*').length > 2 && `${origin} has two stars`),
      ),
      ...(LifecycleConfiguration?.Rules ?? []).map(({ Id }) => ill('rule', Id, 255)),
    ]),
    broken: only(BUCKET, { CorsConfiguration: { CorsRules: [{ AllowedOrigins: ['https://*.a.*'] }] } }),
  },
];
