import { GatewayError } from '../errors.ts';
import { isSilent, orSilent } from '../time/silence.ts';
import { nothingMore } from '../upstream/chunk-reader.ts';
import type { PrimedBody } from './answer.ts';
import { cutError, idleError, reasonOf } from './relay.ts';

/**
 * Reads a body to its end while it is short, so that it can be passed on later and its connection is free.
 * @returns the same body. `isWhole`: all of it is here; otherwise it is longer than `maxBytes`. `undefined`: it broke off.
 * @throws {GatewayError} when the deadline comes.
 */
export const readShort = async (
  { first, rest }: PrimedBody,
  { signal, idleMs, maxBytes }: CollectOptions,
): Promise<{ readonly body: PrimedBody; readonly isWhole: boolean } | undefined> => {
  const chunks = [...first];
  const isShort = () => chunks.reduce((sum, chunk) => sum + chunk.length, 0) <= maxBytes;
  try {
    while (isShort()) {
      const chunk = await orSilent(rest.read(), idleMs);
      if (isSilent(chunk)) throw idleError();
      if (!chunk) return { body: { first: chunks, rest: nothingMore }, isWhole: true };
      chunks.push(chunk);
    }
    return { body: { first: chunks, rest }, isWhole: false };
  } catch {
    rest.stop();
    if (signal.aborted) throw reasonOf(signal);
    return undefined;
  }
};

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
