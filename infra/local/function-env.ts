/**
 * Variables that mean something to the functions (docs/contract.md 8) and to the AWS SDK inside them. No profile: its files
 * are not theirs to read, and the SDK would rather look there than at the keys it is given.
 */
const PASSED = /^(GATEWAY_|LOCALAI_|AWS_(?!LAMBDA_|EXECUTION_ENV|PROFILE))|^NODE_EXTRA_CA_CERTS$/;
const KEYS = ['LOCALAI_API_KEY', 'LOCALAI_ADMIN_KEY'];

type Env = Record<string, string | undefined>;

/**
 * What every function gets of the runner's environment. Where no key is configured, anonymous access is allowed:
 * this is one developer's own machine, and the functions themselves infer nothing from where they run.
 */
export const functionEnv = (env: Readonly<Env>): Record<string, string> => {
  const passed = Object.entries(env).filter(
    (entry): entry is [string, string] => PASSED.test(entry[0]) && Boolean(entry[1]),
  );
  const anonymous: Record<string, string> = KEYS.some((name) => env[name]) ? {} : { GATEWAY_ALLOW_ANONYMOUS: 'true' };
  return { ...anonymous, ...Object.fromEntries(passed) };
};

/**
 * Finds credentials and region as the AWS SDK does (profiles, SSO, ...) and states them as the variables that a
 * deployed function has: what reads SSM in the functions knows only those.
 *
 * @returns nothing where they are given as variables already, or where there are none.
 */
export const awsVariables = async (env: Readonly<Env>): Promise<Record<string, string>> => {
  if (!env.AWS_PROFILE && env.AWS_ACCESS_KEY_ID && (env.AWS_REGION || env.AWS_DEFAULT_REGION)) return {};
  const { SSMClient } = await import('@aws-sdk/client-ssm');
  const { config } = new SSMClient({});
  const [credentials, region] = await Promise.all([
    config.credentials().catch(() => undefined),
    config.region().catch(() => undefined),
  ]);
  return {
    ...(region && { AWS_REGION: region }),
    ...(credentials && {
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      // Empty, not absent: a token of the runner's own environment does not belong to these keys.
      AWS_SESSION_TOKEN: credentials.sessionToken ?? '',
    }),
  };
};
