import { GatewayError } from '../errors.ts';
import { isSilent, orSilent } from '../time/silence.ts';
import type { PrimedBody } from './answer.ts';
import { cutError, idleError, reasonOf } from './relay.ts';

export interface CollectOptions {
  /** The invocation's. */
  readonly signal: AbortSignal;
  /** How long the worker may say nothing, in milliseconds. */
  readonly idleMs: number;
  readonly maxBytes: number;
}

/**
 * Reads a body that must be whole before it can be passed on. Whatever goes wrong, the connection is closed.
 * @throws {UpstreamError} when it breaks off or is too long, {TimeoutError} when it stalls or the deadline comes.
 */
export const collect = async (body: PrimedBody, { signal, idleMs, maxBytes }: CollectOptions): Promise<Buffer> => {
  const chunks = [...body.first];
  let length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  try {
    for (;;) {
      const chunk = await orSilent(body.rest.read(), idleMs);
      if (isSilent(chunk)) throw idleError();
      if (!chunk) return Buffer.concat(chunks);
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxBytes) throw new RangeError(`more than ${maxBytes} bytes`);
    }
  } catch (cause) {
    body.rest.stop();
    if (signal.aborted) throw reasonOf(signal);
    throw cause instanceof GatewayError ? cause : cutError(cause);
  }
};
