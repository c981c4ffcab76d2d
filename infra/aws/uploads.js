import { att, ref, sub } from './cloudformation.js';

/** @typedef {import('./options.js').Options} Options */

/** The functions whose endpoints take uploads, and the folders of the bucket each of them uses. */
const folders = /** @type {const} */ ({ audio: ['uploads'], images: ['uploads', 'images'] });

/** @param {string} path */
const inBucket = (path) => sub(`\${UploadBucket.Arn}/${path}/*`);

/**
 * What a function may do in the bucket; nothing for those that take no uploads.
 * @param {Options} options @param {readonly string[]} names of the function, or of those that a container stands for
 */
export const uploadStatements = ({ uploads }, names) => {
  const own = [...new Set(Object.entries(folders).flatMap(([name, its]) => (names.includes(name) ? its : [])))];
  if (!uploads || own.length === 0) return [];
  return [
    { Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject'], Resource: own.map(inBucket) },
    { Effect: 'Allow', Action: 's3:DeleteObject', Resource: inBucket('uploads') },
    // Without it S3 says 403 of an object that is not there.
    { Effect: 'Allow', Action: 's3:ListBucket', Resource: att('UploadBucket') },
  ];
};

/** `GATEWAY_UPLOAD_BUCKET`. @param {Options} options */
export const uploadBucketOf = ({ uploads }) => (uploads ? ref('UploadBucket') : undefined);

/** @param {readonly string[]} origins */
const corsOf = (origins) =>
  origins.length > 0 && {
    CorsConfiguration: {
      CorsRules: [{ AllowedMethods: ['GET', 'POST'], AllowedOrigins: origins, AllowedHeaders: ['*'], MaxAge: 7200 }],
    },
  };

/**
 * A private bucket for media beyond Lambda's 6 MB; what lies in it is gone after a day.
 * @param {Options} options
 * @returns {import('./cloudformation.js').Piece}
 */
export const uploads = ({ uploads: isOn, corsOrigins }) =>
  isOn
    ? {
        Resources: {
          UploadBucket: {
            Type: 'AWS::S3::Bucket',
            Properties: {
              BucketEncryption: {
                ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
              },
              PublicAccessBlockConfiguration: {
                BlockPublicAcls: true,
                BlockPublicPolicy: true,
                IgnorePublicAcls: true,
                RestrictPublicBuckets: true,
              },
              OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
              LifecycleConfiguration: { Rules: [{ Id: 'one-day', Status: 'Enabled', ExpirationInDays: 1 }] },
              ...corsOf(corsOrigins),
            },
          },
          UploadBucketPolicy: {
            Type: 'AWS::S3::BucketPolicy',
            Properties: {
              Bucket: ref('UploadBucket'),
              PolicyDocument: {
                Version: '2012-10-17',
                Statement: [
                  {
                    Effect: 'Deny',
                    Principal: '*',
                    Action: 's3:*',
                    Resource: [att('UploadBucket'), sub(`\${UploadBucket.Arn}/*`)],
                    Condition: { Bool: { 'aws:SecureTransport': false } },
                  },
                ],
              },
            },
          },
        },
        Outputs: { UploadBucketName: { Description: 'Media over 6 MB', Value: ref('UploadBucket') } },
      }
    : {};
