import { type BodyLimitOptions, tooLarge } from './body-limit.ts';
import type { Middleware } from './middleware.ts';

/**
 * Has the host read the body, where it has not yet: behind the key and the path, so that nobody without a key sends
 * more than a head, and behind the declared size, so that nothing is read of what is too large (docs/contract.md 12).
 */
export const received = (options: BodyLimitOptions): Middleware => ({
  before: async function receivedBefore({ event: request }) {
    const { maxBytes } = options;
    const declared = Number(request.headers['content-length'] ?? 0);
    if (declared > maxBytes) throw tooLarge(request, declared, options);
    const bytes = await request.receive?.(maxBytes);
    if (bytes !== undefined && bytes > maxBytes) throw tooLarge(request, bytes, options);
  },
});
