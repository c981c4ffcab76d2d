import type { MiddlewareObj } from '@middy/core';
import type { Context } from 'aws-lambda';
import type { GatewayRequest } from '../endpoints/gateway-request.ts';
import type { Reply } from '../http/reply.ts';

/** A middy middleware over the gateway's own request and reply. */
export type Middleware = MiddlewareObj<GatewayRequest, Reply, Error, Context>;
