import { addressOf } from './address.ts';
import { createAgents } from './agents.ts';
import { exchange, type UpstreamRequest, type UpstreamResponse } from './exchange.ts';
import { ExchangeError, StaleConnectionError } from './exchange-error.ts';

export interface Upstream {
  /** @throws {ExchangeError} when no response head came; what a streamed body threw, as it is. */
  send(request: UpstreamRequest): Promise<UpstreamResponse>;
}

/**
 * Once more over a new connection. The first one may have told the worker everything before it died, and so may have
 * been what killed it: whatever becomes of the second is the end of a request that was sent.
 */
const repeat = async (request: UpstreamRequest, connectTimeoutMs: number): Promise<UpstreamResponse> => {
  try {
    return await exchange(request, { agent: false, connectTimeoutMs });
  } catch (cause) {
    if (cause instanceof ExchangeError && cause.kind !== 'aborted')
      throw new ExchangeError('reset', { sent: true, cause });
    throw cause;
  }
};

/** @param connectTimeoutMs how long a connection may take to open. */
export const createUpstream = ({ connectTimeoutMs }: { connectTimeoutMs: number }): Upstream => {
  const agentFor = createAgents();
  return {
    async send(request) {
      const agent = !request.isAnew && (await agentFor(addressOf(request.worker.url)));
      try {
        return await exchange(request, { agent, connectTimeoutMs });
      } catch (cause) {
        if (cause instanceof StaleConnectionError) return repeat(request, connectTimeoutMs);
        throw cause;
      }
    },
  };
};
