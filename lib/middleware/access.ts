import type { Source } from '../discovery/source.ts';
import { findEndpoint } from '../endpoints/index.ts';
import { authorize } from './authorizer.ts';
import type { Middleware } from './middleware.ts';

/**
 * Reads the configuration this request is served under and lets only holders of a key further. It comes before the
 * path is judged, so that without a key nothing is told, not even which paths exist.
 */
export const access = (source: Source, allowAnonymous: boolean): Middleware => ({
  before: async function accessBefore({ event: request }) {
    const endpoint = findEndpoint(request.path)?.endpoint;
    const level = endpoint?.kind === 'answered' ? (endpoint.access ?? 'key') : 'key';
    if (level === 'none' || request.method === 'OPTIONS') return;
    request.snapshot = await source.current(request.deadline.signal);
    authorize(request, request.snapshot, level, allowAnonymous);
  },
});
