import { createHolder, stampOf } from '../holder.ts';
import type { Middleware } from './middleware.ts';

/**
 * `X-LocalAI-Node`: which worker produced these bytes (docs/contract.md 3). Off: nothing is created and nothing is hooked.
 * On: an empty holder for this invocation, read when the first chunk is there.
 */
export const nodeHeader = (): Middleware => ({
  before: function nodeHeaderBefore({ event: request }) {
    if (!request.snapshot?.exposeNodeHeader) return;
    const holder = createHolder();
    request.holder = holder;
    request.onHead.push(({ headers }) => {
      const nodeId = stampOf(holder);
      if (nodeId) headers['x-localai-node'] = nodeId;
    });
  },
});
