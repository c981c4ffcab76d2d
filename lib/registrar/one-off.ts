import type { Upstream } from '../upstream/client.ts';

/**
 * An upstream that keeps no connection: a registrar meets every worker twice a minute, and a thousand idle sockets
 * would use up the 1,024 file descriptors a function has.
 */
export const oneOff = (upstream: Upstream): Upstream => ({
  send: (request) => upstream.send({ ...request, headers: { ...request.headers, connection: 'close' } }),
});
