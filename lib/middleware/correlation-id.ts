import { dialectOf } from '../endpoints/index.ts';
import type { Middleware } from './middleware.ts';

const USABLE = /^[A-Za-z0-9._:-]{1,128}$/;

const hex = (bytes: number): string => process.getBuiltinModule('node:crypto').randomBytes(bytes).toString('hex');

/** W3C Trace Context, version 00: a trace of our own where the client brought none. */
const newTraceparent = (): string => `00-${hex(16)}-${hex(8)}-01`;

/**
 * One id for a request, on every response and to the worker: the client's `X-Correlation-Id`, else its `x-request-id`,
 * when usable; else a new UUID (CONTRACT.md 4).
 */
export const correlationId = (): Middleware => ({
  before: function correlationIdBefore({ event: request }) {
    const given = [request.headers['x-correlation-id'], request.headers['x-request-id']];
    request.id = given.find((id) => id !== undefined && USABLE.test(id)) ?? crypto.randomUUID();
    if (!request.headers.traceparent) request.headers = { ...request.headers, traceparent: newTraceparent() };
    const names = ['x-correlation-id', 'x-request-id', ...dialectOf(request).correlationHeaders];
    request.onHead.push(({ headers }) => {
      for (const name of names) headers[name] = request.id;
    });
  },
});
