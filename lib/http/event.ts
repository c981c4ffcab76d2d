import type { Context, LambdaFunctionURLEvent } from 'aws-lambda';
import type { Snapshot } from '../discovery/source.ts';
import type { Holder } from '../holder.ts';
import type { RequestRecord } from '../telemetry/record.ts';
import { createDeadline, type Deadline } from './deadline.ts';
import type { Head } from './lazy-stream.ts';

/**
 * One request as the gateway sees it. It is the event that middy's middlewares share: `headers`, `body` and
 * `isBase64Encoded` stay as Lambda delivers them, so that official middlewares work on it.
 */
export interface GatewayRequest {
  /** Correlation id; set by the correlation middleware. */
  id: string;
  /** The function this runs in. */
  readonly family: string;
  readonly method: string;
  /** As sent: percent-encoded, trailing slash included. */
  readonly path: string;
  /** As sent, without the `?`; empty when there is none. */
  readonly query: string;
  /** Lower-case names; several values of one name are joined by a comma (payload format 2.0). */
  readonly headers: Record<string, string>;
  readonly cookies: readonly string[];
  /** Text or base64 as delivered, parsed JSON behind the JSON parser. */
  body: unknown;
  readonly isBase64Encoded: boolean;
  /** The body's bytes; decoded when first asked for. */
  bytes(): Buffer;
  readonly sourceIp: string;
  readonly host: string;
  readonly deadline: Deadline;
  /** Called in order when the first chunk is there, just before the head is written. */
  readonly onHead: ((head: Head) => void)[];
  /** Shown every chunk of the response on its way to the platform. */
  onChunk?: (chunk: string | Uint8Array) => void;
  /** What is known of this request when it is over, for its log line; the pipeline writes into it. */
  record?: RequestRecord;
  /** Exists only while the node header is switched on. */
  holder?: Holder;
  /** SHA-256 of the key the caller showed, in hex; `undefined` where anybody may call. */
  caller?: string;
  /** Run when the response is over and before the invocation is. */
  readonly afterwards: (() => Promise<unknown>)[];
  /** The configuration this request is served under. */
  snapshot?: Snapshot;
}

/**
 * @param event payload format 2.0 (AWS Lambda Developer Guide, "Invoking Lambda function URLs").
 * @param options the function's family, and `GATEWAY_DEADLINE_MARGIN_MS`.
 */
export const toGatewayRequest = (
  event: LambdaFunctionURLEvent,
  context: Context,
  { family, marginMs }: { family: string; marginMs: number },
): GatewayRequest => {
  const raw = event.body ?? '';
  let bytes: Buffer | undefined;
  return {
    id: '',
    family,
    method: event.requestContext?.http?.method ?? 'GET',
    path: event.rawPath ?? '/',
    query: event.rawQueryString ?? '',
    headers: event.headers as Record<string, string>,
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
