import type { CredentialsProvider } from './environment.ts';

/**
 * Credentials as the AWS SDKs find them: the environment, profiles, web identity, the endpoint of a container
 * (`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, `..._FULL_URI`), the instance. Kept until shortly before they expire. For a
 * process that outlives them; a function has its own in its environment and does without the SDK.
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 */
export const sdkCredentials = (): CredentialsProvider => {
  let found: ReturnType<typeof load> | undefined;
  const load = async () => (await import('@aws-sdk/credential-provider-node')).defaultProvider();
  return async () => {
    found ??= load();
    const { accessKeyId, secretAccessKey, sessionToken } = await (await found)();
    return { accessKeyId, secretAccessKey, sessionToken };
  };
};
