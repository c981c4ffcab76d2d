import type { APIGatewayProxyEvent, Context, LambdaFunctionURLEvent } from 'aws-lambda';
import type { Family } from '../endpoints/family.ts';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import type { Reply } from '../http/reply.ts';
import { type ResponseStream, writeReply } from './lazy-stream.ts';
import { toGatewayRequest } from './request.ts';

export interface HandlerOptions {
  /** The function this runs in. */
  readonly family: Family;
  /** `GATEWAY_DEADLINE_MARGIN_MS`. */
  readonly marginMs: number;
  /** Middlewares and handler. */
  readonly run: (request: GatewayRequest) => Promise<Reply>;
  /** Answers an error that comes while the body is made, before its first byte. */
  readonly renderError: (error: unknown, request: GatewayRequest) => Reply;
  /** What an invocation waits for before it ends, beside what the request itself has asked for. */
  readonly settled: () => Promise<void>;
}

type Delivered = LambdaFunctionURLEvent | APIGatewayProxyEvent;

/** Function URLs say payload 2.0; API Gateway's REST APIs say `httpMethod`, and no version (docs/contract.md 12). */
const asUrlPayload = async (event: Delivered): Promise<LambdaFunctionURLEvent> =>
  'httpMethod' in event ? (await import('./rest-payload.ts')).fromRestPayload(event) : event;

const end = (stream: ResponseStream) => new Promise<void>((resolve) => stream.end(resolve));

/** @returns the handler to export, for a function URL with `InvokeMode: RESPONSE_STREAM`. */
export const createHandler = ({ family, marginMs, run, renderError, settled }: HandlerOptions) => {
  const respond = async (stream: ResponseStream, request: GatewayRequest): Promise<void> => {
    let hasBegun = false;
    request.onHead.push(() => {
      hasBegun = true;
    });
    const reply = await run(request);
    try {
      await writeReply(stream, reply, request);
    } catch (error) {
      // After the head only the platform can show that the body is broken.
      if (hasBegun) throw error;
      await writeReply(stream, renderError(error, request), request);
    }
    await end(stream);
  };

  return awslambda.streamifyResponse(async (event, stream, context) => {
    const sent = await asUrlPayload(event as Delivered);
    const request = toGatewayRequest(sent, context as Context, { family, marginMs });
    try {
      await respond(stream, request);
    } catch (error) {
      // Whatever still runs for a response that nobody will see is ended with it.
      request.deadline.abort(new Error('The response could not be written.'));
      throw error;
    } finally {
      request.deadline.clear();
      await Promise.all([settled(), ...request.afterwards.map((afterwards) => afterwards())]);
    }
  });
};
