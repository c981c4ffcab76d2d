import { ForbiddenError } from '../errors.ts';
import type { Middleware } from './middleware.ts';

/**
 * With a secret set, a function URL answers only what came through the edge, which adds it (docs/contract.md 8).
 * Whether it lives and is ready it tells anybody, as it does without a key.
 * @param secret `GATEWAY_EDGE_SECRET`.
 */
export const edgeSecret = (secret: string): Middleware => ({
  before: function edgeSecretBefore({ event: request }) {
    if (request.match?.endpoint.access === 'none') return;
    const { createHash, timingSafeEqual } = process.getBuiltinModule('node:crypto');
    const digest = (text: string) => createHash('sha256').update(text).digest();
    if (timingSafeEqual(digest(request.headers['x-origin-secret'] ?? ''), digest(secret))) return;
    throw new ForbiddenError('This address is not open to the public: use the domain in front of it.');
  },
});
