import type { Family } from '../endpoints/family.ts';
import { MethodNotAllowedError, NotFoundError } from '../errors.ts';
import type { Middleware } from './middleware.ts';

/**
 * Refuses what this function does not serve: an unknown path or another family's with 404, a wrong method with 405.
 * @param family the function this runs in.
 */
export const knownEndpoint = (family: Family): Middleware => ({
  before: function knownEndpointBefore({ event: request }) {
    const endpoint = request.match?.endpoint;
    if (!endpoint) throw new NotFoundError(`There is no ${request.path.slice(0, 200)} here.`);
    const { families, methods, paths } = endpoint;
    if (!families.includes(family)) {
      throw new NotFoundError(
        `${paths[0]} is served by the '${families[0]}' function; this address is the '${family}' function's.`,
      );
    }
    if (methods && !methods.includes(request.method)) throw new MethodNotAllowedError(request.method, methods);
  },
});
