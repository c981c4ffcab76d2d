import type { Context, LambdaFunctionURLEvent } from 'aws-lambda';
import type { Family } from '../endpoints/family.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import { dialectOf, findEndpoint } from '../endpoints/index.ts';
import { readTarget } from '../http/request-target.ts';
import { createDeadline } from '../time/deadline.ts';

/**
 * @param event payload format 2.0 (AWS Lambda Developer Guide, "Invoking Lambda function URLs").
 * @param options the function's family, and `GATEWAY_DEADLINE_MARGIN_MS`.
 */
export const toGatewayRequest = (
  event: LambdaFunctionURLEvent,
  context: Context,
  { family, marginMs }: { readonly family: Family; readonly marginMs: number },
): GatewayRequest => {
  const raw = event.body ?? '';
  const { path } = readTarget(event.rawPath ?? '/');
  const headers = event.headers as Record<string, string>;
  const match = findEndpoint(path);
  let bytes: Buffer | undefined;
  return {
    id: '',
    family,
    method: event.requestContext?.http?.method ?? 'GET',
    match,
    dialect: dialectOf({ match, path, headers, family }),
    path,
    query: event.rawQueryString ?? '',
    headers,
    cookies: event.cookies ?? [],
    body: event.body,
    isBase64Encoded: event.isBase64Encoded ?? false,
    bytes: () => (bytes ??= Buffer.from(raw, event.isBase64Encoded ? 'base64' : 'utf8')),
    sourceIp: event.requestContext?.http?.sourceIp ?? '',
    host: event.requestContext?.domainName ?? '',
    deadline: createDeadline(context.getRemainingTimeInMillis(), marginMs),
    onHead: [],
    afterwards: [],
  };
};
