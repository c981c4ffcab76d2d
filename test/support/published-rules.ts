import { apiGatewayRules } from './rules/api-gateway.ts';
import { cloudfrontRules } from './rules/cloudfront.ts';
import { cloudwatchRules } from './rules/cloudwatch.ts';
import { computeRules } from './rules/compute.ts';
import { containerRules } from './rules/container.ts';
import { eventRules } from './rules/events.ts';
import { iamRules } from './rules/iam.ts';
import { lambdaRules } from './rules/lambda.ts';
import type { Rule } from './rules/rule.ts';
import { stackRules } from './rules/stack.ts';
import { storageRules } from './rules/storage.ts';

/** What AWS's pages say of the resources of the stack beyond their schemas. */
export const publishedRules: readonly Rule[] = [
  ...stackRules,
  ...iamRules,
  ...lambdaRules,
  ...apiGatewayRules,
  ...cloudfrontRules,
  ...eventRules,
  ...computeRules,
  ...containerRules,
  ...storageRules,
  ...cloudwatchRules,
];
