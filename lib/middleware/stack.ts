import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import type { Reply } from '../http/reply.ts';
import type { Middleware } from './middleware.ts';

/** Takes a request through the middlewares and the handler. It rejects only where no `onError` has an answer. */
export type Run = (request: GatewayRequest) => Promise<Reply>;

/** What middy is given in place of Lambda's context: a host has made a deadline of it, and no middleware here reads it. */
const NO_CONTEXT = {} as Context;

/**
 * middy behind its own types: everything that its declarations leave open is closed here and nowhere else.
 *
 * It runs in its standard mode, which ends with the reply: writing that is for a host, which knows when the first chunk
 * is there. middy's streaming mode sends the head when the handler returns, and pipes into the response, where one broken
 * upstream ends the runtime process.
 *
 * @param middlewares the first is the outermost: its `before` runs first, its `onError` last.
 */
export const createStack = (middlewares: readonly Middleware[], handle: Run): Run => {
  // No early time-out: the request brings a deadline of its own, which holds for the body too.
  const run = middy<GatewayRequest, Reply>({ timeoutEarlyInMillis: 0 });
  for (const middleware of middlewares) run.use(middleware);
  run.handler(handle as Parameters<typeof run.handler>[0]);
  return (request) => run(request, NO_CONTEXT);
};
