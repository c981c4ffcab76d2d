/** Environment variables, usually `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** As whom to speak to AWS. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of temporary credentials, which a function's always are. */
  readonly sessionToken: string | undefined;
}

/** As whom to speak to AWS now: temporary credentials change. @throws {Error} when there are none. */
export type CredentialsProvider = () => Promise<Credentials>;

/** @throws {Error} when there are none. */
export const credentialsOf = (env: Environment): Credentials => {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey) throw new Error('AWS credentials are not set');
  return { accessKeyId, secretAccessKey, sessionToken: env.AWS_SESSION_TOKEN || undefined };
};

/** A function's own: its environment holds them, and outlives none of them. */
export const environmentCredentials =
  (env: Environment): CredentialsProvider =>
  async () =>
    credentialsOf(env);

export const regionOf = (env: Environment): string => env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1';

/**
 * @returns the endpoint that `AWS_ENDPOINT_URL_<SERVICE>` or `AWS_ENDPOINT_URL` names, if any.
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
 */
export const givenEndpoint = (env: Environment, service: 'ssm' | 's3'): string | undefined =>
  env[`AWS_ENDPOINT_URL_${service.toUpperCase()}`] || env.AWS_ENDPOINT_URL || undefined;

/** @returns the host of a service in a region, `ssm.eu-central-1.amazonaws.com`. */
export const hostOf = (service: 'ssm' | 's3', region: string): string =>
  `${service}.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
