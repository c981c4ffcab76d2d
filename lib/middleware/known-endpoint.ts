import { MethodNotAllowedError, NotFoundError } from '../errors.ts';
import type { Middleware } from './middleware.ts';

/** Refuses what this function does not serve: an unknown path or another family's with 404, a wrong method with 405. */
export const knownEndpoint = (): Middleware => ({
  before: function knownEndpointBefore({ event: request }) {
    const endpoint = request.match?.endpoint;
    if (!endpoint) throw new NotFoundError(`There is no ${request.path.slice(0, 200)} here.`);
    const { family } = request;
    const { families, methods, paths } = endpoint;
    if (!families.includes(family)) {
      throw new NotFoundError(
        `${paths[0]} is served by the '${families[0]}' function; this address is the '${family}' function's.`,
      );
    }
    if (methods && !methods.includes(request.method)) throw new MethodNotAllowedError(request.method, methods);
  },
});
