import { ECSClient } from '@aws-sdk/client-ecs';
import { SSMClient } from '@aws-sdk/client-ssm';
import type { Context } from 'aws-lambda';
import { ConfigError, readConfig } from '../lib/config.ts';
import { oneOff } from '../lib/registrar/one-off.ts';
import { createRegistrar, type TaskEvent } from '../lib/registrar/registrar.ts';
import type { Report } from '../lib/registrar/report.ts';
import { createAsk } from '../lib/upstream/ask.ts';
import { createUpstream } from '../lib/upstream/client.ts';

/** Left of the function's time for the answer and the log line. */
const MARGIN_MS = 3_000;

const { ssmPrefix: prefix, connectTimeoutMs, configTtlMs } = readConfig();
if (!prefix) throw new ConfigError('GATEWAY_SSM_PREFIX', 'is needed: it says where services are described');

const requestHandler = { connectionTimeout: 2_000, requestTimeout: 5_000, throwOnRequestTimeout: true };
const registrar = createRegistrar({
  prefix,
  configTtlMs,
  // `PutParameter` is throttled at three a second for the account, and others write too.
  ssm: new SSMClient({ requestHandler, maxAttempts: 6 }),
  // ECS shares 20 calls a second between everybody: slow down when it says so.
  ecs: new ECSClient({ requestHandler, maxAttempts: 4, retryMode: 'adaptive' }),
  ask: createAsk(oneOff(createUpstream({ connectTimeoutMs }))),
});

/** EventBridge: every minute, and on ECS task state changes. */
export const handler = (event: TaskEvent, context: Context): Promise<Report> =>
  registrar.run(event, Math.max(1, context.getRemainingTimeInMillis() - MARGIN_MS));
